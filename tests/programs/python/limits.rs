//! Limits: each ends the run with an error that names value and variable, keeps what was
//! printed, and leaves the next run alone. Where code that looks at no signal is ended, it
//! is V8's interrupt that does it.

use std::time::{Duration, Instant};

use mcp_conductor::{ErrorKind, ExecuteRequest};

use super::super::runtimes::{config, run_with};
use super::{Python, python};
use crate::support::python::install_directory;

/// What no run here takes, even if its end comes late on a loaded machine.
const TOO_LONG: Duration = Duration::from_secs(30);

#[track_caller]
fn ends_in_time(python: Python, source: &str) {
    let started = Instant::now();
    let execution = python.run_for(1500, source);
    assert!(started.elapsed() < TOO_LONG, "{source}: {:?}", started.elapsed());
    let error = execution.error.expect("the run is ended");
    assert_eq!(error.kind, ErrorKind::Timeout, "{source}: {error:?}");
    assert_eq!(error.message, "Execution timed out after 1500ms", "{source}");
    assert_eq!(execution.output, ["begun"], "{source}");
}

#[test]
fn a_loop_is_ended() {
    let Some(python) = python() else { return };
    ends_in_time(python, "print('begun')\nwhile True:\n    pass");
}

#[test]
fn a_loop_that_catches_everything_is_ended() {
    let Some(python) = python() else { return };
    ends_in_time(
        python,
        "print('begun')\nwhile True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
    );
}

/// The stack of a program that times out.
#[track_caller]
fn stack_of(python: Python, source: &str) -> String {
    let error = python.run_for(1500, source).error.expect("the run is ended");
    assert_eq!(error.kind, ErrorKind::Timeout, "{source}: {error:?}");
    error.detail.stack.unwrap_or_else(|| panic!("{source}: no stack"))
}

#[test]
fn a_program_that_times_out_has_the_stack_of_where_it_was() {
    let Some(python) = python() else { return };
    let cases = [
        (
            "def spin(n):\n    while True: n += 1\n\ndef main():\n    spin(1)\nmain()",
            [(6, "<module>"), (5, "main"), (2, "spin")].as_slice(),
        ),
        ("import time\ndef wait():\n    time.sleep(600)\nwait()", &[(4, "<module>"), (3, "wait")]),
        (
            "import asyncio\nasync def main():\n    await asyncio.sleep(600)\nasyncio.run(main())",
            &[(4, "<module>"), (3, "main")],
        ),
        ("import asyncio\nx = 1\nawait asyncio.sleep(600)", &[(3, "<module>")]),
        ("call_mcp_tool('mcp__stub__slow', {'ms': 20000})", &[(1, "<module>")]),
        (
            "import asyncio\nasync def f():\n    await mcp.stub.slow(ms=20000)\n\
             await asyncio.gather(f(), f())",
            &[(4, "<module>")],
        ),
        ("import re\n\nre.match('(a+)+$', 'a' * 60 + 'b')", &[(3, "<module>")]),
        ("max(\n    range(10 ** 12))", &[(1, "<module>")]),
    ];
    for (source, calls) in cases {
        let stack = stack_of(python, source);
        let found: Vec<&str> = stack.lines().filter(|line| line.contains("File")).collect();
        let expected: Vec<String> = calls
            .iter()
            .map(|(line, name)| format!("  File \"<program>\", line {line}, in {name}"))
            .collect();
        assert_eq!(found, expected, "{source}: {stack}");
    }
}

#[test]
fn a_stack_has_the_source_of_its_lines() {
    let Some(python) = python() else { return };
    let stack = stack_of(python, "def f():\n    while True: pass\nf()");
    assert!(stack.starts_with("Stack (most recent call last):\n"), "{stack}");
    assert!(stack.ends_with("line 2, in f\n    while True: pass"), "{stack}");
}

#[test]
fn loops_in_c_are_ended() {
    let Some(python) = python() else { return };
    for source in [
        "3 ** (10 ** 8)",
        "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
        "sum(iter(int, 1))",
        "from collections import deque\nimport itertools\ndeque(itertools.repeat(0), maxlen=0)",
        "max(range(10 ** 12))",
        "import math\nmath.factorial(10 ** 7)",
        "import numpy as np\na = np.random.rand(1500, 1500)\nwhile True: a @ a",
        "int('9' * 4000) ** 400000 % 7",
    ] {
        ends_in_time(python, &format!("print('begun')\n{source}"));
    }
}

#[test]
fn waiting_is_ended() {
    let Some(python) = python() else { return };
    for source in [
        "import time\ntime.sleep(600)",
        "import asyncio\nawait asyncio.sleep(600)",
        "import select\nselect.select([], [], [], 600)",
        "call_mcp_tool('mcp__stub__slow', {'ms': 20000})",
        "await mcp.stub.slow(ms=20000)",
    ] {
        ends_in_time(python, &format!("print('begun')\n{source}"));
    }
}

#[test]
fn waiting_for_what_nothing_can_settle_is_an_error_at_once() {
    let Some(python) = python() else { return };
    for source in [
        "import asyncio\nawait asyncio.Event().wait()",
        "import asyncio\nawait asyncio.get_running_loop().create_future()",
    ] {
        let (kind, message, detail) = python.error(source);
        assert_eq!((kind, detail.line), (ErrorKind::Runtime, Some(2)), "{source}: {message}");
    }
}

#[test]
fn a_finally_that_goes_on_is_ended() {
    let Some(python) = python() else { return };
    ends_in_time(
        python,
        "print('begun')\ntry:\n    while True: pass\nfinally:\n    while True: pass",
    );
}

#[test]
fn cpu_time_is_limited_whatever_the_wall_time() {
    let Some(store) = install_directory() else { return };
    let config = config().with_install_dir(store).with_max_cpu_time(Duration::from_secs(1));
    // The zygote is loaded for the first program; that takes none of its time.
    let request = ExecuteRequest::python("print('begun')\nwhile True:\n    pass");
    let execution = run_with(config, request.with_timeout(Duration::from_secs(60)));
    assert_eq!(execution.output, ["begun"], "{execution:?}");
    let error = execution.error.expect("the run is ended");
    assert_eq!(error.kind, ErrorKind::Cpu, "{error:?}");
    assert!(error.message.contains("MCP_CONDUCTOR_MAX_CPU_TIME"), "{error:?}");
    assert!(error.detail.stack.is_some_and(|stack| stack.contains(", in <module>")));
}

#[test]
fn memory_is_limited_and_the_error_says_so() {
    let Some(python) = python() else { return };
    for source in [
        "a = []\nwhile True:\n    a.append('x' * 1_000_000 + str(len(a)))",
        "a = bytearray(10 ** 9)",
        "a = 'x'\nwhile True:\n    a += a",
        "a = list(range(10 ** 9))",
        "d = {}\nwhile True:\n    d[len(d)] = [len(d)] * 100",
        "import numpy as np\nnp.ones(2 * 10 ** 8)",
        "a = [0] * (4 * 10 ** 8)",
    ] {
        let execution = python.run(&format!("print('begun')\n{source}"));
        assert_eq!(execution.output, ["begun"], "{source}: {execution:?}");
        let error = execution.error.expect("it cannot succeed");
        // Python's own MemoryError, where the address space ends first, is told as the limit.
        assert_eq!(error.kind, ErrorKind::Memory, "{source}: {error:?}");
        assert!(error.message.contains("MCP_CONDUCTOR_MAX_MEMORY"), "{source}: {error:?}");
    }
    assert_eq!(python.value("1 + 1"), 2);
}

#[test]
fn a_memory_error_can_be_caught_and_the_program_goes_on() {
    let Some(python) = python() else { return };
    let source = "try:\n    a = bytearray(2 * 10 ** 9)\nexcept MemoryError:\n    a = b''\nlen(a)";
    let execution = python.run(source);
    // The limit may come first; Python's own error comes where the address space ends.
    let is_limit = execution.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Memory);
    assert!(is_limit || execution.return_value == 0, "{execution:?}");
}

#[test]
fn memory_that_is_given_back_can_be_used_again() {
    let Some(python) = python() else { return };
    assert_eq!(
        python.value(
            "n = 0\nfor i in range(100):\n    a = bytearray(20_000_000)\n    n += len(a)\nn"
        ),
        2_000_000_000_u64
    );
}

#[test]
fn output_without_end_is_ended() {
    let Some(python) = python() else { return };
    let error = python.run("while True:\n    print('x' * 10_000)").error.expect("it is ended");
    assert_eq!(error.kind, ErrorKind::Output, "{error:?}");
    assert!(error.message.contains("MCP_CONDUCTOR_MAX_OUTPUT_SIZE"), "{error:?}");
}

#[test]
fn a_structure_that_is_too_deep_ends_its_run_and_no_other() {
    let Some(python) = python() else { return };
    for source in [
        "a = []\nfor _ in range(1_000_000):\n    a = [a]\ndel a\n'freed'",
        "a = None\nfor _ in range(1_000_000):\n    a = (a,)\nrepr(a)",
        "import json\njson.loads('[' * 1_000_000)",
        "import pickle\na = []\nfor _ in range(100_000):\n    a = [a]\npickle.dumps(a)",
        "import copy\na = []\nfor _ in range(100_000):\n    a = [a]\ncopy.deepcopy(a)",
        "import sys\nsys.setrecursionlimit(10 ** 8)\ndef f(): f()\nf()",
        "import sys\nsys.setrecursionlimit(10 ** 8)\nclass A:\n    def __getattr__(self, n): return getattr(self, n)\nA().x",
    ] {
        let execution = python.run(source);
        if let Some(error) = execution.error {
            let kinds = [ErrorKind::Runtime, ErrorKind::Crash, ErrorKind::Memory];
            assert!(kinds.contains(&error.kind), "{source}: {error:?}");
        }
        assert_eq!(python.value("1 + 1"), 2, "{source}");
    }
}
