//! Conversations, as a client sees them.

use serde_json::{Value, json};

use crate::support::command::ended;
use crate::support::home::Home;
use crate::support::pipes::Server;
use crate::support::snippets::RUN;
use crate::support::upstreams::{only_stub, upstream};

fn handle(told: &Value) -> String {
    let handle = told["conversation"].as_str().unwrap_or_else(|| panic!("no handle: {told:#}"));
    assert!(handle.starts_with("conv_") && handle.len() == 27, "{handle}");
    handle.to_owned()
}

fn names(tools: &Value) -> Vec<&str> {
    tools.as_array().expect("a list").iter().filter_map(|tool| tool["name"].as_str()).collect()
}

#[test]
fn a_call_begins_a_conversation_and_the_next_goes_on_with_it() {
    let mut server = Server::with(&only_stub());
    let first = server.execute("await session.set('n', 41)", json!({ "conversation": "new" }));
    let conversation = handle(&first);
    let again = json!({ "conversation": conversation });
    let second = server.execute("await session.get('n') + 1", again);
    assert_eq!(second["returnValue"], 42, "{second:#}");
    assert_eq!(handle(&second), conversation);
    let other = server.execute("await session.get('n') ?? null", json!({ "conversation": "new" }));
    assert_ne!(handle(&other), conversation);
    assert_eq!(other["returnValue"], Value::Null);
}

#[test]
fn a_result_without_a_conversation_has_no_handle() {
    let mut server = Server::with(&only_stub());
    let execution = server.execute("1", json!({}));
    assert_eq!(execution.get("conversation"), None, "{execution:#}");
    let found = server.structured("search_tools", json!({ "query": "echo" }));
    let members: Vec<_> = found.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["tools"]);
}

#[test]
fn a_search_lists_what_is_loaded_apart() {
    let mut server = Server::with(&only_stub());
    let first = json!({ "query": "echo", "conversation": "new" });
    let first = server.structured("search_tools", first);
    let conversation = handle(&first);
    assert!(names(&first["tools"]).contains(&"echo"), "{first:#}");
    assert_eq!(first["loaded"], json!([]));
    let call = "await callTool('stub', 'echo', { text: 'x' })";
    let execution = server.execute(call, json!({ "conversation": conversation }));
    let notes = execution["notes"].to_string();
    assert!(notes.contains("no need to search") && notes.contains("mcp__stub__echo"), "{notes}");
    let again = json!({ "query": "echo", "conversation": conversation });
    let again = server.structured("search_tools", again);
    assert_eq!(again["loaded"], json!(["mcp__stub__echo"]));
    assert!(!names(&again["tools"]).contains(&"echo"), "{again:#}");
}

#[test]
fn a_search_in_full_loads_what_it_shows() {
    let mut server = Server::with(&only_stub());
    let full = json!({ "query": "echo", "limit": 1, "detail": "full", "conversation": "new" });
    let found = server.structured("search_tools", full);
    let shown = format!("mcp__stub__{}", found["tools"][0]["name"].as_str().expect("a tool"));
    let next = server.execute("1", json!({ "conversation": handle(&found) }));
    assert!(next["notes"].to_string().contains(&shown), "{next:#}");
}

#[test]
fn an_invented_conversation_runs_nothing() {
    let mut server = Server::with(&only_stub());
    for given in ["conv_AAAAAAAAAAAAAAAAAAAAAA", "conv_", "x", " ", "../anonymous"] {
        let told = server.refused_run(json!({
            "deno_code": "Deno.writeTextFileSync('ran', '')", "conversation": given,
        }));
        assert!(told.contains("it has ended or expired, or is not yours"), "{given}: {told}");
        let told = server.refusal("search_tools", json!({ "query": "a", "conversation": given }));
        assert!(told.contains("Pass conversation: \"new\""), "{given}: {told}");
    }
    let told = server.refusal(RUN, json!({ "deno_code": "1", "conversation": 5 }));
    assert!(told.contains("conversation must be \"new\", or the handle"), "{told}");
    assert_eq!(server.value("await Deno.stat('ran').catch((e) => e.name)"), "NotFound");
}

#[test]
fn one_more_than_the_limit_ends_the_one_that_was_used_longest_ago_and_says_so() {
    let limit = [("MCP_CONDUCTOR_MAX_CONVERSATIONS", "2")];
    let mut server = Server::at(Home::empty(), &limit);
    let new = json!({ "deno_code": "1", "conversation": "new" });
    let first = handle(&server.structured(RUN, new.clone()));
    let second = handle(&server.structured(RUN, new.clone()));
    let third = server.structured(RUN, new);
    let note = third["notes"].to_string();
    assert!(note.contains("MCP_CONDUCTOR_MAX_CONVERSATIONS"), "{note}");
    for there in [second, handle(&third)] {
        assert_eq!(handle(&server.execute("1", json!({ "conversation": there }))), there);
    }
    let told = server.refused_run(json!({ "deno_code": "1", "conversation": first }));
    assert!(told.contains("it has ended or expired"), "{told}");
}

#[test]
fn a_call_that_runs_nothing_takes_no_place() {
    let limit = [("MCP_CONDUCTOR_MAX_CONVERSATIONS", "1")];
    let mut server = Server::at(Home::empty(), &limit);
    let invalid = json!({ "deno_code": "1", "conversation": "new", "timeout": 999_999_999 });
    assert!(server.refused_run(invalid).contains("timeout"));
    handle(&server.execute("1", json!({ "conversation": "new" })));
}

#[test]
fn where_conversations_are_off_a_call_says_so() {
    let mut server = Server::at(Home::empty(), &[("MCP_CONDUCTOR_MAX_CONVERSATIONS", "0")]);
    let told = server.refused_run(json!({ "deno_code": "1", "conversation": "new" }));
    assert!(
        told.contains("Conversations are off here (MCP_CONDUCTOR_MAX_CONVERSATIONS=0)"),
        "{told}"
    );
    assert_eq!(server.value("1 + 1"), 2);
}

#[test]
fn the_administrator_lists_shows_and_ends_a_conversation() {
    let mut server = Server::with(&only_stub());
    let code =
        "await session.set('secret', 'CANARY'); await callTool('stub', 'echo', { text: 'x' })";
    let conversation = handle(&server.execute(code, json!({ "conversation": "new" })));
    let command = |server: &Server, arguments: &[&str]| {
        let arguments: Vec<_> = ["conversation"].iter().chain(arguments).copied().collect();
        ended(&mut server.home().command(&arguments))
    };
    let listed = command(&server, &["list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.starts_with(&conversation), "{listed:?}");
    assert!(listed.stdout.ends_with("runs 1\n"), "{listed:?}");
    let shown = command(&server, &["show", &conversation]).stdout;
    assert!(shown.contains("mcp__stub__echo") && shown.contains("typescript  success"), "{shown}");
    assert!(!shown.contains("CANARY\""), "{shown}");
    let ended = command(&server, &["end", &conversation]);
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("Ended {conversation}\n")));
    let told =
        server.refused_run(json!({ "deno_code": "1", "conversation": conversation.as_str() }));
    assert!(told.contains("it has ended or expired"), "{told}");
    for arguments in [["show", &conversation], ["end", &conversation], ["show", "x"]] {
        let refused = command(&server, &arguments);
        assert_eq!(refused.code, Some(3), "{refused:?}");
        assert!(refused.stderr.contains("there is no such conversation"), "{refused:?}");
    }
    assert_eq!(command(&server, &["list"]).stdout, "There are no conversations.\n");
}

#[test]
fn a_conversation_outlives_a_restart() {
    let kept = Home::empty();
    let place = kept.name("store");
    let env = [("MCP_CONDUCTOR_STORE", place.as_str())];
    let mut server = Server::at(Home::empty(), &env);
    let begun = server.execute("await session.set('n', 41)", json!({ "conversation": "new" }));
    server.close();
    let again = json!({ "conversation": handle(&begun) });
    let next = Server::at(Home::empty(), &env).execute("await session.get('n') + 1", again);
    assert_eq!(next["returnValue"], 42, "{next:#}");
}

#[test]
fn without_a_store_a_program_runs_and_its_result_says_so() {
    let home = Home::empty();
    // No directory can be made below a file.
    home.write("file", "");
    let place = home.name("file/store");
    let mut server = Server::at(home, &[("MCP_CONDUCTOR_STORE", &place)]);
    for given in ["new", "conv_AAAAAAAAAAAAAAAAAAAAAA"] {
        let code = "[1 + 1, await session.get('a').catch((e) => e.message)]";
        let execution = server.execute(code, json!({ "conversation": given }));
        assert_eq!(execution["returnValue"][0], 2, "{execution:#}");
        assert_eq!(execution.get("conversation"), None, "{execution:#}");
        for text in [&execution["returnValue"][1], &execution["notes"][0]] {
            assert!(text.to_string().contains("MCP_CONDUCTOR_STORE"), "{execution:#}");
        }
    }
    let search = json!({ "query": "a", "conversation": "new" });
    let found = server.structured("search_tools", search);
    assert_eq!(found["tools"], json!([]));
    assert!(found["notes"].to_string().contains("The search was made without it"), "{found:#}");
}

/// "Which orders were there in March?", and then: "And in April?"
#[test]
fn a_second_message_goes_on_with_the_tools_and_values_of_the_first() {
    let mut server = Server::with(&json!({ "shop": upstream(&["shop"]) }));
    let search = json!({ "query": "list orders", "conversation": "new" });
    let found = server.structured("search_tools", search);
    let conversation = handle(&found);
    assert_eq!(names(&found["tools"])[0], "list_orders");
    let get = json!({ "server": "shop", "tools": ["list_orders"], "conversation": conversation });
    let shown = server.structured("get_tools", get);
    assert_eq!(names(&shown["tools"]), ["list_orders"]);
    assert_eq!(handle(&shown), conversation);
    assert!(shown["notes"].to_string().contains("mcp__shop__list_orders"), "{shown:#}");
    let orders = |month: &str| {
        format!(
            "const {{ orders }} = await callTool('shop', 'list_orders', {{ month: '{month}' }});
             const n = orders.length;"
        )
    };
    let first = format!("{} await session.set('march', n); n", orders("2026-03"));
    let again = json!({ "conversation": conversation });
    let march = server.execute(&first, again.clone());
    assert!(march["returnValue"].as_u64().is_some_and(|n| n > 0), "{march:#}");
    assert!(march["notes"].to_string().contains("mcp__shop__list_orders"), "{march:#}");
    // The second message searches nothing: the note has said what is there.
    let second = format!("{} [await session.get('march'), n > 0]", orders("2026-04"));
    let april = server.execute(&second, again);
    assert_eq!(april["returnValue"], json!([march["returnValue"], true]), "{april:#}");
}

#[test]
fn what_get_tools_shows_in_full_is_loaded_and_nothing_else() {
    let mut server = Server::with(&only_stub());
    for format in ["json", "typescript", "python"] {
        let get = json!({
            "server": "stub", "tools": ["echo"], "format": format, "conversation": "new",
        });
        let shown = server.structured("get_tools", get);
        let notes = shown["notes"].to_string();
        assert!(notes.contains("mcp__stub__echo"), "{format}: {notes}");
        assert!(!notes.contains("mcp__stub__fail"), "{format}: {notes}");
    }
    let plain = server.structured("get_tools", json!({ "server": "stub", "tools": ["echo"] }));
    let members: Vec<_> = plain.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["tools"]);
}

#[test]
fn an_empty_handle_is_none() {
    let mut server = Server::with(&only_stub());
    let execution = server.execute("1 + 1", json!({ "conversation": "" }));
    assert_eq!(execution["returnValue"], 2);
    assert_eq!(execution.get("conversation"), None, "{execution:#}");
    let search = json!({ "query": "echo", "conversation": "" });
    let found = server.structured("search_tools", search);
    assert_eq!(found.get("conversation"), None, "{found:#}");
}

#[test]
fn a_call_that_fails_takes_its_new_conversation_with_it() {
    let limit = [("MCP_CONDUCTOR_MAX_CONVERSATIONS", "1")];
    let mut server = Server::at(Home::with(&only_stub()), &limit);
    for _ in 0..2 {
        let get = json!({ "server": "stub", "tools": ["no_such"], "conversation": "new" });
        assert!(server.refusal("get_tools", get).contains("no_such"));
    }
    handle(&server.execute("1", json!({ "conversation": "new" })));
}
