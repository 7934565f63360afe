//! Values and tools of a conversation, in Python.

use mcp_conductor::{Conversation, ExecuteRequest, Execution};
use serde_json::json;

use super::super::runtimes::{error_of, value_of, wait};
use super::{Python, python};

fn begun(python: Python) -> Conversation {
    wait(python.runtime().create_conversation()).expect("a conversation")
}

fn run_in(conversation: &Conversation, source: &str) -> Execution {
    wait(conversation.execute(ExecuteRequest::python(source))).expect("a run")
}

#[test]
fn a_value_is_kept_with_and_without_await() {
    let Some(python) = python() else { return };
    let conversation = begun(python);
    let value = |source| value_of(run_in(&conversation, source));
    assert_eq!(value("session.set('a', {'b': [1, None]})\nsession.keys()"), json!(["a"]));
    assert_eq!(value("await session.get('a')"), json!({ "b": [1, null] }));
    assert_eq!(value("session.get('a')['b'][0] + 1"), json!(2));
    assert_eq!(value("[session.get('x'), session.get('x', 5)]"), json!([null, 5]));
    let all = "import asyncio\n\
        await asyncio.gather(*[session.set(f'k{n}', n) for n in range(20)])\n\
        len(await session.keys())";
    assert_eq!(value(all), json!(21));
    assert_eq!(value("[session.delete('a'), await session.delete('a')]"), json!([true, false]));
}

#[test]
fn what_typescript_keeps_python_reads() {
    let Some(python) = python() else { return };
    let conversation = begun(python);
    let set = ExecuteRequest::new("await session.set('größe', { wert: 1.5 })");
    value_of(wait(conversation.execute(set)).unwrap());
    let read = run_in(&conversation, "session.get('größe')['wert']");
    assert_eq!(value_of(read), json!(1.5));
}

#[test]
fn outside_of_a_conversation_every_function_says_how_to_begin_one() {
    let Some(python) = python() else { return };
    for call in
        ["session.get('a')", "await session.set('a', 1)", "session.keys()", "find_tools('x')"]
    {
        let message = python.raised(call);
        assert!(message.contains("pass conversation: \"new\" to the tool"), "{call}: {message}");
    }
}

#[test]
fn what_is_too_large_is_a_value_error() {
    let Some(python) = python() else { return };
    let error = error_of(run_in(&begun(python), "session.set('a', 'x' * 300000)"));
    assert_eq!(error.detail.name, "ValueError");
    assert!(error.message.contains("at most 262144 a key"), "{}", error.message);
}

#[test]
fn tools_are_found_and_loaded() {
    let Some(python) = python() else { return };
    let conversation = begun(python);
    let value = |source| value_of(run_in(&conversation, source));
    assert_eq!(value("load_tool_spec('mcp__stub__echo')['tool']"), json!("echo"));
    let last = "(await find_tools('echo'))[-1]\n";
    let found = value(last);
    assert_eq!((&found["name"], &found["loaded"]), (&json!("mcp__stub__echo"), &json!(true)));
}
