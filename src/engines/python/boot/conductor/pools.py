"""multiprocessing.pool.ThreadPool, whose calls are run in place or begun, as those of ThreadPoolExecutor."""

import itertools
import multiprocessing.dummy
import multiprocessing.pool

from .threads import submit


class AsyncResult:
    """What the *_async methods give."""

    def __init__(self, futures: list, collect, callback=None, error_callback=None):
        self._futures, self._collect = futures, collect
        if self.successful():
            if callback:
                callback(self.get())
        elif error_callback:
            error_callback(next(f.exception() for f in futures if f.exception()))

    def get(self, timeout: float | None = None):
        return self._collect([future.result(timeout) for future in self._futures])

    def wait(self, timeout: float | None = None) -> None:
        for future in self._futures:
            future.exception(timeout)

    def ready(self) -> bool:
        return all(future.done() for future in self._futures)

    def successful(self) -> bool:
        return not any(future.exception() for future in self._futures)


class ThreadPool:
    """A pool that has no threads of its own."""

    def __init__(self, processes=None, initializer=None, initargs=(), *args, **kwargs):
        if initializer is not None:
            initializer(*initargs)

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        self.terminate()

    def apply(self, func, args=(), kwds={}):
        return submit(func, tuple(args), kwds).result()

    def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None) -> AsyncResult:
        return AsyncResult([submit(func, tuple(args), kwds)], lambda values: values[0], callback, error_callback)

    def map(self, func, iterable, chunksize=None) -> list:
        return self.map_async(func, iterable).get()

    def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None) -> AsyncResult:
        return self.starmap_async(func, ((value,) for value in iterable), None, callback, error_callback)

    def starmap(self, func, iterable, chunksize=None) -> list:
        return self.starmap_async(func, iterable).get()

    def starmap_async(self, func, iterable, chunksize=None, callback=None, error_callback=None) -> AsyncResult:
        return AsyncResult([submit(func, tuple(args), {}) for args in iterable], list, callback, error_callback)

    def imap(self, func, iterable, chunksize=1):
        futures = [submit(func, (value,), {}) for value in iterable]
        return itertools.chain.from_iterable(map(lambda future: [future.result()], futures))

    imap_unordered = imap

    def close(self) -> None:
        pass

    terminate = join = close


def install() -> None:
    """Replaces the pools of threads, and those of processes, which there are none of either."""
    multiprocessing.pool.ThreadPool = multiprocessing.pool.Pool = ThreadPool
    multiprocessing.dummy.Pool = multiprocessing.Pool = ThreadPool
