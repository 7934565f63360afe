"""Threads that are put off: of a program whose threads wait for each other.

There is one stack. A thread that is put off runs when something waits, on top of what waits. If it waits
for something that only what is below can do, it cannot go on: it is ended if what is below can go on.
"""

import linecache
import queue
import re
import sys
import threading
import time

from . import output
from .door import FILE

#: What threads wait with. Threads of other programs run where they are started.
WAITS = re.compile(
    r"(?<!asyncio\.)\b((Simple|Lifo|Priority|Joinable)?Queue|Event|Condition|Barrier|(Bounded)?Semaphore)\("
)

#: How long a daemon may hold up a sleep below it, in seconds, until it is ended where it waits itself.
OVERRUN = 2

#: Threads that run on top of each other at most: each takes some 10 frames of Python's 1,000.
DEEPEST = 50

_put, _sleep = queue.Queue.put, time.sleep

#: Started, and not run yet.
_pending: list[threading.Thread] = []

#: Whether what waits below could go on, the innermost last; and when sleeps end.
waits: list = []
_sleeps: list[float] = []

#: Locks and semaphores that are held: who sleeps with one lets nobody run on top, who could not wait for it.
held = 0

#: Threads that run on top of each other now.
_depth = 0

_decided: tuple = (None, False)


class Ended(BaseException):
    """Ends a thread that cannot go on."""


def is_wanted() -> bool:
    """Whether threads of this program are put off."""
    global _decided
    lines = linecache.cache.get(FILE, (0, None, ()))[2]
    if _decided[0] is not lines:
        _decided = lines, any(WAITS.search(line) for line in lines)
    return _decided[1]


def run(thread: threading.Thread) -> None:
    """Runs a thread to its end."""
    global _depth
    ident = threading.get_ident()
    starter = threading.current_thread()
    _depth += 1
    try:
        if thread in _pending:
            _pending.remove(thread)
        thread._ident = ident
        threading._active[ident] = thread
        thread.run()
    except SystemExit:
        pass
    except Ended:
        if not thread.daemon:
            output.note(f"{thread.name} was ended while it waited: threads run one after the other")
    except Exception:
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), thread)))
    finally:
        thread._conductor_over = True
        threading._active[ident] = starter
        _depth -= 1


def start(thread: threading.Thread) -> None:
    """Runs a thread, or puts it off."""
    if is_wanted():
        _pending.append(thread)
    else:
        run(thread)


def is_pending(thread: threading.Thread) -> bool:
    return thread in _pending


def run_next() -> bool:
    """Runs the next that was put off; False if there is none, or no room on top of those that run."""
    if not _pending or _depth >= DEEPEST:
        return False
    run(_pending[0])
    return True


def finish() -> None:
    """Runs what the program has not waited for. Daemons end with it."""
    while left := [thread for thread in _pending if not thread.daemon]:
        run(left[0])


def latest() -> float | None:
    """The moment until which a daemon may wait: then it has held up a sleep below it for too long."""
    return min(_sleeps) + OVERRUN if _sleeps and threading.current_thread().daemon else None


def can_go_on() -> bool:
    """Whether something that waits below the innermost wait could go on, which is in a thread that can be ended."""
    return _depth > 0 and any(is_possible() for is_possible in waits[:-1])


def sleep(seconds: float, /) -> None:
    """time.sleep, in which other threads run."""
    if held or not (_pending or _sleeps):
        return _sleep(seconds)
    last, end = latest(), time.monotonic() + seconds
    if last is not None and last < end:
        _sleep(max(0, last - time.monotonic()))
        raise Ended
    _sleeps.append(end)
    waits.append(lambda: time.monotonic() >= end)
    try:
        while time.monotonic() < end and run_next():
            pass
    finally:
        _sleeps.pop()
        waits.pop()
    return _sleep(max(0, end - time.monotonic()))


def counted(acquire, release) -> tuple:
    """Ways to acquire and to release that count what is held."""

    def acquire_counted(self, *args, **kwargs):
        global held
        acquired = acquire(self, *args, **kwargs)
        held += bool(acquired)
        return acquired

    def release_counted(self, *args):
        global held
        released = release(self, *args)
        held = max(0, held - (args[0] if args else 1))
        return released

    return acquire_counted, release_counted


def put(self, item, block=True, timeout=None):
    """Queue.put, which does not wait for a thread that could not run beside it."""
    if not (block and timeout is None and self.maxsize > 0) or threading.current_thread().daemon or not is_wanted():
        return _put(self, item, block, timeout)
    size, self.maxsize = self.maxsize, 0
    try:
        return _put(self, item)
    finally:
        self.maxsize = size


def install() -> None:
    """Patches what waits."""
    global _sleep
    _sleep, time.sleep = time.sleep, sleep
    sleep.__module__ = "time"
    queue.Queue.put = put
