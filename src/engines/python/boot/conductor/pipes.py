"""Pipes of commands: handles of the broker's as Python's streams."""

import errno
import io
import os

from . import door, loop

#: As much as the broker answers with at once (src/broker).
PIECE = 64 << 10


class Output(io.RawIOBase):
    """What a command prints."""

    def __init__(self, handle: int) -> None:
        self.handle, self.is_at_end = handle, False

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        raise io.UnsupportedOperation("a pipe of a command has no descriptor here")

    def readinto(self, buffer) -> int:
        if self.is_at_end:
            return 0
        operation = read(self.handle, min(len(buffer), PIECE))
        try:
            data = door.call(operation)[1]
        except door.Failure as failure:
            raise OSError(failure.message) from None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            close(self.handle)
        super().close()


class Input(io.RawIOBase):
    """What a command reads."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        raise io.UnsupportedOperation("a pipe of a command has no descriptor here")

    def write(self, data) -> int:
        piece = bytes(data[:PIECE])
        try:
            door.call(write(self.handle), piece)
        except door.Failure as failure:
            raise _broken(failure) from None
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            close(self.handle)
        super().close()


def read(handle: int, most: int = PIECE) -> dict:
    return {"handle": {"inTurn": {"handle": handle, "call": {"read": {"max": most}}}}}


def write(handle: int) -> dict:
    return {"handle": {"inTurn": {"handle": handle, "call": {"write": {}}}}}


def _broken(failure: door.Failure) -> OSError:
    if failure.kind == "BrokenPipe":
        return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    return OSError(failure.message)


def close(handle: int) -> None:
    try:
        door.call({"handle": {"close": {"handle": handle}}})
    except door.Failure:
        pass  # the run has closed it


async def drain(handle: int, into: list[bytes]) -> None:
    """Reads a pipe to its end."""
    while True:
        _, data = await loop.start(read(handle))
        if not data:
            return
        into.append(data)


async def feed(handle: int, data: bytes) -> None:
    """Writes all of a command's input. A command that does not read it is no error."""
    try:
        for at in range(0, len(data), PIECE):
            await loop.start(write(handle), data[at : at + PIECE])
    except door.Failure as failure:
        if failure.kind != "BrokenPipe":
            raise
    finally:
        close(handle)
