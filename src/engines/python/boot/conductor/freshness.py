"""What must differ between two workers of one zygote.

`os.urandom` asks the host each time, and with it `secrets`, `uuid.uuid4` and numpy's `default_rng`.
What keeps a state of its own is given a new one here. Hash seeds are one for each zygote: dicts hold them.
"""

import sys
import time

_renewed = False


def renew() -> None:
    """Renews the state once, however often it is called."""
    global _renewed
    if not _renewed:
        _renewed = True
        for module, again in _STATES.items():
            if module in sys.modules:
                again(sys.modules[module])


def _random(module) -> None:
    module.seed()


def _numpy(module) -> None:
    """The legacy generator, which pandas, scipy and scikit-learn use too."""
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


_STATES = {
    "random": _random,
    "numpy.random": _numpy,
    "tempfile": _tempfile,
    "uuid": _uuid,
    "logging": _logging,
}
