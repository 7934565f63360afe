"""What a program has begun and not awaited when its value is reached: it goes on for a while, and is told of."""

import asyncio
import time
from itertools import islice

from . import door
from .door import FILE
from .loop import LOOP, NeverSettles

#: Tasks that are described; the others are counted. A list of more kinds tells a reader nothing new.
MAX_DESCRIBED = 200

#: What is left of the grace for saying what is unfinished: the server ends the run after all of it.
OWN_PART = 0.05


def tasks() -> set:
    """Those that nobody awaited, and that are not done."""
    return {task for task in asyncio.all_tasks(LOOP) if not task.done()}


def finish(grace: float) -> None:
    """Goes on for so many seconds with what was left behind, and says what of it is not done."""
    LOOP.end = time.monotonic() + grace * (1 - OWN_PART)
    left = Left()
    LOOP.before_wait = left.tell
    try:
        LOOP.run_until(lambda: not (left.find() or LOOP.operations) or time.monotonic() >= LOOP.end)
    except NeverSettles:
        pass
    finally:
        LOOP.end = LOOP.before_wait = None
        left.tell()


class Left:
    """The tasks that are not done yet."""

    def __init__(self):
        self.tasks, self._told = set(), None
        self.tell()

    def find(self) -> set:
        """The tasks; when all that are known are done, those that they have begun."""
        if not self.tasks:
            self._add(tasks())
        return self.tasks

    def _add(self, found: set) -> None:
        for task in found - self.tasks:
            task.add_done_callback(self.tasks.discard)
        self.tasks |= found

    def tell(self) -> None:
        """Tells the worker of them, which may be stopped at any time, if that has changed since the last time."""
        self._add(tasks())
        counts: dict = {}
        for task in islice(self.tasks, MAX_DESCRIBED):
            key = described(task)
            counts[key] = counts.get(key, 0) + 1
        if len(self.tasks) > MAX_DESCRIBED:
            counts["more tasks", None] = len(self.tasks) - MAX_DESCRIBED
        if counts != self._told:
            self._told = counts
            door.send("left", work=[{"what": w, "line": line, "count": n} for (w, line), n in counts.items()])


def described(task) -> tuple[str, int | None]:
    """A task in words, and the line of the program where it waits."""
    try:
        name = getattr(task.get_coro(), "__qualname__", task.get_name())
        lines = [frame.f_lineno for frame in frames(task)]
        return f"task {name}", lines[-1] if lines else None
    except Exception:  # a program can make anything a task
        return "task", None


def frames(task) -> list:
    """The program's frames in which a task waits, the innermost last."""
    found = []
    inner = task.get_coro()
    while inner is not None:
        frame = getattr(inner, "cr_frame", None)
        if frame is not None and frame.f_code.co_filename == FILE:
            found.append(frame)
        inner = getattr(inner, "cr_await", None)
    return found
