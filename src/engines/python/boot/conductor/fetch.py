"""Requests over the broker's fetch, and bodies of responses in pieces."""

import asyncio
import io

from . import door, files, loop

#: Bytes that are read of a body at once, as much as the broker answers with (src/broker).
PIECE = 64 << 10

#: A request's body that is sent in one frame; a longer one follows in pieces of that length.
MAX_AT_ONCE = 64 << 10

#: Headers of a request that are the connection's, not the broker's to pass on.
OF_CONNECTION = frozenset((
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te",
    "transfer-encoding", "upgrade",
))

#: Headers of a response that are not true of what is read here.
NOT_OURS = frozenset(("connection", "keep-alive", "transfer-encoding"))


def failed(failure: door.Failure) -> OSError:
    """The exception of a request."""
    if failure.refused:
        return files.refused(failure.message)
    if failure.kind == "TimedOut":
        return TimeoutError(failure.message)
    return ConnectionError(failure.message)


def perform(operation: dict, body: bytes, timeout: float | None):
    """Performs an operation within `timeout` seconds."""
    try:
        if timeout is None:
            return door.call(operation, body)
        return loop.LOOP.run_until_complete(asyncio.wait_for(loop.start(operation, body), timeout))
    except door.Failure as failure:
        error = failed(failure)
    except TimeoutError:
        error = TimeoutError("timed out")
    raise error


def in_turn(handle: int, call: dict) -> dict:
    """A call on something open."""
    return {"handle": {"inTurn": {"handle": handle, "call": call}}}


def close(handle: int) -> None:
    """Says that a body is no longer wanted."""
    try:
        door.call({"handle": {"close": {"handle": handle}}})
    except door.Failure:
        pass  # the run has closed it


def fetch(method: str, url: str, headers: list, body: bytes, timeout: float | None) -> dict:
    """The head of a response: status, statusText, headers and the handle of its body."""
    request = {"method": method, "url": url, "headers": headers, "body": "bytes" if body else "none"}
    if len(body) <= MAX_AT_ONCE:
        return perform({"network": {"fetch": request}}, body, timeout)[0]["Response"]
    request["body"] = "stream"
    handle = perform({"network": {"fetch": request}}, b"", timeout)[0]["Handle"]
    try:
        for at in range(0, len(body), MAX_AT_ONCE):
            perform(in_turn(handle, {"write": {}}), body[at : at + MAX_AT_ONCE], timeout)
        perform(in_turn(handle, {"write": {}}), b"", timeout)
    except ConnectionError:
        pass  # the server has answered before it had all of it, or the answer says why
    return perform({"network": {"fetchResponse": {"handle": handle}}}, b"", timeout)[0]["Response"]


class Body(io.RawIOBase):
    """A response, as it is read from a socket: its head, then its body in pieces."""

    def __init__(self, socket, head: bytes, handle: int | None) -> None:
        self._socket, self.head, self._handle = socket, head, handle

    def readable(self) -> bool:
        return True

    def take(self, most: int) -> bytes:
        if self.head:
            data, self.head = self.head[:most], self.head[most:]
            return data
        if self._handle is None:
            return b""
        read = in_turn(self._handle, {"read": {"max": min(most, PIECE)}})
        data = perform(read, b"", self._socket.gettimeout())[1]
        if not data:
            self._end()
        return data

    def _end(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            close(handle)

    def readinto(self, buffer) -> int:
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._end()
        super().close()
