//! `_host.call`, the one host function that a program can reach: its frames are the
//! attacker's. None may end more than its own run, and none may hang.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Python, python};

/// Helpers for frames: a length, a header in JSON, a body.
const FRAMES: &str = "
import _host, json, struct
def raw(data):
    try:
        answer = _host.call(data)
        n = struct.unpack('<I', answer[:4])[0]
        return json.loads(answer[4:4 + n])
    except BaseException as e:
        return {'raised': type(e).__name__}
def do(body=b'', **header):
    text = json.dumps(header).encode()
    return raw(struct.pack('<I', len(text)) + text + body)
";

const TOO_LONG: Duration = Duration::from_secs(40);

/// Runs a program that uses [`FRAMES`]; it may end in any way, but soon, and the next
/// program runs.
#[track_caller]
fn survives(python: Python, source: &str) {
    let started = Instant::now();
    python.run_for(10_000, &format!("{FRAMES}{source}"));
    assert!(started.elapsed() < TOO_LONG, "{source}");
    assert_eq!(python.value("1 + 1"), 2, "{source}");
}

/// The value of a program that uses [`FRAMES`] and must succeed.
#[track_caller]
fn answer(python: Python, source: &str) -> serde_json::Value {
    python.value(&format!("{FRAMES}{source}"))
}

#[test]
fn frames_that_are_none_are_answered_with_errors() {
    let Some(python) = python() else { return };
    for frame in [
        "b''",
        "b'\\x00'",
        "b'\\xff\\xff\\xff\\xff'",
        "b'\\xff\\xff\\xff\\xff{}'",
        "struct.pack('<I', 0)",
        "struct.pack('<I', 2) + b'{}'",
        "struct.pack('<I', 1000) + b'{}'",
        "struct.pack('<I', 4) + b'null'",
        "struct.pack('<I', 2) + b'[]'",
        "struct.pack('<I', 2) + b'\\xff\\xfe'",
        "struct.pack('<I', 8) + b'{\"do\":7}'",
        "b'\\x00' * 5_000_000",
        "struct.pack('<I', 200_000) + b'[' * 200_000",
        "struct.pack('<I', 200_006) + b'{\"a\":' + b'[' * 200_000 + b'}'",
    ] {
        let answer = answer(python, &format!("r = raw({frame})\n'ok' in r"));
        assert_eq!(answer, false, "{frame}");
    }
}

#[test]
fn requests_that_nobody_knows_are_answered_with_errors() {
    let Some(python) = python() else { return };
    for request in [
        "do='nothing'",
        "do=''",
        "do=None",
        "do={'x': 1}",
        "do='DOOR'",
        "do='call'",
        "do='start'",
        "do='cancel'",
        "do='image'",
        "undone=1",
    ] {
        let answer = answer(python, &format!("do(**dict({request}))"));
        assert!(answer.get("ok").is_none(), "{request}: {answer}");
    }
}

#[test]
fn operations_of_wrong_types_are_answered_with_errors() {
    let Some(python) = python() else { return };
    for operation in [
        "None",
        "7",
        "'file'",
        "[]",
        "{}",
        "{'nope': {}}",
        "{'file': None}",
        "{'file': {'stat': None}}",
        "{'file': {'stat': {'path': 7, 'follow': True}}}",
        "{'file': {'stat': {'path': 'a'}}}",
        "{'file': {'stat': {'path': 'a', 'follow': 'yes'}}}",
        "{'file': {'stat': {'path': 'a', 'follow': True}}, 'tool': {}}",
        "{'tool': {'callTool': {'server': [], 'tool': 1}}}",
        "{'network': {'fetch': {'url': 7}}}",
        "{'handle': {'close': {'handle': -1}}}",
        "{'handle': {'close': {'handle': 10 ** 30}}}",
        "{'__proto__': {}}",
    ] {
        let answer = answer(python, &format!("do(do='call', operation={operation})"));
        assert!(answer.get("ok").is_none(), "{operation}: {answer}");
    }
}

#[test]
fn a_forged_operation_is_decided_about_like_any_other() {
    let Some(python) = python() else { return };
    let answer = answer(
        python,
        "do(do='call', operation={'file': {'stat': {'path': '/etc/passwd', 'follow': True}}})",
    );
    assert_eq!(answer["error"]["refused"], true, "{answer}");
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("--allow-read")));
}

#[test]
fn handles_of_nobody_are_errors() {
    let Some(python) = python() else { return };
    let source = "n = 0\nfor h in list(range(0, 300)) + [2 ** 31, 2 ** 32 - 1]:\n    \
                  r = do(do='call', operation={'handle': {'inTurn': {'handle': h, 'call': {'read': {'max': 9}}}}})\n    n += 'ok' in r\nn";
    assert_eq!(answer(python, source), 0);
}

#[test]
fn waiting_for_what_was_never_started_does_not_hang() {
    let Some(python) = python() else { return };
    for source in [
        "do(do='wait', seconds=0)",
        "do(do='wait', seconds=0.05)",
        "do(do='wait', seconds=None)",
        "do(do='wait', seconds=-1)",
        "do(do='wait', seconds='soon')",
        "do(do='cancel', id=12345)",
        "do(do='cancel', id=-1)",
    ] {
        survives(python, source);
    }
}

#[test]
fn a_wait_of_ages_is_ended_by_the_timeout() {
    let Some(python) = python() else { return };
    for seconds in ["1e300", "1e18", "10 ** 300"] {
        let source = format!(
            "{FRAMES}do(do='start', operation={{'tool': {{'callTool': {{'server': 'stub', 'tool': 'slow', 'arguments': '{{\"ms\": 9000}}'}}}}}})\ndo(do='wait', seconds={seconds})"
        );
        let started = Instant::now();
        python.run_for(1500, &source);
        assert!(started.elapsed() < TOO_LONG, "{seconds}");
    }
    assert_eq!(python.value("1 + 1"), 2);
}

#[test]
fn two_thousand_operations_that_nobody_waits_for_are_bounded() {
    let Some(python) = python() else { return };
    survives(
        python,
        "for n in range(2000):\n    do(do='start', operation={'file': {'stat': {'path': '.', 'follow': True}}})",
    );
    survives(
        python,
        "for n in range(2000):\n    do(do='start', operation={'file': {'readFile': {'path': 'none'}}})\n    do(do='cancel', id=n)",
    );
}

#[test]
fn an_outcome_that_a_program_forges_is_its_own() {
    let Some(python) = python() else { return };
    for source in [
        "do(b'{\"a\": 1}', do='outcome', outcome={'value': None})",
        "do(b'not json', do='outcome', outcome={'value': None})",
        "do(b'[' * 100_000, do='outcome', outcome={'value': None})",
        "do(b'1' * 50_000_000, do='outcome', outcome={'value': None})",
        "do(b'\\xff', do='outcome', outcome={'value': None})",
        "do(do='outcome', outcome={'exit': 10 ** 40})",
        "do(do='outcome', outcome={'exceeded': 'everything'})",
        "do(do='outcome', outcome={'error': {'kind': 'permission'}})",
        "do(do='outcome', outcome={'error': {'kind': 'x' * 10_000_000, 'name': [], 'line': -5}})",
        "do(do='outcome', outcome=None)",
        "for n in range(1000):\n    do(b'1', do='outcome', outcome={'value': None})",
        "do(b'1', do='outcome', outcome={'value': None})\nwhile True:\n    pass",
    ] {
        survives(python, source);
    }
}

#[test]
fn pictures_and_starts_that_a_program_forges_are_bounded() {
    let Some(python) = python() else { return };
    for source in [
        "for n in range(5000):\n    do(b'\\x89PNG' * 100, do='image', mimeType='image/png')",
        "do(b'x' * 100_000_000, do='image', mimeType='image/png')",
        "do(b'<script>', do='image', mimeType='text/html')",
        "do(b'x', do='image', mimeType='x' * 1_000_000)",
        "for n in range(10_000):\n    do(do='started')",
        "for n in range(10_000):\n    do(do='note', text='x' * 1000)",
        "for n in range(1000):\n    do(do='program')",
        "for n in range(1000):\n    do(do='refusal')",
    ] {
        survives(python, source);
    }
}

#[test]
fn arguments_that_are_no_bytes_are_errors_of_the_program() {
    let Some(python) = python() else { return };
    for argument in ["None", "7", "'text'", "[1]", "object()"] {
        let source = format!(
            "import _host\ntry:\n    _host.call({argument})\n    r = 'answered'\nexcept TypeError:\n    r = 'refused'\nr"
        );
        assert_eq!(python.value(&source), "refused", "{argument}");
    }
    python.gives(&[(
        "import _host\ntry:\n    _host.call()\nexcept TypeError:\n    r = 'refused'\nr",
        json!("refused"),
    )]);
}
