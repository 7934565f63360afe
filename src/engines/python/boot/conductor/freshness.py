"""What must differ between two workers of one zygote.

`os.urandom` asks the host each time, and with it `secrets`, `uuid.uuid4` and numpy's `default_rng`.
What keeps a state of its own is given a new one here. Hash seeds are one for each zygote: dicts hold them.
"""

import gc
import os
import random
import sys
import time
import types

_renewed = False

#: What the import system and inspect ask each module for.
_OF_EACH_MODULE = frozenset({"__file__", "__loader__", "__name__", "__package__", "__path__", "__spec__"})


class _Unseeded(types.ModuleType):
    """A module whose generator is seeded when something of it is used for the first time."""

    def __getattribute__(self, name: str):
        if name not in _OF_EACH_MODULE:
            _seed_numpy()
        return types.ModuleType.__getattribute__(self, name)


_unseeded: list = []

_seed = None


def arm() -> None:
    """Lets each worker seed numpy's legacy generator when its program reaches it.

    pandas, scipy and scikit-learn reach it by the same two modules. Seeding takes 1 ms and writes
    0.8 MB, and most programs have no use for it. It is done once here, so that its code is there
    before the fork.
    """
    global _seed
    if "numpy.random" in sys.modules:
        numpy = sys.modules["numpy.random"]
        _seed = numpy.seed
        _seed()
        _unseeded[:] = numpy, numpy.mtrand
        for module in _unseeded:
            module.__class__ = _Unseeded


def _seed_numpy() -> None:
    _seed()  # if that fails, they stay as they are
    for module in _unseeded:
        module.__class__ = types.ModuleType


#: Generators that modules made when the administrator let the zygote import them. Any may have been
#: captured where no name says so, and each has a state that all workers would share.
_kept: list = []


def keep() -> None:
    """Finds them: what anything refers to that is one."""
    kinds: tuple = (random.Random,)
    if "numpy.random" in sys.modules:
        numpy = sys.modules["numpy.random"]
        kinds += numpy.RandomState, numpy.BitGenerator
    found: dict = {}
    for holder in gc.get_objects():
        for one in gc.get_referents(holder):
            if issubclass(type(one), kinds):
                found[id(one)] = one
    _kept[:] = found.values()


def _again(generator) -> None:
    if hasattr(generator, "seed"):
        generator.seed()
    else:  # of numpy's new kind
        generator.state = type(generator)().state


def renew() -> None:
    """Renews the state once, however often it is called."""
    global _renewed
    if not _renewed:
        _renewed = True
        for module, again in _STATES.items():
            if module in sys.modules:
                again(sys.modules[module])
        for generator in _kept:
            _again(generator)


def close() -> None:
    """Lets the next worker renew it."""
    global _renewed
    _renewed = False


def _random(module) -> None:
    module.seed()


def _tempfile(module) -> None:
    module._name_sequence = None


def _uuid(module) -> None:
    module._node = None
    for name in ("_last_timestamp", "_last_timestamp_v7", "_last_counter_v7"):
        if hasattr(module, name):
            setattr(module, name, 0 if name == "_last_counter_v7" else None)


def _logging(module) -> None:
    module._startTime = time.time_ns() if isinstance(module._startTime, int) else time.time()


def _multiprocessing(module) -> None:
    module.current_process().authkey = os.urandom(32)


_STATES = {
    "multiprocessing.process": _multiprocessing,
    "random": _random,
    "tempfile": _tempfile,
    "uuid": _uuid,
    "logging": _logging,
}
