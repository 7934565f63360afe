"""Values, code frames and errors of the boot program, under the python3 of a developer.

    python3 tests/python/values.py
"""

import collections
import dataclasses
import enum
import json
import pathlib
import sys
import types
import unittest

CONDUCTOR = pathlib.Path(__file__).parents[2] / "src/engines/python/boot/conductor"
package = types.ModuleType("conductor")
package.__path__ = [str(CONDUCTOR)]
sys.modules["conductor"] = package

from conductor import errors, frames, value  # noqa: E402


def plain(something, size=1 << 20, depth=32):
    return json.loads(value.to_json(something, size, depth)[0])


class Values(unittest.TestCase):
    def test_what_json_cannot_hold_becomes_something_readable(self):
        class Broken:
            def __repr__(self):
                raise RuntimeError("no repr")

        Point = collections.namedtuple("Point", "x y")
        circle = [1]
        circle.append(circle)
        Colour = enum.Enum("Colour", {"RED": "red"})
        Row = dataclasses.make_dataclass("Row", ["id"])
        for given, expected in (
            (2**53 - 1, 2**53 - 1),
            (2**53, str(2**53)),
            (float("nan"), None),
            ({3, 1, 2}, [1, 2, 3]),
            (Point(1, (2,)), {"x": 1, "y": [2]}),
            (Row(4), {"id": 4}),
            (Colour.RED, "red"),
            (b"ab", "YWI="),
            (circle, [1, "[Circular]"]),
            ([Broken()], ["[Thrown: RuntimeError: no repr]"]),
            ({(1, 2): 1, None: 2, True: 3, 1.5: 4}, {"(1, 2)": 1, "null": 2, "true": 3, "1.5": 4}),
            (ValueError("x"), {"name": "ValueError", "message": "x"}),
            (iter([1]), "<list_iterator object>"),
            ({"\udfff": "\ud800"}, {"\ufffd": "\ufffd"}),
        ):
            self.assertEqual(plain(given), expected)

    def test_an_integer_has_all_its_digits(self):
        self.assertEqual(plain([10**5000]), [f"1{'0' * 5000}"])

    def test_a_small_value_that_describes_a_huge_one_is_stopped_at_the_limit(self):
        huge = [1] * 10
        for _ in range(30):
            huge = [huge] * 10
        for given in (huge, b"x" * 2000, "x" * 2000, 1 << 20_000, range(10**9)):
            with self.assertRaises(value.Exceeded) as raised:
                value.to_json(given, 1000, 64)
            self.assertEqual(raised.exception.limit, "valueSize")

    def test_a_value_has_as_many_levels_as_the_limit(self):
        self.assertEqual(plain([[[]]], depth=3), [[[]]])
        with self.assertRaises(value.Exceeded) as raised:
            value.to_json([[[[]]]], 1000, 3)
        self.assertEqual(raised.exception.limit, "valueDepth")


class Frames(unittest.TestCase):
    def test_the_marker_stands_under_the_place(self):
        drawn = frames.code_frame("a\nb\nconst c = d\ne\nf\ng", 3, 11)
        self.assertEqual(drawn, "  1 | a\n  2 | b\n> 3 | const c = d\n    |           ^\n  4 | e\n  5 | f")

    def test_a_long_line_is_cut_around_the_place(self):
        line, marker = frames.code_frame("a" * 1000 + "!" + "b" * 1000, 1, 1001).split("\n")
        self.assertEqual(len(line), len("> 1 | ") + frames.MAX_LINE)
        self.assertEqual(line.index("!"), marker.index("^"))

    def test_a_line_that_does_not_exist_has_no_frame(self):
        self.assertIsNone(frames.code_frame("a", 2, 1))


class Errors(unittest.TestCase):
    def raised(self, source):
        try:
            exec(compile(source, errors.FILE, "exec"), {})
        except BaseException as error:
            return errors.outcome(error, source)["error"]

    def test_the_line_is_the_innermost_of_the_program(self):
        told = self.raised("import json\ndef f():\n    json.loads('{')\nf()")
        self.assertEqual((told["kind"], told["name"], told["line"]), ("runtime", "JSONDecodeError", 3))

    def test_a_refusal_is_a_permission_error_however_it_is_wrapped(self):
        source = "try:\n    raise PermissionError('no')\nexcept OSError as e:\n    raise ValueError('x') from e"
        told = self.raised(source)
        self.assertEqual(told["kind"], "permission")
        self.assertEqual([(r["name"], r["isCause"], r["line"]) for r in told["related"]], [("PermissionError", True, 2)])

    def test_an_exception_whose_str_raises_is_reported(self):
        told = self.raised("class E(Exception):\n    def __str__(self): raise KeyError\nraise E")
        self.assertEqual((told["name"], told["message"]), ("E", "[Thrown: KeyError]"))


if __name__ == "__main__":
    unittest.main()
