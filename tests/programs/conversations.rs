//! Conversations, through the library.

use std::sync::{Arc, LazyLock};

use mcp_conductor::{
    Conversation, ConversationError, ExecuteError, ExecuteRequest, Execution, Grant, Runtime,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::runtimes::{config, error, start, value_of, wait};
use crate::support::directory::Directory;
use crate::support::upstreams::{only_stub, upstream};
use crate::support::waiting::eventually;

/// With the fixture as the MCP servers `stub` and `shop`, and a store of its own.
static SHARED: LazyLock<(Runtime, Directory)> = LazyLock::new(|| {
    let files = Directory::kept("conversations");
    let mut servers = only_stub();
    servers["shop"] = upstream(&["shop"]);
    let servers = files.write("mcp.json", json!({ "mcpServers": servers }).to_string());
    let config = config().with_mcp_config(servers).with_store("memory").expect("a store");
    // Tests begin more than a principal has by default.
    (start(config.with_max_conversations(1000)), files)
});

fn begun() -> Conversation {
    wait(SHARED.0.create_conversation()).expect("a conversation")
}

fn run_in(conversation: &Conversation, source: &str) -> Execution {
    wait(conversation.execute(ExecuteRequest::new(source))).expect("a run")
}

#[track_caller]
fn value_in(conversation: &Conversation, source: &str) -> Value {
    value_of(run_in(conversation, source))
}

/// What an expression throws, as `Name: message`.
#[track_caller]
fn thrown_in(conversation: &Conversation, expression: &str) -> String {
    let code =
        format!("try {{ await {expression}; return 'nothing' }} catch (e) {{ return String(e) }}");
    value_in(conversation, &code).as_str().expect("a text").to_owned()
}

#[test]
fn a_value_of_one_run_is_there_in_the_next() {
    let conversation = begun();
    let set = "await session.set('rows', [{ a: 1, b: null }, 'x']); await session.keys()";
    assert_eq!(value_in(&conversation, set), json!(["rows"]));
    let get = "[await session.get('rows'), await session.get('none') === undefined]";
    assert_eq!(value_in(&conversation, get), json!([[{ "a": 1, "b": null }, "x"], true]));
    let delete =
        "[await session.delete('rows'), await session.delete('rows'), await session.keys()]";
    assert_eq!(value_in(&conversation, delete), json!([true, false, []]));
}

#[test]
fn values_of_one_conversation_are_not_in_another() {
    let (one, other) = (begun(), begun());
    value_in(&one, "await session.set('secret', 1)");
    assert_eq!(value_in(&other, "await session.keys()"), json!([]));
    assert_eq!(value_in(&one, "await session.keys()"), json!(["secret"]));
}

#[test]
fn many_values_that_are_set_at_once_are_all_kept() {
    let conversation = begun();
    let code = "await Promise.all(Array.from({ length: 50 }, (_, n) => session.set('k' + n, n)));
        (await session.keys()).length";
    assert_eq!(value_in(&conversation, code), 50);
}

#[test]
fn outside_of_a_conversation_every_function_says_how_to_begin_one() {
    for call in [
        "session.get('a')",
        "session.set('a', 1)",
        "session.delete('a')",
        "session.keys()",
        "findTools('x')",
        "loadToolSpec('mcp__stub__echo')",
    ] {
        let message = error(format!("await {call}")).message;
        assert!(message.contains("pass conversation: \"new\" to the tool"), "{call}: {message}");
    }
}

#[test]
fn what_is_too_large_or_no_json_is_not_kept_and_what_is_there_stays() {
    let conversation = begun();
    value_in(&conversation, "await session.set('a', 1)");
    for (expression, part) in [
        ("session.set('a', 'x'.repeat(300_000))", "at most 262144 a key"),
        ("session.set('', 1)", "must have 1 to 256 bytes, not 0"),
        ("session.set('k'.repeat(257), 1)", "must have 1 to 256 bytes, not 257"),
        ("session.set('a', undefined)", "a value of type undefined is not"),
        ("session.set('a', () => 1)", "a value of type function is not"),
        (
            "(async () => { for (const k of 'xyz') await session.set(k, 'x'.repeat(200_000)) })()",
            "a conversation keeps at most 524288",
        ),
    ] {
        let thrown = thrown_in(&conversation, expression);
        assert!(thrown.contains(part), "{expression}: {thrown}");
    }
    assert_eq!(value_in(&conversation, "await session.get('a')"), 1);
}

#[test]
fn a_run_calls_session_so_often_and_no_more() {
    let conversation = begun();
    let code = "(async () => { for (let n = 0; n < 1001; n++) await session.get('a') })()";
    let thrown = thrown_in(&conversation, code);
    assert!(thrown.contains("called session 1000 times, which is the limit"), "{thrown}");
}

#[test]
fn an_ended_conversation_runs_nothing() {
    let conversation = begun();
    let handle = conversation.handle().to_owned();
    wait(conversation.clone().end()).unwrap();
    let error = wait(conversation.execute(ExecuteRequest::new("1"))).unwrap_err();
    assert!(matches!(error, ExecuteError::Invalid(_)), "{error}");
    assert!(error.to_string().contains("it has ended or expired, or is not yours"), "{error}");
    let error = wait(SHARED.0.conversation(&handle)).err();
    assert_eq!(error, Some(ConversationError::Unknown));
    assert_eq!(wait(conversation.end()), Err(ConversationError::Unknown));
}

#[test]
fn a_conversation_that_ends_under_a_program_is_told_to_it() {
    let conversation = begun();
    let ending = conversation.clone();
    // The program waits until the end, which begins when it has said that it runs.
    let (said, told) = tokio::sync::oneshot::channel();
    let said = Mutex::new(Some(said));
    let request = ExecuteRequest::new(
        "console.log('on');
         for (;;) { try { await session.keys() } catch (e) { return String(e) } }",
    )
    .on_log(move |_| {
        let _ = said.lock().take().map(|said| said.send(()));
    });
    let execution = wait(async {
        let end = async {
            told.await.unwrap();
            ending.end().await
        };
        let (execution, ended) = tokio::join!(conversation.execute(request), end);
        ended.unwrap();
        execution.unwrap()
    });
    let thrown = execution.return_value.as_str().expect("a text").to_owned();
    assert!(thrown.contains("it has ended"), "{thrown}");
    assert_eq!(execution.conversation, None);
}

#[test]
fn a_program_finds_and_loads_tools_and_the_next_result_names_them() {
    let conversation = begun();
    let find = "(await findTools('echo')).map((t) => [t.name, t.loaded])";
    let found = value_in(&conversation, find);
    assert!(found.as_array().unwrap().contains(&json!(["mcp__stub__echo", false])), "{found}");
    let spec = value_in(&conversation, "await loadToolSpec('stub/echo')");
    assert_eq!(spec["name"], "mcp__stub__echo");
    assert!(spec["parameters"]["properties"]["text"].is_object(), "{spec}");
    let next = run_in(&conversation, find);
    let note = next.notes.concat();
    assert!(note.contains("mcp__stub__echo"), "{note}");
    let found = value_of(next);
    assert_eq!(found.as_array().unwrap().last(), Some(&json!(["mcp__stub__echo", true])));
}

#[test]
fn a_tool_that_was_called_is_loaded() {
    let conversation = begun();
    let execution = run_in(&conversation, "await callTool('stub', 'echo', { text: 'hi' })");
    assert!(execution.notes.concat().contains("mcp__stub__echo"), "{:?}", execution.notes);
    assert_eq!(execution.conversation.as_deref(), Some(conversation.handle()));
}

#[test]
fn a_call_finds_and_loads_no_tool_that_it_may_not_call() {
    let conversation = begun();
    let code = "[(await findTools('echo')).length,
        await loadToolSpec('mcp__stub__echo').catch((e) => e.message)]";
    let request = ExecuteRequest::new(code).with_allowed_tools(["mcp__other__*"]);
    let value = value_of(wait(conversation.execute(request)).unwrap());
    assert_eq!(value[0], 0);
    assert!(value[1].as_str().unwrap().contains("\"echo\" not found"), "{value}");
}

#[test]
fn tools_are_found_and_loaded_without_a_program() {
    let conversation = begun();
    let found = wait(conversation.find_tools("echo")).unwrap();
    let echo = found.iter().find(|tool| tool.name == "mcp__stub__echo").expect("it is found");
    assert!(!echo.loaded);
    let spec = wait(conversation.load_tool_spec(&echo.name)).unwrap();
    assert_eq!(spec.parameters["required"], json!(["text"]));
    assert!(spec.signature.contains("echo"), "{}", spec.signature);
    let found = wait(conversation.find_tools("echo")).unwrap();
    assert!(found.last().is_some_and(|tool| tool.loaded && tool.name == "mcp__stub__echo"));
    let error = wait(conversation.load_tool_spec("mcp__stub__ecko")).unwrap_err();
    assert!(error.to_string().contains("Did you mean \"echo\"?"), "{error}");
}

#[test]
fn lines_are_given_out_in_order_before_the_result_is() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let request = ExecuteRequest::new("console.log('a'); console.error('b'); 7")
        .on_log(move |event| kept.lock().push(event.line.clone()));
    let execution = wait(begun().execute(request)).unwrap();
    assert_eq!(execution.return_value, 7);
    assert_eq!(*lines.lock(), ["a", "b"]);
}

/// As examples/conversation.rs: "Which orders are there?", and then: "And with tax?"
#[test]
fn a_second_message_goes_on_with_the_tools_and_values_of_the_first() {
    let conversation = begun();
    let found = wait(conversation.find_tools("list orders")).unwrap();
    assert_eq!(found[0].name, "mcp__shop__list_orders");
    let spec = wait(conversation.load_tool_spec(&found[0].name)).unwrap();
    assert_eq!(spec.parameters["required"], json!(["month"]));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let first = ExecuteRequest::new(
        "const { orders } = await callTool('shop', 'list_orders', { month: '2026-03' });
         console.log(`${orders.length} orders`);
         await session.set('orders', orders.length);
         const echo = await callTool('stub', 'echo', { text: 'x' }).catch(() => 'denied');
         [orders.length, echo]",
    )
    .with_allowed_tools(["mcp__shop__list_*"])
    .without([Grant::Net, Grant::Run])
    .on_log(move |event| kept.lock().push(event.line.clone()));
    let first = value_of(wait(conversation.execute(first)).unwrap());
    let orders = first[0].as_u64().expect("a number");
    assert!(orders > 0 && first[1] == "denied", "{first}");
    assert_eq!(*lines.lock(), [format!("{orders} orders")]);
    let second = run_in(&conversation, "(await session.get('orders')) * 2");
    assert!(second.notes.concat().contains("mcp__shop__list_orders"), "{:?}", second.notes);
    assert_eq!(value_of(second), orders * 2);
    wait(conversation.end()).unwrap();
}

#[test]
fn searches_learn_from_what_was_called_after_others() {
    let asking = begun();
    let finds = || {
        let found = wait(asking.find_tools("bill or invoice")).unwrap();
        found.iter().any(|tool| tool.name == "mcp__shop__get_order")
    };
    assert!(!finds());
    for query in ["invoice of an order as a bill", "the bill for one order, invoice"] {
        let conversation = begun();
        let found = wait(conversation.find_tools(query)).unwrap();
        assert!(found.iter().any(|tool| tool.name == "mcp__shop__get_order"), "{query}");
        run_in(&conversation, "await callTool('shop', 'get_order', { id: 1 })");
    }
    assert!(eventually(finds));
}
