"""Which calls of a program begin tasks. Run by hand: python3 tests/python/calls.py"""

import ast
import re
import unittest

import fake

fake.install()

from conductor import calls  # noqa: E402


def begun(source: str) -> list[str]:
    """The calls of functions `t…` that begin tasks, in order."""
    tree = ast.parse(source)
    found = calls.positions(tree)
    called = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = [n for n in called if (n.end_lineno, n.end_col_offset) in found]
    names = [ast.unparse(node.func) for node in called]
    return sorted(name for name in names if re.fullmatch(r"t\d?", name))


class Calls(unittest.TestCase):
    def test_a_call_whose_value_is_used_waits(self):
        for source in ("t()", "x = t()\nx['a']", "print(t())", "[t() for _ in xs]", "f(t())"):
            self.assertEqual(begun(source), [], source)

    def test_an_awaited_call_begins_a_task(self):
        for source in ("await t()", "x = (await t())['a']", "await (t() if a else t())[0]"):
            self.assertIn("t", begun(source), source)

    def test_what_gather_is_given_begins_tasks(self):
        for source in (
            "await gather(t(), x)",
            "await asyncio.gather(*(t() for _ in xs))",
            "await asyncio.gather(*[t() for _ in xs], return_exceptions=True)",
            "await asyncio.wait_for(asyncio.shield(t()), 3)",
            "asyncio.create_task(t())",
            "asyncio.run(t())",
            "for f in asyncio.as_completed([t()]):\n    await f",
            "async with asyncio.TaskGroup() as g:\n    g.create_task(t())",
        ):
            self.assertEqual(begun(source), ["t"], source)

    def test_what_is_kept_under_a_name_that_is_awaited_begins_tasks(self):
        for source in (
            "a = t()\nawait a",
            "a, b = t(), 1\nawait a",
            "ts = [t() for _ in xs]\nawait asyncio.gather(*ts)",
            "ts = []\nfor x in xs:\n    ts.append(t())\nawait asyncio.gather(*ts)",
            "ts = {}\nts['a'] = t()\nawait asyncio.gather(*ts.values())",
            "ts = {k: t() for k in ks}\nfor k, task in ts.items():\n    await task",
            "ts = []\nts += [t()]\nawait asyncio.gather(*ts)",
            "class A:\n def f(self):\n  self.ts.append(t())\n async def g(self):\n  await gather(*self.ts)",
            "async def m():\n ts = []\n def add():\n  ts.append(t())\n add()\n await gather(*ts)",
        ):
            self.assertEqual(begun(source), ["t"], source)

    def test_what_a_function_returns_is_awaited_where_the_function_is(self):
        for source in (
            "def f():\n    return t()\nawait f()",
            "def f(i):\n    return t()\nawait gather(*map(f, xs))",
            "await gather(*map(lambda i: t(), xs))",
            "async def limited(task):\n    async with s:\n        return await task\nawait limited(t())",
        ):
            self.assertEqual(begun(source), ["t"], source)

    def test_the_same_name_in_another_function_is_another(self):
        source = "def f():\n    r = t1()\n    return r['a']\nasync def g():\n    r = t2()\n    await r"
        self.assertEqual(begun(source), ["t2"])

    def test_functions_of_other_modules_await_nothing(self):
        for source in ("subprocess.run(t())", "proc.wait(t())", "async def f():\n    return t()\nawait f()"):
            self.assertEqual(begun(source), [], source)

    def test_a_program_that_is_nested_too_deeply_has_no_plan(self):
        tree = ast.parse("x")
        node = tree.body[0].value
        for _ in range(20_000):
            node = ast.UnaryOp(ast.Not(), node)
        tree.body[0].value = node
        self.assertEqual(calls.positions(tree), frozenset())


if __name__ == "__main__":
    unittest.main()
