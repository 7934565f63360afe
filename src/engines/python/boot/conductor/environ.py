"""os.environ: what allow-env grants, asked for at the first look at it.

A variable that is not granted is not there, which is no error: a library that only wants to know
whether it runs in a test is not refused. What a program sets stays in its run.
"""

import os
from contextlib import contextmanager

from . import door

#: The class of os.environ before; ours is one of its kind.
_Plain = type(os.environ)

#: What was granted, and what there is, once somebody has looked.
_granted: dict[bytes, bytes] = {}
_known: dict[bytes, bytes] | None = None
#: Until a program is there, nobody may be asked.
_open = False


def _variables() -> dict[bytes, bytes]:
    global _known
    if not _open:
        return {}
    if _known is None:
        _granted.clear()
        try:
            answer, _ = door.call({"environment": "all"})
        except door.Failure:
            answer = {}  # nothing is granted
        for name, value in answer.get("Variables", ()):
            _granted[os.fsencode(name)] = os.fsencode(value)
        _known = dict(_granted)
    return _known


class Environ(_Plain):
    """os.environ and os.environb, over one table."""

    @property
    def _data(self) -> dict[bytes, bytes]:
        return _variables()

    @_data.setter
    def _data(self, data: dict[bytes, bytes]) -> None:
        raise AttributeError("os.environ keeps its table: set variables one by one")


Environ.__name__ = Environ.__qualname__ = _Plain.__name__
Environ.__module__ = "os"


def changes() -> tuple[bool, list[list[str]]]:
    """What a command that inherits the environment has to be given: whether it starts from
    nothing, and the variables that the program set, or all of them if it deleted some."""
    if _known is None:
        return False, []
    clear = any(name not in _known for name in _granted)
    changed = {n: v for n, v in _known.items() if clear or _granted.get(n) != v}
    return clear, [[os.fsdecode(n), os.fsdecode(v)] for n, v in changed.items()]


def install() -> None:
    os.environ.__class__ = Environ
    if hasattr(os, "environb"):
        os.environb.__class__ = Environ


@contextmanager
def scratch():
    """Lets modules set variables that are imported before there is a program. They are forgotten."""
    global _open, _known
    _open, _known = True, {}
    try:
        yield
    finally:
        _open, _known = False, None


def enter(program: dict) -> None:
    global _open, _known
    _open, _known = True, None


def close() -> None:
    global _open
    _open = False
