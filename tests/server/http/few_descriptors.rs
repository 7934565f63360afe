//! A server that may open few files.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::support::home::Home;
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{Caller as _, LegacySession};
use crate::support::waiting::{PATIENCE, within};
use crate::support::wire::Connection;

/// Descriptors of a server that has few of them.
const FEW: usize = 256;

/// A server that may open few files, with the tokens that are in its home directory.
#[track_caller]
fn small(home: Home) -> Server {
    let limited = format!("ulimit -n {FEW}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &limited, env!("CARGO_BIN_EXE_mcp-conductor"), "http", "-p", "0"])
        .env_clear()
        .env("HOME", home.root())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("MCP_CONDUCTOR_STANDBY", "1")
        .env("MCP_CONDUCTOR_TOKENS", tokens_of(&home))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let server = Server::listening(home, command);
    server.unwrap_or_else(|said| panic!("it does not listen:\n{said}"))
}

#[test]
fn streams_of_one_principal_leave_places_for_another() {
    let home = Home::empty();
    let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let server = small(home);
    let bobs = server.client_as(&bob);
    assert_eq!(bobs.value("1"), 1);
    // First 100, then more than there are places: one for two descriptors.
    for per_session in [20, 30] {
        let sessions: Vec<_> = (0..5)
            .map(|_| LegacySession::open_with(server.port, Some(&alice), &json!({})))
            .collect();
        let mut streams = Vec::new();
        for session in &sessions {
            for _ in 0..per_session {
                let mut stream = Connection::open(server.port);
                stream.send(&session.listen(None));
                streams.push(stream);
            }
        }
        sleep(Duration::from_secs(1));
        assert_eq!(bobs.value("2"), 2, "{}", server.log());
        // Her own part she has. Which of her connections come first is the server's to decide.
        let is_open = |stream: &mut Connection| stream.head().is_ok_and(|head| head.status == 200);
        assert!(streams.iter_mut().any(is_open), "{}", server.log());
        drop(streams);
        let again = within(PATIENCE, || {
            let response = server.client_as(&alice).ask("tools/list", json!({}));
            response.status == 200
        });
        assert!(again, "{}", server.log());
        for session in sessions {
            session.close();
        }
    }
    assert_eq!(server.client_as(&alice).value("3"), 3);
}
