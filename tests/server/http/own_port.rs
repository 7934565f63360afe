//! The port of the server itself, which its programs do not reach.

use super::jwt::TextServer;
use crate::support::http::Server;
use crate::support::http_clients::Caller as _;

#[test]
fn a_program_does_not_reach_the_server_that_runs_it() {
    let page = TextServer::start("\"a page\"");
    let grants = ("MCP_CONDUCTOR_RUN_ARGS", "allow-net=127.0.0.1,localhost");
    let open = Server::start(&[grants], &[]);
    let (closed, alice) = Server::with_token(&[grants]);
    for (server, client) in [(&open, open.client()), (&closed, closed.client_as(&alice))] {
        for host in ["127.0.0.1", "localhost", "127.1"] {
            for path in ["health", "metrics", "mcp"] {
                let own = format!("fetch('http://{host}:{}/{path}')", server.port);
                let (name, message) = client.thrown(&own);
                assert_eq!(name, "NotCapable", "{own}: {message}");
                assert!(message.contains("own port"), "{own}: {message}");
            }
            let other = format!("await (await fetch('http://{host}:{}/')).json()", page.port);
            assert_eq!(client.value(&other), "a page");
        }
        for host in ["[::ffff:127.0.0.1]", "0.0.0.0", "[::1]"] {
            let own = format!("fetch('http://{host}:{}/health')", server.port);
            let (name, _) = client.thrown(&own);
            assert_ne!(name, "nothing was thrown", "{own}");
        }
    }
    assert_eq!(page.count(), 6);
}
