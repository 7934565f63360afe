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


class Errors(io.TextIOWrapper):
    """stderr: written at once, and after what stdout has of an unfinished line."""

    def write(self, text: str, /) -> int:
        _flush(_streams[0])
        written = super().write(text)
        self.flush()
        return written


def _stream(number: int, name: str, kind: type, **how) -> io.TextIOWrapper:
    raw = io.FileIO(number, "w", closefd=False)
    raw.name = name
    return kind(io.BufferedWriter(raw), "utf-8", "backslashreplace", newline="\n", **how)


def _flush(stream: io.TextIOWrapper) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):  # the program closed it
        pass


def install() -> None:
    """Puts the streams, and an input() that says no, in place."""
    out = _stream(1, "<stdout>", io.TextIOWrapper, line_buffering=True)
    err = _stream(2, "<stderr>", Errors)
    _streams[:] = [out, err]
    sys.stdout = sys.__stdout__ = out
    sys.stderr = sys.__stderr__ = err
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BytesIO(), "utf-8")
    builtins.input = no_input
    time.sleep = sleep


def flush() -> None:
    """Hands over what is there of unfinished lines."""
    for stream in _streams:
        _flush(stream)


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
