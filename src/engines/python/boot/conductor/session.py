"""What the runs of a conversation have in common: JSON values by keys. The server decides and keeps;
without a conversation it says how to begin one.
"""

import json
import sys

from . import door, tools


def _failed(failure: door.Failure) -> Exception:
    kinds = {"TypeError": TypeError, "RangeError": ValueError}
    return kinds.get(failure.kind, RuntimeError)(failure.message)


def _perform(frame, operation, convert):
    return tools.perform(frame, {"session": operation}, convert, _failed)


class Session:
    """Values of a conversation, each with and without await: session.set("rows", [1, 2])."""

    __slots__ = ()

    def get(self, key: str, default=None):
        """The value of a key, or `default`."""

        def convert(answer, _data):
            text = answer["MaybeText"]
            return default if text is None else json.loads(text)

        return _perform(sys._getframe(1), {"get": {"key": str(key)}}, convert)

    def set(self, key: str, value) -> None:
        """Sets a key to a value that JSON has."""
        text = json.dumps(value, default=tools.plain, allow_nan=False)
        operation = {"set": {"key": str(key), "value": text}}
        return _perform(sys._getframe(1), operation, lambda answer, data: None)

    def delete(self, key: str):
        """Deletes a key, and says whether it was there."""
        operation = {"delete": {"key": str(key)}}
        return _perform(sys._getframe(1), operation, lambda answer, data: answer["Count"] > 0)

    def keys(self):
        """All keys, in their order."""
        return _perform(sys._getframe(1), "keys", lambda answer, data: json.loads(answer["Text"]))

    def __repr__(self) -> str:
        return "<session: get, set, delete, keys>"


#: Variables of a program.
NAMES = {"session": Session()}


def install() -> None:
    """Nothing of Python's own works differently here."""


def enter(program: dict) -> None:
    """Nothing of a program makes a difference: which conversation it is, the server knows."""
