//! Tools of MCP servers, called from Python.

use mcp_conductor::{ErrorKind, ExecuteRequest};
use serde_json::json;

use super::super::runtimes::{config, error_of, run_with};
use super::python;
use crate::support::python::install_directory;

#[test]
fn a_tool_is_called_by_its_full_name_and_by_server_and_name() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("call_mcp_tool('mcp__stub__echo', {'text': 'hi'})", json!("hi")),
        ("call_mcp_tool('stub', 'echo', {'text': 'hi'})", json!("hi")),
        ("await call_mcp_tool('mcp__stub__echo', {'text': 'hi'})", json!("hi")),
        ("call_mcp_tool('mcp__stub__json')", json!({ "a": [1, 2], "b": "x" })),
    ]);
}

#[test]
fn tools_are_functions_of_modules() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("mcp.stub.echo(text='hi')", json!("hi")),
        ("mcp.stub.echo({'text': 'hi'})", json!("hi")),
        ("await mcp.stub.echo(text='hi')", json!("hi")),
        ("from mcp import stub\nstub.echo(text='hi')", json!("hi")),
        ("from mcp.stub import echo\necho(text='hi')", json!("hi")),
        (
            "from mcp.stub import echo, json as parsed\n[echo(text='hi'), parsed()['b']]",
            json!(["hi", "x"]),
        ),
        ("import mcp.stub\nmcp.stub.num()", json!("007")),
    ]);
}

#[test]
fn results_are_plain_values() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "r = mcp.stub.json()\n[r['a'][1], sorted(r), isinstance(r, dict), {**r}['b']]",
            json!([2, ["a", "b"], true, "x"]),
        ),
        ("import json\njson.dumps(mcp.stub.json())", json!(r#"{"a": [1, 2], "b": "x"}"#)),
        ("mcp.stub.structured()['v'] + 1", json!(43)),
        (
            "s = mcp.stub.echo(text='abc')\n[s.upper(), s + '!', s == 'abc', len(s), f'{s}']",
            json!(["ABC", "abc!", true, 3, "abc"]),
        ),
        ("n = mcp.stub.count()\ntype(n + 1).__name__", json!("int")),
        ("import pandas as pd\npd.DataFrame([mcp.stub.json()])['b'].tolist()", json!(["x"])),
    ]);
}

#[test]
fn a_result_is_that_of_the_call_when_it_is_used_later() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("calls = [mcp.stub.echo(text=str(i)) for i in range(3)]\ncalls", json!(["0", "1", "2"])),
        ("f = mcp.stub.echo\ng = f\n[g(text='a'), f(text='b')]", json!(["a", "b"])),
        ("def get(t):\n    return mcp.stub.echo(text=t)\nget('x') + get('y')", json!("xy")),
        ("async def get(t):\n    return await mcp.stub.echo(text=t)\nawait get('x') + await get('y')", json!("xy")),
        ("async def get(t):\n    r = mcp.stub.echo(text=t)\n    return r + '!'\nawait get('x')", json!("x!")),
    ]);
}

#[test]
fn a_tool_that_fails_raises_with_its_words() {
    let Some(python) = python() else { return };
    let (kind, message, detail) = python.error("x = 1\nmcp.stub.fail()");
    assert_eq!((kind, detail.line, &*detail.name), (ErrorKind::Runtime, Some(2), "McpToolError"));
    assert!(message.starts_with("McpToolError: ") && message.contains("it failed"), "{message}");
    python.gives(&[
        ("try:\n    mcp.stub.fail()\nexcept McpToolError as e:\n    r = isinstance(e, Exception)\nr", json!(true)),
        ("try:\n    await mcp.stub.fail()\nexcept McpToolError as e:\n    r = 'caught'\nr", json!("caught")),
    ]);
}

#[test]
fn what_does_not_exist_is_named_with_what_is_near() {
    let Some(python) = python() else { return };
    for source in [
        "call_mcp_tool('mcp__stub__ecko', {})",
        "mcp.stub.ecko()",
        "from mcp.stub import ecko\necko()",
    ] {
        let error = error_of(python.run(source));
        assert!(
            error.message.contains("ecko") && error.message.contains("echo"),
            "{source}: {error:?}"
        );
    }
    for source in [
        "call_mcp_tool('mcp__stab__echo', {})",
        "mcp.stab.echo()",
        "from mcp import stab\nstab.echo()",
    ] {
        let error = error_of(python.run(source));
        assert!(
            error.message.contains("stab") && error.message.contains("stub"),
            "{source}: {error:?}"
        );
    }
}

#[test]
fn a_name_that_is_none_is_an_error_of_the_programs_line() {
    let Some(python) = python() else { return };
    for call in [
        "call_mcp_tool('')",
        "call_mcp_tool(7)",
        "call_mcp_tool('mcp__')",
        "call_mcp_tool('a\\0b', {})",
        "call_mcp_tool('mcp__stub__echo', 5)",
    ] {
        let error = error_of(python.run(&format!("x = 1\n{call}")));
        assert_eq!(
            (error.kind, error.detail.line),
            (ErrorKind::Runtime, Some(2)),
            "{call}: {error:?}"
        );
    }
}

#[test]
fn calls_go_side_by_side_with_gather_and_with_a_pool() {
    let Some(python) = python() else { return };
    for source in [
        "import asyncio\nr = await asyncio.gather(*(mcp.stub.slow(ms=500) for _ in range(20)))\nset(r)",
        "import asyncio\nasync def f():\n    return await call_mcp_tool('mcp__stub__slow', {'ms': 500})\nset(await asyncio.gather(*(f() for _ in range(20))))",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(20) as pool:\n    r = list(pool.map(lambda n: call_mcp_tool('mcp__stub__slow', {'ms': 500}), range(20)))\nset(r)",
    ] {
        let execution = python.run(source);
        assert_eq!(execution.return_value, json!(["done"]), "{source}: {:?}", execution.error);
        // One after the other they take ten seconds.
        assert!(execution.execution_time.as_secs() < 9, "{source}: {:?}", execution.execution_time);
    }
}

#[test]
fn an_error_of_one_call_leaves_the_others_alone() {
    let Some(python) = python() else { return };
    let source = "import asyncio\nr = await asyncio.gather(mcp.stub.fail(), mcp.stub.echo(text='ok'), return_exceptions=True)\n[type(r[0]).__name__, r[1]]";
    assert_eq!(python.value(source), json!(["McpToolError", "ok"]));
}

#[test]
fn arguments_arrive_as_they_are() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("mcp.stub.echo(text='é😀\\n\"\\\\')", json!("é😀\n\"\\")),
        ("mcp.stub.echo(text='x', n=1.5)", json!("x")),
        ("from decimal import Decimal\nimport numpy as np\nmcp.stub.echo(text='t', n=np.int64(3))", json!("t")),
    ]);
}

#[test]
fn tools_can_be_searched() {
    let Some(python) = python() else { return };
    let found = python.value("search_tools('picture')").to_string();
    assert!(found.contains("img"), "{found}");
}

#[test]
fn without_servers_a_call_names_the_server_that_is_not_configured() {
    let Some(store) = install_directory() else { return };
    let request = ExecuteRequest::python("call_mcp_tool('mcp__stub__echo', {'text': 'x'})");
    let error = error_of(run_with(config().with_install_dir(store), request));
    assert!(matches!(error.kind, ErrorKind::Runtime | ErrorKind::Permission), "{error:?}");
    assert!(error.message.contains("stub"), "{error:?}");
}
