"""The package conductor for python3 of a developer, without a host: `answers` are what it says."""

import pathlib
import sys
import types

BOOT = pathlib.Path(__file__).parents[2] / "src/engines/python/boot/conductor"

#: What was asked, and what is answered to it, in order.
asked: list = []
answers: list = []


class Failure(Exception):
    def __init__(self, kind, message, code=None, refused=False):
        super().__init__(message)
        self.kind, self.message, self.code, self.refused = kind, message, code, refused


def call(operation, body=b""):
    asked.append((operation, body))
    answer = answers.pop(0)
    if isinstance(answer, Exception):
        raise answer
    return answer if isinstance(answer, tuple) else (answer, b"")


def install() -> None:
    """Makes `conductor` importable."""
    package = sys.modules["conductor"] = types.ModuleType("conductor")
    package.__path__ = [str(BOOT)]
    for name, fields in {
        "door": {"FILE": "<program>", "Failure": Failure, "call": call, "line": lambda: None},
        "output": {"note": print},
        "loop": {},
    }.items():
        module = sys.modules[f"conductor.{name}"] = types.ModuleType(f"conductor.{name}")
        module.__dict__.update(fields)
        setattr(package, name, module)
