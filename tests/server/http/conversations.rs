//! A conversation is its principal's, whoever else knows its handle.

use serde_json::{Value, json};

use crate::support::home::Home;
use crate::support::http::{Server, add_token, tokens_of};
use crate::support::http_clients::{Caller, Client};
use crate::support::snippets::RUN;

fn two() -> (Server, Client, Client) {
    let home = Home::empty();
    let file = home.settings(&format!("tokens = \"{}\"\n", tokens_of(&home)));
    let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let server = Server::at(home, &[], &["--config", &file]);
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    (server, alice, bob)
}

fn arguments(code: &str, conversation: &str) -> Value {
    json!({ "deno_code": code, "conversation": conversation })
}

#[test]
fn another_principal_s_handle_is_answered_as_an_invented_one() {
    let (_server, alice, bob) = two();
    let begun = alice.structured(RUN, arguments("await session.set('secret', 'CANARY')", "new"));
    let handle = begun["conversation"].as_str().expect("a handle").to_owned();
    let code = "await session.get('secret')";
    let refused = |handle: &str| {
        let result = bob.tool(RUN, arguments(code, handle));
        assert_eq!(result["isError"], true, "{result:#}");
        result
    };
    assert_eq!(refused(&handle), refused("conv_AAAAAAAAAAAAAAAAAAAAAA"));
    let searched = bob.tool("search_tools", json!({ "query": "x", "conversation": handle }));
    assert_eq!(searched["isError"], true, "{searched:#}");
    let own = alice.structured(RUN, arguments(code, &handle));
    assert_eq!(own["returnValue"], "CANARY");
}

#[test]
fn one_principal_s_conversations_take_no_place_of_another_s() {
    let home = Home::empty();
    let file =
        home.settings(&format!("tokens = \"{}\"\nmax_conversations = 1\n", tokens_of(&home)));
    let (alice, bob) = (add_token(&home, "alice"), add_token(&home, "bob"));
    let server = Server::at(home, &[], &["--config", &file]);
    let (alice, bob) = (server.client_as(&alice), server.client_as(&bob));
    let begun = |client: &Client| {
        let result = client.structured(RUN, arguments("1", "new"));
        result["conversation"].as_str().expect("a handle").to_owned()
    };
    let (oldest, of_bob) = (begun(&alice), begun(&bob));
    begun(&alice);
    // Her oldest one has made room, and nobody else's.
    let ended = alice.tool(RUN, arguments("1", &oldest));
    assert_eq!(ended["isError"], true, "{ended:#}");
    bob.structured(RUN, arguments("1", &of_bob));
}
