"""The one call to the host: a frame out, a frame in.

A frame is the length of its header as u32 (little endian), the header as JSON, and a body of raw bytes.
"""

import json
import struct
import sys

try:
    import _host
except ImportError:  # python3 of a developer, without the engine
    _host = None

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
_length = struct.Struct("<I")

#: The file name of the program's code; a position of the program is one in this file.
FILE = "<program>"


class Failure(Exception):
    """An operation that failed or was refused, in the broker's words."""

    def __init__(self, kind: str, message: str, code: str | None = None, refused: bool = False):
        super().__init__(message)
        self.kind, self.message, self.code, self.refused = kind, message, code, refused

    @classmethod
    def of(cls, error: dict) -> "Failure":
        return cls(error.get("class", "Error"), error.get("message", ""), error.get("code"), bool(error.get("refused")))


def exchange(header: dict, body: bytes = b"") -> tuple[dict, bytes]:
    """Sends one frame and returns the header and the body of the answer."""
    text = _encode(header).encode()
    answer = _host.call(b"".join((_length.pack(len(text)), text, body)))
    end = 4 + _length.unpack_from(answer)[0]
    return _decode(answer[4:end].decode()), answer[end:]


def request(header: dict, body: bytes = b"") -> tuple[object, bytes]:
    """As `exchange`, with the answer's `ok`. Raises `Failure`."""
    answer, data = exchange(header, body)
    if "error" in answer:
        raise Failure.of(answer["error"])
    return answer.get("ok"), data


def send(do: str, body: bytes = b"", **fields) -> object:
    """A request that has no operation."""
    return request({"do": do, **fields}, body)[0]


def line() -> int | None:
    """The innermost line of the program that runs now."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == FILE:
            return frame.f_lineno
        frame = frame.f_back
    return None


def call(operation: dict | str, body: bytes = b"") -> tuple[object, bytes]:
    """Performs an operation and waits for it."""
    return request({"do": "call", "operation": operation, "line": line()}, body)


def start(operation: dict | str, body: bytes = b"") -> int:
    """Starts an operation; `wait` tells when it is done."""
    return request({"do": "start", "operation": operation, "line": line()}, body)[0]


def wait(seconds: float | None) -> tuple[int, object, Failure | None, bytes] | None:
    """One operation that is done (its number, answer, failure and bytes), or None after `seconds`."""
    done, data = request({"do": "wait", "seconds": seconds})
    if done is None:
        return None
    failure = Failure.of(done["error"]) if "error" in done else None
    return done["id"], done.get("ok"), failure, data


def cancel(number: int) -> None:
    """Says that nobody waits for an operation any more."""
    send("cancel", id=number)
