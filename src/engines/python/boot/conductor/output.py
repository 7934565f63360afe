"""stdout, stderr and stdin of a program.

Both streams hand over each line as soon as it is complete: a program that is stopped has said all of it.
"""

import builtins
import io
import sys
import time

#: What a program cannot be asked, and what to do instead.
NO_INPUT = "input() is not available: nobody answers. Pass data with `globals` or read a file of the workspace"

_sleep = time.sleep
_streams: list[io.TextIOWrapper] = []


def _stream(number: int, name: str) -> io.TextIOWrapper:
    raw = io.FileIO(number, "w", closefd=False)
    raw.name = name
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", newline="\n", line_buffering=True)


def install() -> None:
    """Puts the streams, and an input() that says no, in place."""
    out, err = _stream(1, "<stdout>"), _stream(2, "<stderr>")
    _streams[:] = [out, err]
    sys.stdout = sys.__stdout__ = out
    sys.stderr = sys.__stderr__ = err
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BytesIO(), "utf-8")
    builtins.input = no_input
    time.sleep = sleep


def flush() -> None:
    """Hands over what is there of unfinished lines."""
    for stream in _streams:
        try:
            stream.flush()
        except (OSError, ValueError):  # the program closed it
            pass


def note(text: str) -> None:
    """One line on stderr about the run itself."""
    flush()
    try:
        _streams[1].write(f"note: {text}\n")
    except (OSError, ValueError):
        pass


def no_input(prompt: object = "", /) -> str:
    """Replaces input()."""
    if prompt:
        print(prompt, end="")
    raise EOFError(NO_INPUT)


def sleep(seconds: float, /) -> None:
    """time.sleep, after what was printed."""
    flush()
    _sleep(seconds)


sleep.__module__ = "time"
