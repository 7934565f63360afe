"""One program, from its source to its outcome."""

import __future__
import ast
import atexit
import builtins
import gc
import inspect
import io
import json
import linecache
import sys
import types
import warnings

from . import door, errors, files, freshness, images, output, putoff, tools, unfinished, world
from .door import FILE
from .loop import LOOP, NeverSettles
from .value import Exceeded, to_json

#: What may be wrong with a source.
_UNREADABLE = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

#: `from __future__` of the statements holds for the last expression too.
_FUTURES = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})


def main() -> None:
    """Runs this worker's program and sends its outcome, whatever happens."""
    freshness.renew()
    program = door.send("program")
    try:
        result, body = run(program, begin)
    except BaseException as error:
        result, body = last_resort(error, program["source"]), b""
    if begin.has_been:
        leave()
    door.send("outcome", body, outcome=result)


def rehearse() -> None:
    """Goes the way of `main` in the zygote, whose host plays that of a worker."""
    freshness.renew()
    result, body = run(door.send("program"), begin)
    write_open_files()
    output.flush()
    door.send("outcome", body, outcome=result)
    begin.has_been, begin.exits = False, sys.maxsize


def last_resort(error: BaseException, source: str) -> dict:
    """The outcome if what runs programs has failed itself: a program can break all that it uses."""
    try:
        return errors.outcome(error, source)
    except BaseException:
        return {"error": {"kind": "runtime", "name": "Error", "message": "The program broke what reports its errors"}}


def begin(program: dict) -> dict:
    """Starts the run: nothing is asked of the server before that."""
    door.send("started")
    begin.has_been = True
    begin.exits = atexit._ncallbacks()
    return enter(program)


begin.has_been, begin.exits = False, sys.maxsize


def enter(program: dict) -> dict:
    """Enters the world; the names that it gives to the program."""
    names: dict = {}
    for module in world():
        module.enter(program)
        names.update(getattr(module, "NAMES", {}))
    return names


def leave() -> None:
    """What an interpreter does at its end: atexit, and the rest of what was written."""
    try:
        atexit._run_exitfuncs()
    except BaseException as error:
        errors.show(error)
    write_open_files()
    output.flush()


def write_open_files() -> None:
    """Writes what is still in the buffers of files that the program left open."""
    for file in gc.get_objects():
        if issubclass(type(file), (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                file.flush()
            except ValueError:  # it is closed
                pass
            except BaseException as error:
                errors.show(error)


def run(program: dict, begin) -> tuple[dict, bytes]:
    """The outcome of a program, and the JSON text of its value."""
    source = program["source"].removeprefix("\ufeff")
    linecache.cache[FILE] = (len(source), None, source.splitlines(True), FILE)
    try:
        with warnings.catch_warnings(record=True) as told:
            tree = ast.parse(source, FILE)
            code = Code(source, tree)
    except _UNREADABLE as error:
        return errors.syntax(error, source), b""
    space: dict = {}
    try:
        names = begin(program)
        for warning in told:  # nothing is said before the run has begun
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
        space = namespace(program, names)
        value = evaluate(execute(code, space))
        if value is None:
            hint_at_main(tree)
        images.show_value(value)
        images.show_open()
        body, notes = to_json(value, program["maxValue"], program["maxDepth"])
        for note in notes:
            output.note(note)
        if not leaves_work():
            return {"value": None}, body
        door.send("value", body)  # what comes of the rest, and when, does not take it back
        unfinished.finish(program["grace"])
        return {"left": None}, b""
    except SystemExit as error:
        return {"exit": exit_code(error)}, b""
    except Exceeded as error:
        return {"exceeded": error.limit}, b""
    except BaseException as error:
        return failed(error, source, space)


def leaves_work() -> bool:
    """Whether anything of the program runs after its value: tasks, operations, atexit."""
    return bool(unfinished.tasks() or LOOP.operations or atexit._ncallbacks() > begin.exits)


def failed(error: BaseException, source: str, space: dict) -> tuple[dict, bytes]:
    """The outcome of an error; what the program had drawn until then is shown."""
    if isinstance(error, MemoryError):
        space.clear()
    result = errors.outcome(files.in_words(error), source)
    try:
        images.show_open()
    except Exception:  # the first error is the one to report
        pass
    return result, b""


class Code:
    """A program's statements, and the expression that ends it."""

    def __init__(self, source: str, tree: ast.Module):
        tools.plan(tree)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not is_silent(source, tree.body[-1]):
            last = ast.Expression(tree.body[-1].value)
        body = tree.body[:-1] if last else tree.body
        statements = ast.Module(body, tree.type_ignores)
        self.statements = compile(statements, FILE, "exec", _FLAGS, dont_inherit=True)
        inherited = self.statements.co_flags & _FUTURES | _FLAGS
        self.last = compile(last, FILE, "eval", inherited, dont_inherit=True) if last else None


def is_silent(source: str, last: ast.Expr) -> bool:
    """Whether a semicolon follows the last expression, which then has no value."""
    line = source.splitlines()[last.end_lineno - 1].encode()
    return line[last.end_col_offset :].lstrip().startswith(b";")


def namespace(program: dict, names: dict) -> dict:
    """A new __main__ with the names of the world and the caller's globals."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = ["program.py"]
    space = module.__dict__
    space.update(__builtins__=builtins, __file__=f"{program['workspace']}/program.py", **names)
    space.update(json.loads(program["globals"]))
    return space


async def execute(code: Code, space: dict):
    """The task that a program is."""
    try:
        begun = eval(code.statements, space)
        if code.statements.co_flags & inspect.CO_COROUTINE:
            await begun
        putoff.finish()
        if code.last is None:
            return None
        value = eval(code.last, space)
        if code.last.co_flags & inspect.CO_COROUTINE:
            value = await value
        return await value if is_awaitable(value) else value
    finally:
        putoff.finish()


def is_awaitable(value: object) -> bool:
    try:
        return inspect.isawaitable(value)
    except Exception:  # what an object says of its class may be a program's code
        return False


def evaluate(coroutine):
    """The program's value. The worker looks at `coroutine` to say where a program waits that is stopped."""
    task = LOOP.create_task(coroutine, name="program")
    try:
        LOOP.run_until(task.done)
    except NeverSettles:
        raise stuck(task) from None
    return task.result()


def stuck(task) -> RuntimeError:
    """The error of a program that waits for ever, at the line where it waits."""
    error = RuntimeError("Top-level await never resolved: nothing is left that could settle it")
    for frame in unfinished.frames(task):
        error.__traceback__ = types.TracebackType(error.__traceback__, frame, frame.f_lasti, frame.f_lineno)
    return error


def exit_code(error: SystemExit) -> int:
    """The code of a SystemExit, whose text goes to stderr."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return max(-(2**31), min(int(code), 2**31 - 1))
    print(code, file=sys.stderr)
    return 1


def hint_at_main(tree: ast.Module) -> None:
    """Says so if a program only defines main(), as scripts do whose last line was forgotten."""
    last = tree.body[-1] if tree.body else None
    if isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)) and last.name == "main":
        used = any(isinstance(node, ast.Name) and node.id == "main" for node in ast.walk(tree))
        if not used:
            call = "await main()" if isinstance(last, ast.AsyncFunctionDef) else "main()"
            output.note(f"main() is defined and never called: end the program with {call}")
