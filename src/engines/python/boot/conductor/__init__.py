"""What a Python program of MCP Conductor sees of running.

The engine calls `load` and `warm` in the zygote, `fresh` and `main` in each worker.
"""

from importlib import import_module
from importlib.util import find_spec

#: What reaches the world, in the order in which it is patched and entered.
WORLD = ("environ", "files", "net", "process", "imports", "tools")

#: What a program sees of running.
OWN = ("output", "loop", "threads", "images")


def load() -> None:
    """Imports all that programs usually need, and patches what works differently here."""
    from . import warmup

    warmup.preload()
    for name in WORLD + OWN:
        if find_spec(f"conductor.{name}"):
            import_module(f"conductor.{name}").install()
    import_module("conductor.program")


def world() -> list:
    """The modules that reach the world, in order."""
    found = (f"conductor.{name}" for name in WORLD)
    return [import_module(name) for name in found if find_spec(name)]


def warm() -> None:
    """Runs the usual programs once, so that what they touch is there before the first fork."""
    from . import warmup

    warmup.run()


def fresh() -> None:
    """Makes new what must differ between two workers of one zygote."""
    from . import freshness

    freshness.renew()


def main() -> None:
    """Runs the program of this worker and sends its outcome."""
    from . import program

    program.main()
