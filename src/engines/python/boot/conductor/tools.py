"""Tools of MCP servers. Nothing is decided here: the broker asks policy, checks arguments against the
tool's schema and makes the call.
"""

import builtins
import collections.abc
import difflib
import json
import math
import re
import sys
import types
from importlib.machinery import ModuleSpec

from . import calls, door, files, loop

_OBJECT_OR_LIST = re.compile(r"\s*[\[{]")

#: Tools that one search gives back, if the program does not say.
FOUND = 10
MOST_FOUND = 100


class McpToolError(Exception):
    """A call that the tool itself says has failed, or that could not be made.

    `server` and `tool` name the tool; `content` is what it said, as MCP's content blocks.
    """

    def __init__(self, message: str, server: str = "", tool: str = "", content: list | None = None):
        super().__init__(message)
        self.server, self.tool, self.content = server, tool, content or []


McpToolError.__module__ = "builtins"


#: Variables of a program.
NAMES: dict[str, object] = {}

plan = calls.plan


# ---- Operations and their results


def _failed(failure: door.Failure) -> Exception:
    """The exception of an operation on tools."""
    if failure.refused:
        return files.refused(failure.message)
    kinds = {"TypeError": TypeError, "RangeError": ValueError}
    return kinds.get(failure.kind, McpToolError)(failure.message)


class ToolTask(collections.abc.Coroutine):
    """A call that goes on, to be awaited: what create_task, gather and wait_for take."""

    def __init__(self, future) -> None:
        self._future, self._steps = future, None

    def __await__(self):
        return self._future.__await__()

    __iter__ = __await__

    def send(self, value):
        if self._steps is None:
            self._steps = self._future.__await__()
        return self._steps.send(value)

    def throw(self, *error):
        if self._steps is None:
            self._steps = self._future.__await__()
        return self._steps.throw(*error)

    def close(self) -> None:
        if not self._future.done():
            self._future.cancel()

    def __getattr__(self, name: str):
        return getattr(self.__dict__["_future"], name)

    def __repr__(self) -> str:
        return "<call of a tool, to be awaited>"


def _pending(operation: dict, convert, failed):
    """A future of the loop for an operation."""
    settled = loop.LOOP.create_future()

    def done(answer, failure, data):
        if settled.done():
            return
        try:
            if failure is not None:
                raise failed(failure)
            settled.set_result(convert(answer, data))
        except Exception as error:
            settled.set_exception(error)

    number = loop.LOOP.start_operation(operation, b"", done)
    settled.add_done_callback(lambda f: loop.LOOP.cancel_operation(number) if f.cancelled() else None)
    return settled


def _convert_or_raise(operation: dict, convert, failed=_failed):
    try:
        answer, data = door.call(operation)
    except door.Failure as failure:
        error = failed(failure)
    else:
        return convert(answer, data)
    raise error


#: The frame of in_pool, while it runs a function of a pool.
_pool: list[types.FrameType] = []


def perform(frame: types.FrameType, operation: dict, convert, failed=_failed):
    """Performs an operation in the way that the caller at `frame` needs: its value, a task, or
    what a pool waits for."""
    if _pool and (frame is _pool[-1] or frame.f_back is _pool[-1] and calls.is_last_act(frame)):
        return loop.pending(operation, then=convert, failed=failed)
    if calls.is_awaited(frame):
        return ToolTask(_pending(operation, convert, failed))
    return _convert_or_raise(operation, convert, failed)


def _perform(frame: types.FrameType, operation: dict, convert):
    return perform(frame, {"tool": operation}, convert)


def in_pool(function, args: tuple, kwargs: dict):
    """Runs a function of a thread pool. If its last act is a call of a tool, that goes on beside
    others: the result is a future of it."""
    _pool.append(sys._getframe())
    try:
        return function(*args, **kwargs)
    finally:
        _pool.pop()


# ---- What a tool's result is for the program


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _no_constant(text: str):
    raise ValueError(text)


def parse_text(text: str):
    """What a text says, if it is an object or a list of JSON that loses nothing: else the text."""
    if _OBJECT_OR_LIST.match(text) is None:
        return text
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _is_text(block) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)


def _text_of(content: list) -> str:
    lines = (
        b["text"] if _is_text(b) else f"[{b.get('type') if isinstance(b, dict) else b}]" for b in content
    )
    return "\n".join(lines)


def unwrap(result: dict, server: str, tool: str):
    """As for TypeScript: an error is raised, then structured content, then text, as JSON if it is an
    object or a list of that, else the result as it came."""
    content = result.get("content")
    content = content if isinstance(content, list) else []
    if result.get("isError") is True:
        raise McpToolError(_text_of(content) or f"The tool {tool} failed", server, tool, content)
    if result.get("structuredContent") is not None:
        return result["structuredContent"]
    if not content or not all(map(_is_text, content)):
        return result
    return parse_text("\n".join(block["text"] for block in content))


def _unwrapped(answer, _data):
    told = json.loads(answer["Text"])
    return unwrap(told["result"], told["server"], told["tool"])


def _json_of(answer, _data):
    return json.loads(answer["Text"])


def _maybe_json_of(answer, _data):
    text = answer["MaybeText"]
    return None if text is None else json.loads(text)


def plain(value):
    """What json does not know, of what programs commonly have."""
    for method in ("isoformat", "tolist", "item", "to_dict"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    return str(value)


def _to_text(arguments) -> str:
    if arguments is None:
        return "{}"
    if not isinstance(arguments, collections.abc.Mapping):
        raise TypeError(
            f"The arguments of a tool must be a dict, not {type(arguments).__name__}: "
            'call_mcp_tool("mcp__server__tool", {"name": "value"})'
        )
    return json.dumps(dict(arguments), default=plain, allow_nan=False)


def _call(frame: types.FrameType, server: str | None, tool: str, arguments):
    operation = {"server": server, "tool": tool, "arguments": _to_text(arguments)}
    return _perform(frame, {"callTool": operation}, _unwrapped)


# ---- Functions of programs


def call_mcp_tool(name, arguments=None, /, *more, **named):
    """Calls a tool of an MCP server, with or without await.

    call_mcp_tool("mcp__server__tool", {"name": "value"}), or call_mcp_tool("server", "tool", {…}).
    """
    server = None
    if isinstance(name, (tuple, list)) and len(name) == 2:
        server, name = name
    elif isinstance(arguments, str) and not str(name).startswith("mcp__"):
        server, name, arguments = name, arguments, more[0] if more else None
        more = more[1:]
    if not isinstance(name, str):
        raise TypeError(f"The name of a tool is a str such as 'mcp__server__tool', not {name!r:.100}")
    if more:
        raise TypeError("call_mcp_tool takes a tool's name and one dict of arguments")
    if named:
        arguments = {**(arguments or {}), **named}
    return _call(sys._getframe(1), server, name, arguments)


def _count(limit, fallback: int) -> int:
    if limit is None:
        return fallback
    if not isinstance(limit, (int, float)) or not limit >= 1:
        raise ValueError("The limit must be a number from 1")
    return int(min(limit, MOST_FOUND))


def _search(frame: types.FrameType, query: str, limit: int):
    return _perform(frame, {"searchTools": {"query": str(query), "limit": limit}}, _json_of)


def search_tools(query: str = "", limit: int | None = None):
    """Tools for a query, best match first: a list of {name, description, parameters}."""
    return _search(sys._getframe(1), query, _count(limit, FOUND))


def discover_mcp_tools(search: str = "", limit: int | None = None):
    """All tools, or those for a search: a list of {name, description, parameters}."""
    return _search(sys._getframe(1), search, _count(limit, MOST_FOUND))


def get_tool_schema(name: str):
    """One tool by its name mcp__server__tool: {name, description, parameters}, or None."""
    return _perform(sys._getframe(1), {"toolSchema": {"name": str(name)}}, _maybe_json_of)


def find_tools(query: str = "", limit: int | None = None):
    """Tools for a query, those that the conversation has loaded last: a list of {name, server, tool,
    description, loaded}."""
    wanted = {"query": str(query), "limit": _count(limit, FOUND)}
    return _perform(sys._getframe(1), {"findTools": wanted}, _json_of)


def load_tool_spec(name: str):
    """All that a call of a tool needs: {name, description, parameters, signature}."""
    return _perform(sys._getframe(1), {"loadToolSpec": {"name": str(name)}}, _json_of)


def list_mcp_servers():
    """The MCP servers that the run may use, with what each has."""
    return _perform(sys._getframe(1), "describeServers", _json_of)


# ---- mcp.server.tool(…)


def _identifier(name: str) -> str:
    """A name as Python writes it: `create-issue` and `createIssue` are `create_issue`."""
    name = re.sub(r"\W", "_", name)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return name.strip("_").lower()


def _find(wanted: str, names: list[str]) -> str | None:
    """The name that is meant: itself, else the first that Python would write so."""
    if wanted in names:
        return wanted
    same = (name for name in names if _identifier(name) == _identifier(wanted))
    return next(same, None)


def _did_you_mean(wanted: str, names: list[str]) -> str:
    near = difflib.get_close_matches(wanted, names, 2, 0.6)
    return ". Did you mean " + " or ".join(f'"{name}"' for name in near) + "?" if near else ""


class Tool:
    """A tool of an MCP server, called with keywords or one dict."""

    def __init__(self, server: str, described: dict) -> None:
        self.server, self.name = server, described["name"]
        self.schema = described.get("inputSchema") or {}
        self.__name__ = self.__qualname__ = _identifier(self.name) or self.name
        self.__doc__ = described.get("description")

    def __call__(self, *values, **named):
        return _call(sys._getframe(1), self.server, self.name, self._arguments(values, named))

    def _arguments(self, values: tuple, named: dict) -> dict:
        if not values:
            return named
        if len(values) == 1 and isinstance(values[0], collections.abc.Mapping):
            return {**values[0], **named}
        parameters = list(self.schema.get("properties") or ())
        if len(values) > len(parameters):
            known = ", ".join(parameters) or "none"
            raise TypeError(
                f"{self.__name__}() has {len(parameters)} parameters, not {len(values)}: {known}"
            )
        placed = dict(zip(parameters, values))
        for name in placed:
            if name in named:
                raise TypeError(f"{self.__name__}() got multiple values for argument {name!r}")
        return {**placed, **named}

    def __repr__(self) -> str:
        return f"<tool mcp__{self.server}__{self.name}>"


class Server(types.ModuleType):
    """An MCP server as a module: its tools are functions."""

    def __init__(self, name: str, server: str) -> None:
        super().__init__(name, f"Tools of the MCP server {server!r}.")
        self.__dict__.update(__path__=[], _server=server, _tools=None)

    def _listed(self) -> dict:
        if self._tools is None:
            question = {"askServer": {"server": self._server, "question": "listTools"}}
            told = _convert_or_raise({"tool": question}, _json_of)
            tools = {tool["name"]: Tool(self._server, tool) for tool in reversed(told["tools"])}
            self.__dict__["_tools"] = dict(reversed(tools.items()))
        return self._tools

    def __getitem__(self, name: str) -> Tool:
        tools = self._listed()
        found = _find(name, list(tools))
        if found is None:
            near = _did_you_mean(name, [_identifier(tool) for tool in tools])
            # What the run may not call is not listed to it.
            near = near or ", or this call's allowedTools do not include it"
            raise KeyError(f'Tool "{name}" not found on MCP server "{self._server}"{near}')
        return tools[found]

    def __getattr__(self, name: str) -> Tool:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=None)
        try:
            return self[name]
        except KeyError as error:
            # With obj=None Python adds no guess of its own.
            raise AttributeError(error.args[0], name=name, obj=None) from None

    def __dir__(self) -> list[str]:
        return sorted(_identifier(name) for name in self._listed())

    def call_tool(self, tool: str, arguments=None):
        """Calls a tool by its own name."""
        return _call(sys._getframe(1), self._server, tool, arguments)

    def list_tools(self):
        """What the server says of its tools."""
        question = {"askServer": {"server": self._server, "question": "listTools"}}
        return _perform(sys._getframe(1), question, lambda a, d: _json_of(a, d)["tools"])

    def __repr__(self) -> str:
        return f"<MCP server {self._server!r}>"


class Servers(types.ModuleType):
    """The module mcp: MCP servers by their names."""

    def __init__(self) -> None:
        super().__init__("mcp", "Tools of MCP servers: mcp.server.tool(name=value)")
        self.__dict__.update(__path__=[], _names=None, _servers={})
        self.McpToolError = McpToolError

    def _known(self) -> list[str]:
        if self._names is None:
            self.__dict__["_names"] = _convert_or_raise({"tool": "servers"}, _json_of)
        return self._names

    def __getitem__(self, name: str) -> Server:
        found = _find(name, self._known())
        if found is None:
            # The broker says which names are near.
            Server(f"mcp.{name}", name)._listed()
            found = name
        if found not in self._servers:
            module = Server(f"mcp.{_identifier(found)}", found)
            self._servers[found] = sys.modules[module.__name__] = module
        return self._servers[found]

    def __getattr__(self, name: str) -> Server:
        if name.startswith("__"):
            raise AttributeError(f"module 'mcp' has no attribute {name!r}")
        try:
            return self[name]
        except (McpToolError, TypeError) as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> list[str]:
        return sorted(_identifier(name) for name in self._known())


class Finder:
    """Finds `mcp.server` for import."""

    @staticmethod
    def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
        if not name.startswith("mcp."):
            return None
        first, *more = name.split(".")[1:]
        if more:
            Finder._no_tool(name, first, more[0])
        return ModuleSpec(name, Finder)

    @staticmethod
    def _no_tool(name: str, server: str, tool: str) -> None:
        told = f"No module named {name!r}: write from mcp.{server} import {tool}"
        try:
            sys.modules["mcp"][server][tool]
        except KeyError as error:
            told = error.args[0]
        raise ModuleNotFoundError(told, name=name)

    @staticmethod
    def create_module(spec: ModuleSpec) -> Server:
        try:
            return sys.modules["mcp"][spec.name.removeprefix("mcp.")]
        except (McpToolError, TypeError) as error:
            raise ModuleNotFoundError(str(error), name=spec.name) from None

    @staticmethod
    def exec_module(module: Server) -> None:
        pass


def install() -> None:
    sys.meta_path.insert(0, Finder)
    builtins.McpToolError = McpToolError  # where pickle looks for it, as its name says


def enter(program: dict) -> None:
    NAMES["mcp"] = sys.modules["mcp"] = Servers()


for _function in (
    McpToolError, call_mcp_tool, discover_mcp_tools, find_tools, get_tool_schema, list_mcp_servers,
    load_tool_spec, search_tools,
):
    NAMES[_function.__name__] = _function
