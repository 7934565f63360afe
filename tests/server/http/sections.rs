//! Sections of principals in the configuration, beside the tokens that there are.

use serde_json::json;

use crate::support::home::Home;
use crate::support::http::{Server, add_token, refused};
use crate::support::http_clients::Caller as _;

#[test]
fn a_section_of_nobody_is_named() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let file = home.settings(
        "tokens = \"@ROOT@/tokens.json\"\n\
         [principals.alise]\nmax_timeout = 50000\n\
         [principals.alice]\nmax_timeout = 50000\n\
         [principals.\"*\"]\nmax_timeout = 50000\n",
    );
    let server = Server::at(home, &[], &["--config", &file]);
    server.logs(&["WARN", "principals.alise"]);
    for line in server.logged(&["WARN", "principals."]) {
        assert!(line.contains("principals.alise"), "{line}");
        assert!(!line.contains("principals.alice"), "{line}");
    }
    assert_eq!(server.client_as(&alice).value("1"), 1);
}

#[test]
fn sections_without_authentication_stop_the_server() {
    let home = Home::empty();
    let alice = add_token(&home, "alice");
    let section = "[principals.alice]\nmax_timeout = 50000\n";
    let file = home.settings(section);
    let (code, said) = refused(&home, &[], &["--config", &file]);
    assert_eq!((code, said.lines().count()), (Some(3), 1), "{said}");
    assert!(said.contains("principals") && said.contains("authenticat"), "{said}");

    home.settings(&format!("tokens = \"@ROOT@/tokens.json\"\n{section}"));
    let server = Server::at(home, &[], &["--config", &file]);
    assert_eq!(server.client_as(&alice).value("1"), 1);
    assert_eq!(server.client().ask("tools/list", json!({})).status, 401);
}
