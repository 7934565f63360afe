"""What a Python program of MCP Conductor sees of running.

The engine calls `load` and `warm` in the zygote, `fresh` and `main` in each worker.
"""

from importlib import import_module

#: What reaches the world, in the order in which it is patched and entered.
WORLD = ("environ", "files", "net", "process", "imports", "tools", "session")

#: What a program sees of running.
OWN = ("output", "loop", "threads", "pools", "images", "pillow")


def load(further: tuple | list = ()) -> None:
    """Patches what works differently here, and imports what programs usually need, and `further`.

    The world comes first, and of it the module `ssl`: what libraries take from it when they are
    imported is patched then.
    """
    from . import tls, warmup, wheels

    wheels.hold()
    tls.install()
    for module in world():
        module.install()
    warmup.preload()
    for name in OWN:
        import_module(f"conductor.{name}").install()
    import_module("conductor.program")
    warmup.preload_further(further)


def world() -> list:
    """The modules that reach the world, in order."""
    return [import_module(f"conductor.{name}") for name in WORLD]


def warm() -> None:
    """Runs the usual programs once, so that what they touch is there before the first fork."""
    from . import freshness, memory, warmup, wheels

    warmup.run()
    wheels.release()
    freshness.arm()
    memory.settle()


def touch() -> None:
    """Does in a worker that stands by what every run does, so that the memory is its own before."""
    from . import warmup

    warmup.touch()


def fresh() -> None:
    """Makes new what must differ between two workers of one zygote."""
    from . import freshness

    freshness.renew()


def main() -> None:
    """Runs the program of this worker and sends its outcome."""
    from . import program

    program.main()
