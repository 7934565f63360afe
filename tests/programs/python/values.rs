//! What a program evaluates to, by the rules in the first line of
//! tests/fixtures/python.jsonl.

use mcp_conductor::ErrorKind;
use serde_json::json;

use super::python;

#[test]
fn the_last_statement_is_the_value_if_it_is_an_expression() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("x = 5\nx + 3", json!(8)),
        ("x = 5", json!(null)),
        ("", json!(null)),
        ("# nothing", json!(null)),
        ("pass", json!(null)),
        ("if True:\n    7", json!(null)),
        ("def f(): pass", json!(null)),
        ("1; 2", json!(2)),
        ("'a' 'b'", json!("ab")),
        ("lambda: 1", json!("<function <lambda>>")),
        ("(yielded := [1])\nyielded.append(2) or yielded", json!([1, 2])),
    ]);
}

#[test]
fn integers_beyond_doubles_are_their_digits() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("2 ** 53 - 1", json!(9_007_199_254_740_991_u64)),
        ("2 ** 53", json!("9007199254740992")),
        ("-(2 ** 53)", json!("-9007199254740992")),
        ("[True, False, 0, -0]", json!([true, false, 0, 0])),
        ("len(10 ** 5000 * [1][0] and str(10 ** 4000))", json!(4001)),
    ]);
}

#[test]
fn floats_that_json_has_not_are_null() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "[float('nan'), float('inf'), -float('inf'), 1e308, 5e-324]",
            json!([null, null, null, 1e308, 5e-324]),
        ),
        ("[0.1 + 0.2, 1e21, 1.0]", json!([0.300_000_000_000_000_04, 1e21, 1.0])),
    ]);
}

#[test]
fn sequences_are_arrays() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "from collections import deque\n[(1,), [2], range(3), deque([4])]",
            json!([[1], [2], [0, 1, 2], [4]]),
        ),
        ("d = {'a': 1}\n[d.keys(), d.values(), d.items()]", json!([["a"], [1], [["a", 1]]])),
        ("[{3, 1, 2}, frozenset('ba'), set()]", json!([[1, 2, 3], ["a", "b"], []])),
        ("class L(list): pass\nL([1, L([2])])", json!([1, [2]])),
    ]);
}

#[test]
fn a_set_that_cannot_be_sorted_is_an_array_all_the_same() {
    let Some(python) = python() else { return };
    let value = python.value("{1, 'a', None}");
    let members = value.as_array().expect("an array");
    assert_eq!(members.len(), 3, "{value}");
    for member in [json!(1), json!("a"), json!(null)] {
        assert!(members.contains(&member), "{value}");
    }
}

#[test]
fn mappings_are_objects_with_the_keys_of_json_dumps() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "{1: 'a', 1.5: 'b', None: 'c', False: 'd', (1, 2): 'e', 'k': 'f'}",
            json!({ "1": "a", "1.5": "b", "null": "c", "false": "d", "(1, 2)": "e", "k": "f" }),
        ),
        ("from types import MappingProxyType\nMappingProxyType({'a': 1})", json!({ "a": 1 })),
        (
            "from collections import ChainMap\nChainMap({'a': 1}, {'b': 2})",
            json!({ "b": 2, "a": 1 }),
        ),
    ]);
}

#[test]
fn records_are_objects() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "from dataclasses import dataclass, field\n@dataclass\nclass P:\n    x: int\n    tags: list = field(default_factory=list)\n[P(1, ['a']), P]",
            json!([{ "x": 1, "tags": ["a"] }, "<class '__main__.P'>"]),
        ),
        (
            "from enum import Enum, IntFlag\nclass C(Enum):\n    RED = 'r'\n    BOTH = (1, 2)\nclass F(IntFlag):\n    A = 1\n[C.RED, C.BOTH, F.A, {C.RED: 1}]",
            json!(["r", [1, 2], 1, { "r": 1 }]),
        ),
    ]);
}

#[test]
fn other_values_have_a_text() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("[b'\\xff\\x00', bytearray(b'a'), memoryview(b'b')]", json!(["/wA=", "YQ==", "Yg=="])),
        ("from decimal import Decimal\nfrom fractions import Fraction\n[Decimal('1.10'), Fraction(1, 3), 1 + 2j]", json!(["1.10", "1/3", "(1+2j)"])),
        ("object()", json!("<object object>")),
        ("import sys\nsys", json!("<module 'sys' (built-in)>")),
        ("...", json!("Ellipsis")),
        ("[ValueError('a', 1), KeyError('k')]", json!([{ "name": "ValueError", "message": "('a', 1)" }, { "name": "KeyError", "message": "'k'" }])),
    ]);
}

#[test]
fn iterators_are_not_consumed() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "[iter([1]), map(str, [1]), zip([1]), reversed([1])]",
            json!([
                "<list_iterator object>",
                "<map object>",
                "<zip object>",
                "<list_reverseiterator object>"
            ]),
        ),
        (
            "def endless():\n    while True:\n        yield 1\nendless()",
            json!("<generator object endless>"),
        ),
    ]);
}

#[test]
fn a_circle_is_named_and_what_is_shared_is_not() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("a = {}\na['a'] = a\na", json!({ "a": "[Circular]" })),
        ("a = [1]\n[a, a, {'a': a}]", json!([[1], [1], { "a": [1] }])),
    ]);
}

#[test]
fn what_raises_while_it_is_looked_at_does_not_lose_the_value() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "class B:\n    def __repr__(self): raise KeyError('k')\n[1, B()]",
            json!([1, "[Thrown: KeyError: 'k']"]),
        ),
        (
            "class B:\n    def __repr__(self): return 7\nB()",
            json!("[Thrown: TypeError: B.__repr__() must return a str, not int]"),
        ),
    ]);
    let value = python.value("class M(dict):\n    def items(self): raise OSError('disk')\n    def __iter__(self): raise OSError('disk')\n[1, M(a=1)]");
    assert_eq!(value[0], 1, "{value}");
}

#[test]
fn text_that_is_not_unicode_becomes_unicode() {
    let Some(python) = python() else { return };
    python.gives(&[
        (
            "['\\ud800x', 'a\\x00b', '\\u2028', '😀']",
            json!(["\u{fffd}x", "a\u{0}b", "\u{2028}", "😀"]),
        ),
        ("{'\\udfff': 1}", json!({ "\u{fffd}": 1 })),
    ]);
}

#[test]
fn a_coroutine_at_the_end_is_awaited() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("async def main():\n    return 42\n\nmain()", json!(42)),
        ("async def main():\n    return 42\n\nawait main()", json!(42)),
        ("import asyncio\nasync def f():\n    return 1\nasyncio.gather(f(), f())", json!([1, 1])),
    ]);
}

#[test]
fn numpy_values_are_plain_json() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import numpy as np\n[np.arange(4).reshape(2, 2), np.float32(0.5), np.int64(2 ** 60), np.bool_(True)]", json!([[[0, 1], [2, 3]], 0.5, "1152921504606846976", true])),
        ("import numpy as np\n[np.array([1.0, np.nan, np.inf]), np.array('x'), np.datetime64('2026-01-02')]", json!([[1.0, null, null], "x", "2026-01-02"])),
        ("import numpy as np\nnp.array([(1, 'a')], dtype=[('n', 'i4'), ('s', 'U1')])", json!([[1, "a"]])),
    ]);
}

#[test]
fn a_data_frame_is_records() {
    let Some(python) = python() else { return };
    python.gives(&[
        ("import pandas as pd\npd.DataFrame({'a': [1, None], 'b': ['x', None]})", json!([{ "a": 1.0, "b": "x" }, { "a": null, "b": null }])),
        ("import pandas as pd\npd.DataFrame({'n': [1, 2]}, index=pd.Index(['x', 'y'], name='k'))", json!([{ "k": "x", "n": 1 }, { "k": "y", "n": 2 }])),
        ("import pandas as pd\npd.DataFrame({'t': pd.to_datetime(['2026-01-02', None])})", json!([{ "t": "2026-01-02T00:00:00" }, { "t": null }])),
        ("import pandas as pd\n[pd.Series([1, 2], index=['a', 'b']), pd.NA, pd.NaT, pd.Timestamp('2026-01-02')]", json!([{ "a": 1, "b": 2 }, null, null, "2026-01-02T00:00:00"])),
        ("import pandas as pd\npd.DataFrame()", json!([])),
    ]);
}

#[test]
fn a_large_data_frame_is_cut_and_the_result_says_so() {
    let Some(python) = python() else { return };
    let execution = python.run("import pandas as pd\npd.DataFrame({'n': range(100_000)})");
    assert_eq!(execution.error, None);
    let rows = execution.return_value.as_array().expect("records").len();
    assert!(rows < 100_000, "{rows}");
    let note = execution.notes.join("\n");
    assert!(note.contains("100,000") && note.contains("DataFrame"), "{note}");
}

#[test]
fn a_value_that_is_too_large_is_an_error_that_names_the_limit() {
    let Some(python) = python() else { return };
    for source in ["'x' * 50_000_000", "list(range(5_000_000))", "{'a': ['y' * 1000] * 50_000}"] {
        let (kind, message, _) = python.error(source);
        assert_eq!(kind, ErrorKind::Value, "{source}: {message}");
        assert!(message.contains("MCP_CONDUCTOR_MAX_RETURN_SIZE"), "{message}");
    }
}

#[test]
fn a_value_that_is_too_deep_is_an_error_that_names_the_limit() {
    let Some(python) = python() else { return };
    let (kind, message, _) = python.error("a = []\nfor _ in range(500):\n    a = [a]\na");
    assert_eq!(kind, ErrorKind::Value, "{message}");
    assert!(message.contains("MCP_CONDUCTOR_MAX_RETURN_DEPTH"), "{message}");
}

#[test]
fn a_repr_is_not_a_way_to_a_larger_value() {
    let Some(python) = python() else { return };
    let source = "class Huge:\n    def __repr__(self): return 'x' * 50_000_000\nHuge()";
    assert_eq!(python.error(source).0, ErrorKind::Value);
}
