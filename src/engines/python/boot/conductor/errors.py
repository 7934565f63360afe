"""Errors of a program as its author can use them: name, message, place, and a traceback of his lines."""

import sys
import traceback
import warnings

from .door import FILE
from .frames import code_frame
from .value import well_formed

#: Longest message and longest traceback, in characters. A program chooses both.
MAX_TEXT = 16 << 10

#: Exceptions looked at below one: causes, and what a group holds.
MAX_RELATED = 32

#: Levels of them. Chains of causes have two or three.
MAX_DEPTH = 8

#: How a MemoryError begins that is not about memory.
PARSER_IS_FULL = "Parser stack overflow"

#: Advice for statements that other places allow.
ADVICE = {"'return' outside function": ". The value of a program is that of its last expression"}

#: What is not the author's: the interpreter's library, this package, generated code.
_FOREIGN = ("/usr/local/lib/", "<")


def own(file: str) -> bool:
    """Whether code of this file was written by the author of the program."""
    return file == FILE or not file.startswith(_FOREIGN)


def outcome(error: BaseException, source: str) -> dict:
    """The outcome of a program that raised."""
    if isinstance(error, MemoryError) and not str(error).startswith(PARSER_IS_FULL):
        return {"exceeded": "memory", "stack": text_of(error)}
    line, column = place(error)
    return {"error": fields(error, kind_of(error), line, column, source)}


def syntax(error: BaseException, source: str) -> dict:
    """The outcome of a program that does not parse."""
    if not isinstance(error, SyntaxError):
        error = SyntaxError(str(error) or "too deeply nested")
    if error.lineno is None and "\0" in source:
        error.lineno = source.count("\n", 0, source.index("\0")) + 1
        error.offset = source.index("\0") - source.rfind("\n", 0, source.index("\0"))
    return {"error": fields(error, "syntax", error.lineno or None, error.offset or None, source)}


def fields(error: BaseException, kind: str, line: int | None, column: int | None, source: str) -> dict:
    frame = code_frame(source, line, column or 1) if line else None
    return {
        "kind": kind,
        "name": clip(type(error).__name__),
        "message": clip(message(error)),
        "line": line,
        "column": utf16_column(source, line, column),
        "frame": frame and well_formed(frame),
        "stack": text_of(error),
        "related": related(error),
    }


def related(error: BaseException) -> list[dict]:
    """Causes of an error, and what a group holds, each after the one that it belongs to."""
    found: list[dict] = []
    queue: list[tuple[BaseException, int | None, int]] = [(error, None, 0)]
    seen = {id(error)}
    while queue:
        current, of, depth = queue.pop(0)
        for part, is_cause in parts_of(current) if depth < MAX_DEPTH else ():
            if id(part) not in seen and len(found) < MAX_RELATED:
                seen.add(id(part))
                queue.append((part, len(found), depth + 1))
                found.append(one_related(part, of, is_cause))
    return found


def parts_of(error: BaseException) -> list[tuple[BaseException, bool]]:
    """What is directly below an exception, and whether it is its cause."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = [(cause, True)] if cause is not None else []
    if isinstance(error, BaseExceptionGroup):
        parts += [(part, False) for part in error.exceptions]
    return parts


def one_related(error: BaseException, of: int | None, is_cause: bool) -> dict:
    step = innermost(error)
    line, column = (step.tb_lineno, column_of(step)) if step is not None else (None, None)
    return {
        "of": of,
        "isCause": is_cause,
        "name": clip(type(error).__name__),
        "message": clip(message(error)),
        "line": line,
        "column": column,
    }


def message(error: BaseException) -> str:
    """str() of an exception; of a syntax error without the place, which stands elsewhere."""
    try:
        if isinstance(error, SyntaxError):
            return str(error.msg) + ADVICE.get(error.msg, "")
        if isinstance(error, BaseExceptionGroup):
            parts = error.exceptions[:MAX_RELATED]
            return str(error) + "".join(f"\n- {type(part).__name__}: {message(part)}" for part in parts)
        return with_suggestion(error)
    except Exception as thrown:
        return f"[Thrown: {type(thrown).__name__}]"


def with_suggestion(error: BaseException) -> str:
    """str() of an exception, and the name that Python thinks was meant."""
    text = str(error)
    if isinstance(error, (NameError, AttributeError, ImportError)) and not has_bad_advice(error):
        full = str(traceback.TracebackException.from_exception(error, limit=0))
        return full if full.startswith(text) else text
    return text


def has_bad_advice(error: BaseException) -> bool:
    """Python advises to enable site-packages, which nobody can here."""
    return isinstance(error, ModuleNotFoundError)


def kind_of(error: BaseException) -> str:
    """`permission` if policy refused something, however libraries have wrapped it."""
    seen = 0
    while error is not None and seen < MAX_RELATED:
        if isinstance(error, PermissionError) or getattr(error, "refused", False) is True:
            return "permission"
        reason = getattr(error, "reason", None)
        error = reason if isinstance(reason, BaseException) else error.__cause__
        seen += 1
    return "runtime"


def place(error: BaseException) -> tuple[int | None, int | None]:
    """The innermost line of the program in a traceback, and its column; else that of what is below it."""
    for candidate in [error, *below(error)]:
        step = innermost(candidate)
        if step is not None:
            return step.tb_lineno, column_of(step)
    return None, None


def innermost(error: BaseException):
    """The last step of a traceback that is in the program."""
    found, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == FILE:
            found = step
        step = step.tb_next
    return found


def column_of(step) -> int | None:
    """The column of a step in characters, from 1. Python counts bytes of UTF-8."""
    positions = list(step.tb_frame.f_code.co_positions())
    index = step.tb_lasti // 2
    if not 0 <= index < len(positions) or positions[index][2] is None:
        return None
    line, _, offset, _ = positions[index]
    text = traceback.linecache.getline(FILE, line).encode("utf-8", "replace")
    return len(text[:offset].decode("utf-8", "replace")) + 1


def utf16_column(source: str, line: int | None, column: int | None) -> int | None:
    """A column in UTF-16 units, as editors and the other engine count."""
    if not line or not column:
        return None
    lines = source.split("\n", line)
    before = lines[line - 1][: column - 1] if line <= len(lines) else ""
    return len(before.encode("utf-16-le", "surrogatepass")) // 2 + 1


def below(error: BaseException) -> list[BaseException]:
    """Causes and parts of an exception, the nearest first."""
    found, seen = [error], {id(error)}
    for current in found:
        for part, _ in parts_of(current):
            if id(part) not in seen and len(found) <= MAX_RELATED:
                seen.add(id(part))
                found.append(part)
    return found[1:]


def text_of(error: BaseException) -> str:
    """The traceback as Python prints it, of the author's lines only."""
    try:
        with warnings.catch_warnings(action="ignore"):  # lines are parsed to find what was meant
            summary = traceback.TracebackException.from_exception(error, compact=True)
            if has_bad_advice(error):
                summary._str = str(error)
            trim(summary, 0)
            return clip_middle("".join(summary.format()).rstrip("\n"))
    except Exception:
        return clip(f"{type(error).__name__}: {message(error)}")


def trim(summary: traceback.TracebackException, depth: int) -> None:
    summary.stack = traceback.StackSummary.from_list([f for f in summary.stack if own(f.filename)])
    parts = (summary.__cause__, summary.__context__, *(summary.exceptions or ()))
    for part in parts if depth < MAX_RELATED else ():
        if part is not None:
            trim(part, depth + 1)


def clip(text: str) -> str:
    """A text within the limit, and well-formed."""
    text = well_formed(text)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}... ({len(text) - MAX_TEXT} more characters)"


def clip_middle(text: str) -> str:
    """A traceback within the limit: where it begins, and where it was raised."""
    text = well_formed(text)
    half = MAX_TEXT // 2
    left_out = len(text) - 2 * half
    return text if left_out <= 0 else f"{text[:half]}\n... ({left_out} more characters)\n{text[-half:]}"


def show(error: BaseException) -> None:
    """Prints a traceback of the author's lines on stderr, as of a thread or a forgotten task."""
    print(text_of(error), file=sys.stderr)
