"""stdout, stderr and stdin of a program.

What is written is handed over at once: a program that is stopped has said all that it wrote. print()
is one call to the host for a line, however many values it has.
"""

import builtins
import io
import sys
import time

#: What a program cannot be asked, and what to do instead.
NO_INPUT = "input() is not available: nobody answers. Pass data with `globals` or read a file of the workspace"

_print = builtins.print
_sleep = time.sleep

#: stdout, stderr, and the way of print() to stdout, which ends at each line.
_streams: list[io.TextIOWrapper] = []


class Immediate(io.TextIOWrapper):
    """A stream that keeps nothing back."""

    def write(self, text: str, /) -> int:
        written = super().write(text)
        self.flush()
        return written


def install() -> None:
    """Puts the streams, print() and an input() that says no in place."""
    _streams[:] = make_streams()
    sys.stdout = sys.__stdout__ = _streams[0]
    sys.stderr = sys.__stderr__ = _streams[1]
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BytesIO(), "utf-8")
    builtins.input, builtins.print = no_input, print
    time.sleep = sleep


def make_streams() -> list[io.TextIOWrapper]:
    out, err = raw(1, "<stdout>"), raw(2, "<stderr>")
    how = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
    lines = io.TextIOWrapper(out, line_buffering=True, **how)
    return [Immediate(out, **how), Immediate(err, **how), lines]


def raw(number: int, name: str) -> io.BufferedWriter:
    file = io.FileIO(number, "w", closefd=False)
    file.name = name
    return io.BufferedWriter(file)


def flush() -> None:
    """Hands over what was written past the streams, to their buffers."""
    for stream in _streams:
        try:
            stream.flush()
        except (OSError, ValueError):  # the program closed it
            pass


def note(text: str) -> None:
    """One line on stderr about the run itself."""
    try:
        _streams[1].write(f"note: {text}\n")
    except (OSError, ValueError):
        pass


def print(*values, sep=" ", end="\n", file=None, flush=False):
    """Prints the values to a stream, or to sys.stdout by default."""
    if file is not None or sys.stdout is not _streams[0]:
        return _print(*values, sep=sep, end=end, file=file, flush=flush)
    lines = _streams[2]
    try:
        _print(*values, sep=sep, end=end, file=lines, flush=flush or end != "\n")
    except BaseException:
        lines.flush()
        raise


def no_input(prompt: object = "", /) -> str:
    """Replaces input()."""
    if prompt:
        print(prompt, end="")
    raise EOFError(NO_INPUT)


def sleep(seconds: float, /) -> None:
    """time.sleep, after what was written."""
    flush()
    _sleep(seconds)


for _function, _module in ((print, "builtins"), (sleep, "time")):
    _function.__module__ = _module
