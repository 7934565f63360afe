//! SIGHUP opens no door that was shut: authentication, tokens and the audit log.

use std::time::Duration;

use serde_json::json;

use crate::support::home::{AUDIT_LOG, Home};
use crate::support::http::{Server, add_token, remove_token, tokens_of};
use crate::support::http_clients::{Caller as _, LegacySession, is_done};
use crate::support::snippets::{ENDLESS, sleeper, waiter};
use crate::support::waiting::{PATIENCE, within};

/// A client has 3 s to come back to its run, and the machine the rest.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn authentication_is_not_lost_on_loopback_either() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let tokens = "tokens = \"@ROOT@/tokens.json\"\n";
    let file = home.settings(tokens);
    let server = Server::at(home, &[], &["--config", &file]);
    let session = LegacySession::open_as(&server, &alice);
    for text in ["", "default_timeout = 400\n", "# tokens = \"@ROOT@/tokens.json\"\n"] {
        server.home.settings(text);
        let said = server.read_again();
        assert!(said.contains("ERROR") && said.contains("is not used"), "{text}: {said}");
        assert_eq!(server.client().ask("tools/list", json!({})).status, 401, "{text}");
        assert_eq!(server.client_as(&alice).value("1"), 1, "{text}");
        assert_eq!(session.value("2"), 2, "{text}");
    }
    server.home.settings(&format!("{tokens}default_timeout = 400\n"));
    let said = server.read_again();
    assert!(said.contains("was reloaded"), "{said}");
    assert_eq!(server.client().ask("tools/list", json!({})).status, 401);
    let execution = server.client_as(&alice).call(&sleeper(5000));
    assert_eq!(execution["error"], "Execution timed out after 400ms");
}

#[test]
fn a_new_token_of_an_old_name_is_another_holder() {
    let home = Home::empty();
    let (old, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let tokens = tokens_of(&home);
    let env = [("MCP_CONDUCTOR_TOKENS", &*tokens), ("MCP_CONDUCTOR_MAX_CONCURRENT", "8")];
    let server = Server::at(home, &env, &[]);
    let alices = LegacySession::open_as(&server, &old);
    let bobs = LegacySession::open_as(&server, &bob);
    assert_eq!((alices.value("1"), bobs.value("2")), (json!(1), json!(2)));
    let processes = server.settled_processes(0);
    let _running = [alices.start_program(ENDLESS), server.client_as(&old).start_program(ENDLESS)];
    let mut bobs_run = bobs.start_program(&waiter("go"));
    server.runs_beside(processes, 3);

    remove_token(&server.home, "alice");
    let new = server.token("alice");
    assert_ne!(new, old);
    let said = server.read_again();
    assert!(said.contains("was reloaded"), "{said}");
    // Bob's goes on.
    server.none_runs_within(processes + 1, SOON);
    server.release("go");
    is_done(&mut bobs_run);
    server.none_runs_within(processes, SOON);

    assert_eq!(server.client_as(&old).ask("tools/list", json!({})).status, 401);
    assert_eq!(alices.ask("tools/list", json!({})).status, 401);
    assert_eq!(server.client_as(&new).value("3"), 3);
    assert_eq!(alices.with_token(Some(&new)).ask("tools/list", json!({})).status, 404);
    assert_eq!(bobs.value("4"), 4);
}

#[test]
fn the_audit_log_in_use_stays_closed_when_the_file_names_another() {
    let home = Home::empty();
    home.write("plain.txt", "plain");
    let alice = add_token(&home, "alice");
    let text = |log: &str, timeout: u32| {
        format!(
            "tokens = \"@ROOT@/tokens.json\"\naudit_log = \"@ROOT@/{log}\"\n\
             [principals.alice]\nworkspace = \"@ROOT@/alice\"\n\
             run_args = \"allow-read=/,allow-write=/\"\ndefault_timeout = {timeout}\n"
        )
    };
    let file = home.settings(&text(AUDIT_LOG, 20_000));
    let server = Server::at(home, &[], &["--config", &file]);
    let alice = server.client_as(&alice);
    assert_eq!(alice.value("1"), 1);
    server.home.settings(&text("other.jsonl", 10_000));
    let said = server.read_again();
    assert!(said.contains("was reloaded"), "{said}");
    server.logs(&["WARN", "audit_log", "restart"]);

    let in_use = server.home.name(AUDIT_LOG);
    let plain = server.home.name("plain.txt");
    let acts = |path: &str| {
        [
            format!("Deno.readTextFile('{path}')"),
            format!("Deno.writeTextFile('{path}', 'x', {{ append: true }})"),
            format!("Deno.writeTextFile('{path}', 'x')"),
        ]
    };
    for (closed, open) in acts(&in_use).iter().zip(&acts(&plain)) {
        let (name, message) = alice.thrown(closed);
        assert_eq!(name, "NotCapable", "{closed}: {message}");
        let (name, message) = alice.thrown(open);
        assert_eq!(name, "nothing was thrown", "{open}: {message}");
    }
    for act in [
        format!("Deno.remove('{in_use}')"),
        format!("Deno.rename('{in_use}', '{in_use}.old')"),
        format!("Deno.rename('{plain}', '{in_use}')"),
        format!("Deno.link('{in_use}', 'linked')"),
    ] {
        let (name, _) = alice.thrown(&act);
        assert_ne!(name, "nothing was thrown", "{act}");
    }
    let before = server.home.audit().len();
    assert_eq!(alice.value("2"), 2);
    let goes_on = within(PATIENCE, || server.home.audit().len() > before);
    assert!(goes_on, "{:#?}", server.home.audit());
}
