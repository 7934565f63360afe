"""asyncio on one blocking call to the host, which is the only source of events.

There is one loop for each program. The program runs as a task of it; whatever runs a loop within it
(`asyncio.run`, `run_until_complete`, a synchronous wait) goes on with the same loop.
"""

import asyncio
import concurrent.futures.thread
import heapq
import inspect
import sys
import time
import types

from . import door, errors, output, putoff

#: Seconds between two looks at the host while there is other work to do.
LOOK_EVERY = 0.002

#: How long a cancelled timer may stay in the queue: as asyncio's own loop, which removes them by half.
MAX_CANCELLED = 100

#: Of a wait that no thread can end.
NO_OTHER_THREAD = (
    "This wait would never end: threads run one after the other here, each to its end or until it waits, and none "
    "is left that could end it. Put into a queue what is taken from it, or set an event, before the thread that "
    "waits is joined; or use asyncio tasks with asyncio.Queue and asyncio.Event, which do run beside each other"
)

_swap = asyncio.tasks._swap_current_task


class NeverSettles(RuntimeError):
    """Nothing is left that could settle what the program awaits."""


class Loop(asyncio.BaseEventLoop):
    """The event loop of a program."""

    def __init__(self):
        super().__init__()
        self.operations: dict[int, object] = {}
        self._looked = 0.0
        #: The moment after which nothing is waited for.
        self.end: float | None = None
        #: Runs something that was put off before each wait; False if there is nothing.
        self.before_idle = lambda: False
        #: Called before each wait.
        self.before_wait = None

    # What the host does

    def start_operation(self, operation, body: bytes, done) -> int:
        """Starts an operation; `done(answer, failure, bytes)` is called when it ends."""
        number = door.start(operation, body)
        self.operations[number] = done
        return number

    def cancel_operation(self, number: int) -> None:
        if self.operations.pop(number, None) is not None:
            door.cancel(number)

    def look(self, seconds: float | None) -> None:
        """Waits for one operation, then takes all that are done."""
        event = door.wait(seconds)
        while event is not None:
            number, answer, failure, data = event
            done = self.operations.pop(number, None)
            if done is not None:
                done(answer, failure, data)
            event = door.wait(0) if self.operations else None
        self._looked = time.monotonic()

    # Running

    def _run_once(self) -> None:
        self._drop_cancelled()
        timeout = self._timeout()
        if timeout != 0:
            if self.before_idle():
                return
            if self.before_wait is not None:
                self.before_wait()
            output.flush()
            if self.operations:
                self.look(timeout)
            elif timeout is None:
                raise NeverSettles("nothing is left that could settle what the program awaits")
            else:
                output._sleep(timeout)
        elif self.operations and time.monotonic() - self._looked > LOOK_EVERY:
            self.look(0)
        self._ready_timers()
        for _ in range(len(self._ready)):
            if not self._ready:  # a loop within this one has run it
                break
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()
        handle = None

    def _timeout(self) -> float | None:
        if self._ready or self._stopping:
            return 0
        if not self._scheduled and not self.operations:
            return None
        moments = [handle._when for handle in self._scheduled[:1]]
        if self.end is not None:
            moments.append(self.end)
        return max(0, min(moments) - self.time()) if moments else None

    def _drop_cancelled(self) -> None:
        if self._timer_cancelled_count > MAX_CANCELLED and self._timer_cancelled_count * 2 > len(self._scheduled):
            kept = [h for h in self._scheduled if not h._cancelled]
            for handle in self._scheduled:
                handle._scheduled = not handle._cancelled
            heapq.heapify(kept)
            self._scheduled, self._timer_cancelled_count = kept, 0
        while self._scheduled and self._scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False

    def _ready_timers(self) -> None:
        end = self.time() + self._clock_resolution
        while self._scheduled and self._scheduled[0]._when < end:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            self._ready.append(handle)

    def run_until(self, is_over) -> None:
        """Goes on with the loop until `is_over()`, be it within a task of it."""
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        task = _swap(self, None)
        try:
            while not is_over():
                self._run_once()
        finally:
            _swap(self, task)
            asyncio._set_running_loop(running)

    def run_until_complete(self, future):
        future = asyncio.ensure_future(future, loop=self)
        try:
            self.run_until(future.done)
        except NeverSettles:
            future.cancel()
            raise
        return future.result()

    def run_forever(self) -> None:
        self._stopping = False
        try:
            self.run_until(lambda: self._stopping)
        finally:
            self._stopping = False

    def run_in_executor(self, executor, function, *args):
        from . import threads

        if executor is None:
            return asyncio.wrap_future(threads.submit(function, args, {}), loop=self)
        return asyncio.wrap_future(executor.submit(function, *args), loop=self)

    def call_soon_threadsafe(self, callback, *args, context=None):
        return self.call_soon(callback, *args, context=context)

    # What a loop of its own has, and this one does not need

    def _process_events(self, event_list) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    async def shutdown_default_executor(self, timeout=None) -> None:
        pass

    def close(self) -> None:
        """The program's loop lives as long as the program."""

    def is_closed(self) -> bool:
        return False

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def default_exception_handler(self, context) -> None:
        error = context.get("exception")
        print(context.get("message", "Unhandled exception in the event loop"), file=sys.stderr)
        if error is not None:
            errors.show(error)


LOOP = Loop()


def start(operation, body: bytes = b"") -> asyncio.Future:
    """Starts an operation; the result is (answer, bytes), the exception a `door.Failure`."""
    future = LOOP.create_future()

    def done(answer, failure, data):
        if future.done():
            return
        if failure is None:
            future.set_result((answer, data))
        else:
            future.set_exception(failure)

    number = LOOP.start_operation(operation, body, done)
    future.add_done_callback(lambda f: LOOP.cancel_operation(number) if f.cancelled() else None)
    return future


def pending(operation, body: bytes = b"", then=None, failed=None) -> concurrent.futures.Future:
    """Starts an operation; the result is that of `then(answer, bytes)`, or the pair.

    The exception is that of `failed(failure)`, or the failure.
    """
    future = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def done(answer, failure, data):
        try:
            if failure is not None:
                raise failed(failure) if failed else failure
            future.set_result(then(answer, data) if then else (answer, data))
        except BaseException as error:
            future.set_exception(error)

    LOOP.start_operation(operation, body, done)
    return future


def wait_until(is_over, end: float | None, is_possible=None) -> bool:
    """Goes on with the loop until `is_over()` or the moment `end`; False at the end.

    `is_possible` says the same as `is_over` without doing anything.
    """
    last = putoff.latest()
    must_end = last is not None and (end is None or last < end)
    end = last if must_end else end
    alarm = None if end is None else LOOP.call_at(end, lambda: None)
    over = False

    def looked() -> bool:
        nonlocal over
        over = over or is_over()
        return over or end is not None and time.monotonic() >= end

    putoff.waits.append(is_possible or is_over)
    try:
        LOOP.run_until(looked)
    except NeverSettles:
        if putoff.can_go_on():
            raise putoff.Ended from None
        raise RuntimeError(NO_OTHER_THREAD) from None
    finally:
        putoff.waits.pop()
        if alarm is not None:
            alarm.cancel()
    if must_end and not over:
        raise putoff.Ended
    return over


def run(main, *, debug=None, loop_factory=None):
    """asyncio.run, also within the running loop. The worker looks at `main` as at that of a program."""
    if not inspect.isawaitable(main):
        raise ValueError(f"a coroutine was expected, got {main!r}")
    before = set(asyncio.all_tasks(LOOP))
    try:
        return LOOP.run_until_complete(main)
    finally:
        left = [task for task in asyncio.all_tasks(LOOP) - before if not task.done()]
        for task in left:
            task.cancel()
        if left:
            LOOP.run_until(lambda: all(task.done() for task in left))


class Runner:
    """asyncio.Runner on the program's loop."""

    def __init__(self, *, debug=None, loop_factory=None):
        self._context = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self) -> None:
        pass

    def get_loop(self):
        return LOOP

    def run(self, coro, *, context=None):
        return run(coro)


def install() -> None:
    """There is one loop, whoever asks for one."""
    asyncio.run = asyncio.runners.run = run
    asyncio.Runner = asyncio.runners.Runner = Runner
    for module in (asyncio, asyncio.events):
        module.new_event_loop = lambda: LOOP
        module.get_event_loop = lambda: LOOP
        module.set_event_loop = lambda loop: None
    nested = types.ModuleType("nest_asyncio", "Loops within loops work here without it.")
    nested.apply = lambda loop=None: None
    sys.modules["nest_asyncio"] = nested
