"""What a program reaches, without an interpreter of the engine's. Run by hand: python3 tests/python/world.py"""

import json
import sys
import types
import unittest

import fake

fake.install()

from conductor import calls, files, imports, net, sockets, tools  # noqa: E402

calls.is_awaited = lambda frame: False  # instructions are those of the engine's Python


def text(said, **more):
    return {"content": [{"type": "text", "text": said}], **more}


class Results(unittest.TestCase):
    def test_structured_content_comes_before_text(self):
        self.assertEqual(tools.unwrap(text("x", structuredContent={"v": 1}), "s", "t"), {"v": 1})

    def test_text_is_read_as_json_if_that_loses_nothing(self):
        for said, value in (
            ('{"a": [1]}', {"a": [1]}),
            (" [1]", [1]),
            ("7", "7"),
            ("{a}", "{a}"),
            ('{"a": NaN}', '{"a": NaN}'),
            ("[1e999]", "[1e999]"),
            ("[" * 100_000, "[" * 100_000),
        ):
            self.assertEqual(tools.unwrap(text(said), "s", "t"), value)

    def test_a_picture_is_the_whole_result(self):
        result = {"content": [{"type": "image", "data": ""}]}
        self.assertIs(tools.unwrap(result, "s", "t"), result)

    def test_an_error_has_the_tool_s_words_and_content(self):
        with self.assertRaises(tools.McpToolError) as caught:
            tools.unwrap(text("it failed", isError=True), "s", "t")
        error = caught.exception
        self.assertEqual((str(error), error.server, error.tool), ("it failed", "s", "t"))
        self.assertEqual(error.content, [{"type": "text", "text": "it failed"}])


class Names(unittest.TestCase):
    def test_tools_are_found_by_the_names_that_python_can_write(self):
        names = ["create-issue", "getFile", "get_file", "HTTPGet"]
        for wanted, found in (
            ("create_issue", "create-issue"), ("get_file", "get_file"), ("getFile", "getFile"), ("x", None)
        ):
            self.assertEqual(tools._find(wanted, names), found)

    def test_arguments_are_placed_as_the_schema_lists_them(self):
        tool = tools.Tool("s", {"name": "t", "inputSchema": {"properties": {"a": {}, "b": {}}}})
        self.assertEqual(tool._arguments((1,), {"b": 2}), {"a": 1, "b": 2})
        self.assertEqual(tool._arguments(({"c": 1},), {"b": 2}), {"c": 1, "b": 2})
        for values, named in (((1, 2, 3), {}), ((1,), {"a": 2})):
            with self.assertRaises(TypeError):
                tool._arguments(values, named)

    def test_a_call_names_server_and_tool_or_the_qualified_tool(self):
        for arguments, sent in (
            (("mcp__s__t", {"a": 1}), (None, "mcp__s__t")),
            (("s", "t", {"a": 1}), ("s", "t")),
            ((("s", "t"), {"a": 1}), ("s", "t")),
        ):
            fake.answers[:] = [{"Text": json.dumps({"server": "s", "tool": "t", "result": text("ok")})}]
            self.assertEqual(tools.call_mcp_tool(*arguments), "ok")
            sent_now = fake.asked[-1][0]["tool"]["callTool"]
            self.assertEqual((sent_now["server"], sent_now["tool"]), sent)
            self.assertEqual(json.loads(sent_now["arguments"]), {"a": 1})

    def test_a_refused_tool_is_a_permission_error(self):
        fake.answers[:] = [fake.Failure("NotCapable", "Requires tool access", refused=True)]
        with self.assertRaisesRegex(PermissionError, "^Requires tool access$"):
            tools.call_mcp_tool("mcp__s__t")


class Imports(unittest.TestCase):
    def setUp(self):
        imports.enter({"packages": {"installed": {}, "allowed": ["pypi:PyYAML@^6", "pypi:humanize"]}})

    def test_a_missing_module_names_the_package_that_would_bring_it(self):
        self.assertIn("pypi:humanize is allowed and not installed", imports.hint("humanize.time"))
        self.assertIn("pypi:PyYAML@^6 is allowed", imports.hint("yaml"))
        self.assertIn("pypi:opencv-python is not among", imports.hint("cv2"))
        self.assertIn("native code", imports.hint("polars"))

    def test_what_is_installed_and_not_allowed_is_not_found(self):
        before = sys.path[:]
        self.addCleanup(sys.path.__setitem__, slice(None), before)
        places = [imports.DIRECTORY + file for file in ("humanize-4.zip", "made_here-1.zip", "needed-1.zip")]
        sys.path += places
        requested = {"humanize-4.zip": "pypi:humanize", "made_here-1.zip": "pypi:made-here"}
        installed = {"made": "pypi:made-here"}
        imports.enter(
            {"packages": {"installed": installed, "requested": requested, "allowed": ["pypi:Humanize@^4"]}}
        )
        self.assertEqual(sys.path, [*before, places[0], places[2]])
        self.assertIn("pypi:made-here is not among", imports.hint("made"))

    def test_without_a_program_nothing_is_said(self):
        imports._packages = None
        self.assertEqual(imports.hint("humanize"), "")


class Requests(unittest.TestCase):
    def fed(self, *pieces):
        request = sockets.Request()
        return request, [request.feed(piece) for piece in pieces]

    def test_a_request_is_complete_with_its_body(self):
        request, done = self.fed(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Le", b"ngth: 3\r\nX: 1\r\n\r\na", b"bc")
        self.assertEqual(done, [False, False, True])
        self.assertEqual((request.method, request.target, request.body), ("POST", "/a", b"abc"))
        self.assertEqual(request.headers, [["X", "1"]])

    def test_chunks_are_joined(self):
        head = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        request, done = self.fed(head, b"2\r\nab\r\n3;x=y\r\nc", b"de\r\n0\r\n\r\n")
        self.assertEqual((done, request.body), ([False, False, True], b"abcde"))

    def test_what_is_no_request_is_refused_in_words(self):
        for data in (b"EHLO localhost and more\r\n", b"\x16\x03\x01" * 20, b"GET / HTTP/1.1\r\nX: " + b"x" * (200 << 10)):
            with self.assertRaisesRegex(PermissionError, "HTTP only"):
                self.fed(data)

    def test_refusals_are_found_in_what_clients_make_of_them(self):
        refusal = files.refused("Requires net access")
        wrapped = types.SimpleNamespace(reason=refusal, args=(), __cause__=None, __context__=None)
        self.assertIs(net._refusal_in(wrapped), refusal)
        outer = ConnectionError("Connection aborted.", refusal)
        self.assertIs(net._refusal_in(outer), refusal)


if __name__ == "__main__":
    unittest.main()
