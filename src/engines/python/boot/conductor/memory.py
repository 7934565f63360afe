"""What a worker writes of the memory that it shares with its zygote: as little as can be.

Each page that a worker writes is copied for it. Two things would make it write all over the heap:
reference counts of what is there for good, and the holes that the zygote's start has left, which
the allocators fill first. So all that is there is made immortal (PEP 683), and the holes are filled.
"""

import gc
import types
from array import array
from itertools import filterfalse

from . import door

try:
    import numpy
except ImportError:  # what is large is then allocated where it may be
    numpy = None

#: Bytes of a new part of the heap that is larger than any hole.
NEW = 16 << 20

#: Up to which size objects fill the holes one size after the other, and the step between sizes: those of
#: obmalloc.c. An interpreter without it has one heap, of which the smallest objects fill all.
SMALL = 512
STEP = 8

#: Bytes of a bytes object besides its own: its head and the zero behind it.
BYTES_HEAD = bytes.__basicsize__

#: So many in a row that are new say that the holes of a size are filled.
FILLED = 3

#: Objects whose referents are looked at together.
TOGETHER = 4096

#: What fills the holes.
_filling: list = []


def settle() -> None:
    """Prepares the memory for the forks: what the zygote allocates after that is little."""
    gc.unfreeze()
    gc.collect()
    fill_holes()
    make_immortal()
    gc.freeze()


def fill_holes() -> None:
    """Allocates what is free between objects, so that workers allocate where nothing is."""
    if numpy is None:
        return
    new = _address(_room(NEW))
    size = NEW
    while size > SMALL:
        room = _room(size)
        if _address(room) < new:
            _filling.append(room)
        else:
            size -= max(size // 8, STEP)
    for size in range(STEP, SMALL + 1, STEP):
        _fill_small(size, new)


def _fill_small(size: int, new: int) -> None:
    filled = 0
    while filled < FILLED:
        thing = _small(size)
        _filling.append(thing)
        filled = filled + 1 if id(thing) >= new else 0


def _small(size: int) -> object:
    return b"\0".ljust(size - BYTES_HEAD, b"\0") if size > BYTES_HEAD else object()


def _room(size: int):
    """Memory that nobody has written to."""
    return numpy.empty(size, numpy.uint8)


def _address(room) -> int:
    return room.__array_interface__["data"][0]


def make_immortal() -> None:
    """Tells the host where all objects are, while they are there: it sets their counts, which are
    not written any more.
    """
    objects = gc.get_objects()
    for start in range(0, len(objects), TOGETHER):
        some = objects[start : start + TOGETHER]
        found = array("I", map(id, some))
        while some:
            some = gc.get_referents(*some)
            found.extend(map(id, some))
            # The collector's list has the others.
            some = [thing for thing in filterfalse(gc.is_tracked, some) if type(thing) in _HOLDERS]
            some.extend(part for code in some if type(code) is types.CodeType for part in _parts(code))
            found.extend(map(id, some))
        _tell(found)


#: Types of objects that the collector may not know and that refer to others.
_HOLDERS = frozenset({tuple, dict, frozenset, types.CodeType})


def _parts(code: types.CodeType) -> tuple:
    """What the collector does not know of code."""
    return (
        code.co_consts, code.co_names, code.co_filename, code.co_name, code.co_qualname,
        code.co_linetable, code.co_exceptiontable,
    )


def _tell(addresses: array) -> None:
    """The first address is None's, whose count is one of an immortal object."""
    door.send("immortal", array("I", [id(None)]).tobytes() + addresses.tobytes())
