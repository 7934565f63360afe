"""Threads of an interpreter that has none: each runs to its end where it is started, or where something waits.

Pools give futures that are done, or operations that go on beside each other. What would wait for
another thread goes on with the event loop instead, and says so if nothing can end the wait.
"""

import _thread
import concurrent.futures.thread
import sys
import threading
import time
from importlib import import_module

from . import errors, putoff
from .loop import LOOP, wait_until


def start(thread: threading.Thread) -> None:
    """Replaces Thread.start."""
    if thread._started.is_set():
        raise RuntimeError("threads can only be started once")
    thread._started.set()
    thread._conductor_over = False
    putoff.start(thread)


def join(thread: threading.Thread, timeout: float | None = None) -> None:
    """Replaces Thread.join: a thread is over, or runs now."""
    if not thread._started.is_set():
        raise RuntimeError("cannot join thread before it is started")
    if putoff.is_pending(thread):
        putoff.run(thread)
    elif not thread._conductor_over and thread is not threading.current_thread():
        wait_until(lambda: thread._conductor_over, None if timeout is None else time.monotonic() + timeout)


def is_alive(thread: threading.Thread) -> bool:
    """Replaces Thread.is_alive: a thread that was put off runs first, as who asks waits for it."""
    if putoff.is_pending(thread):
        putoff.run(thread)
    return thread._started.is_set() and not getattr(thread, "_conductor_over", True)


def excepthook(args) -> None:
    """Replaces threading.excepthook: the author's lines only."""
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread is not None else "?"
        print(f"Exception in thread {name}:", file=sys.stderr)
        errors.show(args.exc_value)


def submit(function, args: tuple, kwargs: dict) -> concurrent.futures.Future:
    """Runs a call, or begins it if its last act is an operation."""
    future = concurrent.futures.Future()
    try:
        value = in_pool(function, args, kwargs)
        if isinstance(value, concurrent.futures.Future):
            return value
        future.set_result(value)
    except Exception as error:
        future.set_exception(error)
    return future


def in_pool(function, args: tuple, kwargs: dict):
    """The call by the module of tools, which knows what may go on beside the program."""
    from . import tools

    return tools.in_pool(function, args, kwargs)


def submit_to(pool, function, /, *args, **kwargs) -> concurrent.futures.Future:
    """Replaces ThreadPoolExecutor.submit."""
    if pool._shutdown:
        raise RuntimeError("cannot schedule new futures after shutdown")
    return submit(function, args, kwargs)


def shutdown(pool, wait: bool = True, *, cancel_futures: bool = False) -> None:
    """Replaces ThreadPoolExecutor.shutdown."""
    pool._shutdown = True


def wait_of_condition(condition: threading.Condition, timeout: float | None = None) -> bool:
    """Replaces Condition.wait, on which Event, Queue, Semaphore and Barrier are built."""
    told = threading._allocate_lock()
    told.acquire()
    condition._waiters.append(told)
    saved = condition._release_save()
    try:
        end = None if timeout is None else time.monotonic() + max(timeout, 0)
        return wait_until(lambda: not told.locked(), end)
    finally:
        condition._acquire_restore(saved)
        try:
            condition._waiters.remove(told)
        except ValueError:
            pass


class Lock:
    """Replaces threading.Lock: the interpreter's own ends the process where it would wait."""

    __slots__ = ("_lock", "__weakref__")

    def __init__(self):
        self._lock = threading._allocate_lock()

    def _acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._lock.acquire(False):
            return True
        if not blocking:
            return False
        end = None if timeout < 0 else time.monotonic() + timeout
        return wait_until(lambda: self._lock.acquire(False), end, lambda: not self._lock.locked())

    def _release(self) -> None:
        self._lock.release()

    acquire, release = putoff.counted(_acquire, _release)

    def locked(self) -> bool:
        return self._lock.locked()

    def _at_fork_reinit(self) -> None:
        self._lock = threading._allocate_lock()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc) -> None:
        self.release()


class RLock(_thread.RLock):
    """Replaces threading.RLock, to count what is held. All threads are one to the interpreter."""

    acquire, release = putoff.counted(_thread.RLock.acquire, _thread.RLock.release)
    __enter__ = acquire

    def __exit__(self, *exc) -> None:
        self.release()

    def _release_save(self):
        putoff.held -= 1
        return super()._release_save()

    def _acquire_restore(self, saved) -> None:
        super()._acquire_restore(saved)
        putoff.held += 1


def install() -> None:
    """Patches threads and pools."""
    putoff.install()
    LOOP.before_idle = putoff.run_next
    threading.Lock, threading.RLock = Lock, RLock
    for semaphore in (threading.Semaphore, threading.BoundedSemaphore):
        semaphore.acquire, semaphore.release = putoff.counted(semaphore.acquire, semaphore.release)
        semaphore.__enter__ = semaphore.acquire
    threading.Thread.start, threading.Thread.join, threading.Thread.is_alive = start, join, is_alive
    threading.excepthook = threading.__excepthook__ = excepthook
    threading.Condition.wait = wait_of_condition
    pool = concurrent.futures.thread.ThreadPoolExecutor
    pool.submit, pool.shutdown = submit_to, shutdown
    processes = import_module("types").ModuleType("concurrent.futures.process")
    processes.ProcessPoolExecutor = type("ProcessPoolExecutor", (pool,), {"__doc__": "Runs calls in place."})
    processes.BrokenProcessPool = type("BrokenProcessPool", (concurrent.futures.BrokenExecutor,), {})
    sys.modules[processes.__name__] = concurrent.futures.process = processes
