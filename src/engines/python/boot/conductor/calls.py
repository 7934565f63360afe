"""Whether a call in a program is awaited, or the last act of a function of a pool.

A tool can be called with and without `await`. Without, the call must give the value itself, a plain
dict, list or str: nothing that only behaves like one is taken by json, pandas or yaml. With, it must
not block, or twenty calls in asyncio.gather would run one after the other. So the program's own text
decides: a call whose result is awaited, given to what awaits (gather, create_task, …) or kept under a
name of which that is true begins a task; every other call waits for its value.
"""

import ast
import opcode
import types

from . import door

#: Functions that await what they are given, by the last part of their names.
_AWAITING = frozenset((
    "as_completed", "create_task", "ensure_future", "gather", "run_until_complete", "shield", "wait_for",
))

#: Those whose names others have too (subprocess.run): only of asyncio.
_AWAITING_OF_ASYNCIO = frozenset(("run", "wait"))

#: What makes another collection of a collection.
_COLLECTING = frozenset(("dict", "items", "list", "map", "set", "tuple", "values", "zip"))

#: Methods that put a value into a list.
_KEEPING = frozenset(("append", "add", "extend", "insert", "appendleft"))

#: Programs, by the file names of their code, and where in them calls begin tasks.
_trees: dict[str, ast.Module] = {}
_plans: dict[str, frozenset[tuple[int, int]]] = {}

def _last_name(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _awaits_arguments(function: ast.expr) -> bool:
    name = _last_name(function)
    is_asyncio = isinstance(function, ast.Attribute) and _last_name(function.value) == "asyncio"
    return name in _AWAITING or name in _AWAITING_OF_ASYNCIO and is_asyncio


class _Scope:
    """The names of one function, or of the module."""

    def __init__(self, parameters: list[str] = ()) -> None:
        self.parameters = list(parameters)
        self.kept: dict[str, list[ast.expr]] = {name: [] for name in parameters}
        self.filled: dict[str, list[ast.expr]] = {}
        self.awaited: set[str] = set()

    def values(self, name: str) -> list[ast.expr]:
        return self.kept.get(name, []) + self.filled.get(name, [])

    def hand_over(self, outer: "_Scope") -> None:
        """Names that are not its own are those of the scope around it."""
        outer.awaited |= self.awaited - self.kept.keys()
        for name, values in self.filled.items():
            if name not in self.kept:
                outer.filled.setdefault(name, []).extend(values)


class _Plan(ast.NodeVisitor):
    """Finds the calls of a program whose results are awaited."""

    def __init__(self) -> None:
        self.found: set[tuple[int, int]] = set()
        self.scopes = [_Scope()]
        # By the names of functions: what they return, which parameters they await.
        self.returned: dict[str, list[ast.expr]] = {}
        self.awaiting: dict[str, list[int]] = {}
        self.called: set[str] = set()
        self.calls: list[ast.Call] = []

    # ---- What is awaited

    def awaits(self, node: ast.AST | None) -> None:
        """The value of `node` is awaited: so are the calls that it comes from."""
        match node:
            case ast.Call(func=function):
                self.found.add((node.end_lineno, node.end_col_offset))
                name = _last_name(function)
                if _awaits_arguments(function) or name in _COLLECTING:
                    collection = function.value if isinstance(function, ast.Attribute) else None
                    for argument in (collection, *node.args):
                        self.awaits(argument)
                elif name is not None:
                    self.called.add(name)
            case ast.Name(id=name):
                self.scopes[-1].awaited.add(name)
                self.called.add(name)  # as the function that map() is given
            case ast.Attribute(attr=name):
                self.scopes[0].awaited.add(f".{name}")
            case ast.Lambda(body=value):
                self.awaits(value)
            case ast.Starred(value=value) | ast.NamedExpr(value=value) | ast.Subscript(value=value):
                self.awaits(value)
            case ast.List(elts=values) | ast.Tuple(elts=values) | ast.Set(elts=values):
                for value in values:
                    self.awaits(value)
            case ast.Dict(values=values):
                for value in values:
                    self.awaits(value)
            case ast.GeneratorExp(elt=value) | ast.ListComp(elt=value) | ast.SetComp(elt=value):
                self.awaits(value)
            case ast.DictComp(value=value):
                self.awaits(value)
            case ast.IfExp(body=one, orelse=other):
                self.awaits(one)
                self.awaits(other)
            case ast.BinOp(left=one, right=other):
                self.awaits(one)
                self.awaits(other)

    def visit_Await(self, node: ast.Await) -> None:
        self.awaits(node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.calls.append(node)
        if _awaits_arguments(node.func):
            self.found.add((node.end_lineno, node.end_col_offset))
            for argument in node.args:
                self.awaits(argument)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _KEEPING:
            self._fill(node.func.value, *node.args)
        self.generic_visit(node)

    # ---- Names that values are kept under

    def _keep(self, target: ast.AST, *values: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.scopes[-1].kept.setdefault(name, []).extend(values)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                for one in targets:
                    self._keep(one, *values)
            case _:
                self._fill(target, *values)

    def _fill(self, target: ast.AST, *values: ast.expr) -> None:
        """Something is put into a collection or an object."""
        match target:
            case ast.Subscript(value=inner) | ast.Starred(value=inner):
                self._fill(inner, *values)
            case ast.Name(id=name):
                self.scopes[-1].filled.setdefault(name, []).extend(values)
            case ast.Attribute(attr=name):
                self.scopes[0].filled.setdefault(f".{name}", []).extend(values)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assign(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._keep(node.target, node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._fill(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        # `for task in tasks: await task`
        self._keep(node.target, node.iter)
        self.generic_visit(node)

    visit_AsyncFor = visit_comprehension = visit_For

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts):
                self._assign(one, other)
        else:
            self._keep(target, value)

    # ---- Functions

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args.posonlyargs + node.args.args
        parameters = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
        scope = _Scope(parameters)
        self.scopes.append(scope)
        self.generic_visit(node)
        self._settle()
        self.scopes.pop()
        scope.hand_over(self.scopes[-1])
        awaited = [at for at, name in enumerate(parameters) if name in scope.awaited]
        self.awaiting.setdefault(node.name, []).extend(awaited)
        if isinstance(node, ast.FunctionDef):
            # What it returns is awaited where the call of it is.
            values = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
            self.returned.setdefault(node.name, []).extend(v for v in values if v is not None)

    visit_AsyncFunctionDef = visit_FunctionDef

    def _settle(self) -> None:
        """Follows awaited names to what is kept under them."""
        scope, done = self.scopes[-1], set()
        while scope.awaited - done:
            name = min(scope.awaited - done)
            done.add(name)
            for value in scope.values(name):
                self.awaits(value)

    def finish(self) -> frozenset[tuple[int, int]]:
        for call in self.calls:
            for at in self.awaiting.get(_last_name(call.func), ()):
                if at < len(call.args):
                    self.awaits(call.args[at])
        done: set[str] = set()
        while self.called - done:
            name = min(self.called - done)
            done.add(name)
            for value in self.returned.get(name, ()):
                self.awaits(value)
        self._settle()
        return frozenset(self.found)


def positions(tree: ast.Module) -> frozenset[tuple[int, int]]:
    """Where calls that are awaited end: lines from 1, columns in bytes."""
    try:
        plan = _Plan()
        plan.visit(tree)
        return plan.finish()
    except RecursionError:
        return frozenset()


def plan(tree: ast.Module) -> None:
    """The program, parsed. It is looked through when the first tool is called."""
    _plans.clear()
    _trees[door.FILE] = tree


def _planned(file: str) -> frozenset[tuple[int, int]]:
    known = _plans.get(file)
    if known is None:
        tree = _trees.get(file)
        known = _plans[file] = positions(tree) if tree is not None else frozenset()
    return known


_GET_AWAITABLE = opcode.opmap["GET_AWAITABLE"]
_RETURN_VALUE = opcode.opmap["RETURN_VALUE"]
#: Words of cache after an instruction, by its name.
_CACHES = opcode._inline_cache_entries


def _next_op(frame: types.FrameType) -> int:
    """The instruction after the call that `frame` is at."""
    code, at = frame.f_code.co_code, frame.f_lasti
    name = opcode.opname[code[at]]
    after = at + 2 + 2 * _CACHES.get(name, 0)
    return code[after] if after < len(code) else 0


def is_awaited(frame: types.FrameType) -> bool:
    """Whether the result of the call that `frame` is at is awaited."""
    code = frame.f_code
    if _next_op(frame) == _GET_AWAITABLE:
        return True
    planned = _planned(code.co_filename)
    if not planned:
        return False
    at = 0
    for _, end_line, _, end_column in code.co_positions():
        if at == frame.f_lasti:
            return (end_line, end_column) in planned
        at += 2
    return False


def is_last_act(frame: types.FrameType) -> bool:
    """Whether the function of `frame` returns the result of its call, with nothing after it."""
    is_plain = not frame.f_code.co_flags & (0x20 | 0x80 | 0x100 | 0x200)  # generators, coroutines
    return is_plain and not frame.f_code.co_exceptiontable and _next_op(frame) == _RETURN_VALUE
