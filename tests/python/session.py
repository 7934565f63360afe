"""Values of a conversation, without an interpreter of the engine's. Run by hand: python3 tests/python/session.py"""

import unittest

import fake

fake.install()

from conductor import calls, session, tools  # noqa: E402

calls.is_awaited = lambda frame: False  # instructions are those of the engine's Python
kept = session.NAMES["session"]


class Values(unittest.TestCase):
    def setUp(self):
        fake.asked.clear()

    def test_a_value_is_read_from_json_and_what_is_not_there_is_the_default(self):
        fake.answers[:] = [{"MaybeText": '{"a": [1, null]}'}, {"MaybeText": None}, {"MaybeText": None}]
        self.assertEqual(kept.get("k"), {"a": [1, None]})
        self.assertIsNone(kept.get("k"))
        self.assertEqual(kept.get("k", default=7), 7)
        self.assertEqual(fake.asked[0][0], {"session": {"get": {"key": "k"}}})

    def test_a_value_is_sent_as_json(self):
        fake.answers[:] = ["Done"]
        self.assertIsNone(kept.set("k", {"a": (1, None), "s": {2}}))
        sent = {"session": {"set": {"key": "k", "value": '{"a": [1, null], "s": [2]}'}}}
        self.assertEqual(fake.asked[0][0], sent)

    def test_what_json_does_not_have_is_not_sent(self):
        with self.assertRaises(ValueError):
            kept.set("k", float("nan"))
        self.assertEqual(fake.asked, [])

    def test_keys_and_whether_one_was_deleted(self):
        fake.answers[:] = [{"Text": '["a", "b"]'}, {"Count": 1}, {"Count": 0}]
        self.assertEqual(kept.keys(), ["a", "b"])
        self.assertIs(kept.delete("a"), True)
        self.assertIs(kept.delete("a"), False)
        self.assertEqual(fake.asked[0][0], {"session": "keys"})

    def test_failures_are_exceptions_of_python(self):
        for kind, expected in (("TypeError", TypeError), ("RangeError", ValueError), ("Error", RuntimeError)):
            fake.answers[:] = [fake.Failure(kind, "why")]
            with self.assertRaisesRegex(expected, "why"):
                kept.get("k")


class Tools(unittest.TestCase):
    def test_tools_are_found_and_loaded_by_operations_of_their_own(self):
        fake.asked.clear()
        fake.answers[:] = [{"Text": "[]"}, {"Text": '{"name": "mcp__s__t"}'}]
        self.assertEqual(tools.find_tools("x", 500), [])
        self.assertEqual(tools.load_tool_spec("s/t")["name"], "mcp__s__t")
        found = {"tool": {"findTools": {"query": "x", "limit": 100}}}
        self.assertEqual([asked for asked, _ in fake.asked], [
            found, {"tool": {"loadToolSpec": {"name": "s/t"}}},
        ])


if __name__ == "__main__":
    unittest.main()
