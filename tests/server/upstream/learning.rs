//! Searches learn from use within conversations.

use serde_json::{Value, json};

use crate::support::command::ended;
use crate::support::home::Home;
use crate::support::http::{self, add_token, tokens_of};
use crate::support::http_clients::{Caller, Client};
use crate::support::pipes::Server;
use crate::support::snippets::RUN;
use crate::support::upstreams::upstream;
use crate::support::waiting::eventually;

/// A query that has no word in common with any tool, and whose vector is far from all of them.
const COLD: &str = "revenue by quarter";

/// Queries that find a tool by a word, and say in others what it is used for.
const PAST: [&str; 2] = ["quarterly turnover from orders", "revenue of the orders in spring"];

const CALL: &str = "await callTool('shop', 'list_orders', { month: '2026-03' }); 1";

fn shop() -> Value {
    json!({ "shop": upstream(&["shop"]), "crm": upstream(&["crm"]) })
}

fn search(query: &str, conversation: Option<&str>) -> Value {
    let mut arguments = json!({ "query": query });
    if let Some(conversation) = conversation {
        arguments["conversation"] = conversation.into();
    }
    arguments
}

fn has_orders(found: &Value) -> bool {
    let tools = found["tools"].as_array().expect("a list");
    tools.iter().any(|tool| tool["name"] == "list_orders")
}

fn program(code: &str, found: &Value) -> Value {
    json!({ "deno_code": code, "conversation": found["conversation"] })
}

fn finds(server: &mut Server) -> bool {
    has_orders(&server.structured("search_tools", search(COLD, None)))
}

/// A task for each past query: a search, and in its conversation a program that calls its result.
fn use_tools(server: &mut Server) {
    for query in PAST {
        let found = server.structured("search_tools", search(query, Some("new")));
        assert!(has_orders(&found), "{query}: {found:#}");
        let run = server.structured(RUN, program(CALL, &found));
        assert_eq!(run["returnValue"], 1, "{run:#}");
    }
}

/// With the store that `kept` has.
fn server(kept: &Home, learn: &str) -> Server {
    let place = kept.name("store");
    let env = [("MCP_CONDUCTOR_STORE", place.as_str()), ("MCP_CONDUCTOR_LEARN", learn)];
    Server::at(Home::with(&shop()), &env)
}

#[test]
fn a_query_finds_after_two_uses_what_it_did_not_find_before_and_a_restart_keeps_it() {
    let kept = Home::empty();
    let mut first = server(&kept, "on");
    assert!(!finds(&mut first));
    use_tools(&mut first);
    assert!(eventually(|| finds(&mut first)));
    let found = first.value(&format!("(await searchTools('{COLD}')).length"));
    assert_eq!(found, 1);
    first.close();
    let mut again = server(&kept, "on");
    assert!(eventually(|| finds(&mut again)));
    again.close();
    // What is kept is not read.
    let mut off = server(&kept, "off");
    assert!((0..10).all(|_| !finds(&mut off)));
}

#[test]
fn a_program_that_finds_and_calls_a_tool_itself_teaches_too() {
    let mut server = Server::with(&shop());
    for query in PAST {
        let code = format!("await findTools('{query}'); {CALL}");
        let run = server.structured(RUN, json!({ "deno_code": code, "conversation": "new" }));
        assert_eq!(run["returnValue"], 1, "{run:#}");
    }
    assert!(eventually(|| finds(&mut server)));
}

fn forget(server: &Server, arguments: &[&str]) -> String {
    let arguments: Vec<_> = ["search", "forget"].iter().chain(arguments).copied().collect();
    let ended = ended(&mut server.home().command(&arguments));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

#[test]
fn where_learning_is_off_nothing_is_kept() {
    let mut server = Server::at(Home::with(&shop()), &[("MCP_CONDUCTOR_LEARN", "off")]);
    use_tools(&mut server);
    assert!(!finds(&mut server));
    assert_eq!(forget(&server, &[]), "Nothing was learned from use\n");
}

#[test]
fn without_a_conversation_nothing_is_learned() {
    let mut server = Server::with(&shop());
    for query in PAST {
        assert!(has_orders(&server.structured("search_tools", search(query, None))));
        assert_eq!(server.value(CALL), 1);
    }
    assert_eq!(forget(&server, &[]), "Nothing was learned from use\n");
}

#[test]
fn the_administrator_has_what_was_learned_forgotten() {
    let mut server = Server::with(&shop());
    use_tools(&mut server);
    assert!(eventually(|| finds(&mut server)));
    assert_eq!(
        forget(&server, &["--principal", "ada"]),
        "Nothing was learned from the use of ada\n"
    );
    let told = forget(&server, &["--principal", "-"]);
    assert_eq!(told, "Forgot what was learned from the use of -\n");
    assert_eq!(forget(&server, &[]), "Nothing was learned from use\n");
}

fn use_as(client: &Client) {
    for query in PAST {
        let found = client.structured("search_tools", search(query, Some("new")));
        assert!(has_orders(&found), "{query}: {found:#}");
        client.structured(RUN, program(CALL, &found));
    }
}

fn finds_as(client: &Client) -> bool {
    has_orders(&client.structured("search_tools", search(COLD, None)))
}

#[test]
fn what_one_principal_teaches_no_other_one_sees_and_each_can_be_left_out() {
    let home = Home::with(&shop());
    let tokens = tokens_of(&home);
    let file =
        home.settings(&format!("tokens = \"{tokens}\"\n[principals.carol]\nlearn = \"off\"\n"));
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| add_token(&home, name));
    let server = http::Server::at(home, &[], &["--config", &file]);
    let [alice, bob, carol] = [&alice, &bob, &carol].map(|token| server.client_as(token));
    assert!(!finds_as(&bob));
    use_as(&carol);
    use_as(&alice);
    assert!(eventually(|| finds_as(&alice)));
    assert!((0..10).all(|_| !finds_as(&bob) && !finds_as(&carol)));
}
