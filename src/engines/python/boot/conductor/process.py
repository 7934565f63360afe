"""os.system and asyncio's processes over commands, and what a program has not of processes."""

import asyncio
import os
import signal
import subprocess
import sys
import types

from . import loop
from .children import Popen
from .pipes import read

#: What a shell says of a command that may not be run (POSIX, 2.8.2).
NOT_EXECUTABLE = 126


def system(command) -> int:
    """Runs a command in a shell: its wait status, as on Linux."""
    try:
        child = Popen(command, shell=True)
    except PermissionError as error:
        print(f"sh: {error}", file=sys.stderr)
        return NOT_EXECUTABLE << 8
    code = child.wait()
    return -code if code < 0 else code << 8


def waitstatus_to_exitcode(status: int) -> int:
    return -(status & 0x7F) if status & 0x7F else status >> 8


_PROCESSES = "programs are one process. Run commands with subprocess, as far as --allow-run grants them"
_NOT_HERE = {
    "os": {
        **dict.fromkeys(("fork", "forkpty", "posix_spawn", "posix_spawnp", "wait", "waitpid", "wait3",
                         "wait4", "pipe", "pipe2", "setsid", "setpgid", "nice"), _PROCESSES),
        **dict.fromkeys(("execv", "execve", "execvp", "execvpe", "execl", "execle", "execlp", "execlpe",
                         "spawnv", "spawnve", "spawnvp", "spawnl", "spawnlp", "startfile"), _PROCESSES),
        **dict.fromkeys(("kill", "killpg"),
                        "a program has no processes to signal, but those that it started (Popen.kill)"),
        **dict.fromkeys(("chown", "lchown", "fchown", "setuid", "setgid", "setgroups", "chroot"),
                        "the server decides who runs a program and owns its files"),
    },
    "signal": dict.fromkeys(("alarm", "setitimer", "pause", "sigwait", "pthread_kill"),
                            "nothing signals a program. Use asyncio.timeout(), or the timeout of the call"),
}


def _say_no(module: types.ModuleType) -> None:
    """An attribute that is not there says why; hasattr() still says no."""
    known = _NOT_HERE[module.__name__]

    def __getattr__(name: str):
        reason = known.get(name)
        told = f"module {module.__name__!r} has no attribute {name!r}"
        if reason is not None:
            told = f"{module.__name__}.{name} is not available here: {reason}"
        raise AttributeError(told, name=name, obj=module)

    for name in known:
        module.__dict__.pop(name, None)
    module.__getattr__ = __getattr__


def _no_processes(*args, **kwargs):
    raise RuntimeError(
        "multiprocessing is not available here: programs are one process. Use asyncio or "
        "concurrent.futures.ThreadPoolExecutor, which run in place"
    )


# ---- asyncio


class Reader:
    """What a command prints, for asyncio: the methods of StreamReader."""

    def __init__(self, handle: int) -> None:
        self._handle, self._data, self._over = handle, b"", False

    async def _more(self) -> bool:
        if not self._over:
            _, data = await loop.start(read(self._handle))
            self._data += data
            self._over = not data
        return not self._over

    def at_eof(self) -> bool:
        return self._over and not self._data

    def _take(self, count: int) -> bytes:
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    async def read(self, n: int = -1) -> bytes:
        if n < 0:
            while await self._more():
                pass
            return self._take(len(self._data))
        if not self._data:
            await self._more()
        return self._take(n)

    async def readexactly(self, n: int) -> bytes:
        while len(self._data) < n and await self._more():
            pass
        if len(self._data) < n:
            raise asyncio.IncompleteReadError(self._take(len(self._data)), n)
        return self._take(n)

    async def readline(self) -> bytes:
        while b"\n" not in self._data and await self._more():
            pass
        end = self._data.find(b"\n") + 1
        return self._take(end or len(self._data))

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line


class Writer:
    """What a command reads, for asyncio: the methods of StreamWriter."""

    def __init__(self, stream) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def writelines(self, lines) -> None:
        for line in lines:
            self.write(line)

    async def drain(self) -> None:
        self._stream.flush()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        try:
            self._stream.close()
        except BrokenPipeError:
            pass

    write_eof = close

    def is_closing(self) -> bool:
        return self._stream.closed

    async def wait_closed(self) -> None:
        pass


class Process:
    """asyncio.subprocess.Process over a Popen."""

    def __init__(self, child: Popen) -> None:
        self._child, self.pid = child, child.pid
        self.stdin = Writer(child.stdin) if child.stdin is not None else None
        self.stdout = Reader(child._handles[1]) if child.stdout is not None else None
        self.stderr = Reader(child._handles[2]) if child.stderr is not None else None

    returncode = property(lambda self: self._child.returncode)

    async def wait(self) -> int:
        await self._child._ended()
        return self._child.returncode

    async def communicate(self, input: bytes | None = None):
        text: list = [[], [], []]
        await self._child._to_its_end(input, text)
        child = self._child
        merged = child._wanted[2] == subprocess.STDOUT
        out = b"".join(text[1]) if child.stdout is not None else None
        err = b"".join(text[2]) if child.stderr is not None and not merged else None
        return out, err

    def send_signal(self, sig) -> None:
        self._child.send_signal(sig)

    def terminate(self) -> None:
        self._child.terminate()

    def kill(self) -> None:
        self._child.kill()


async def create_subprocess_exec(program, *args, stdin=None, stdout=None, stderr=None, limit=0, **kwargs):
    """asyncio.create_subprocess_exec over the broker's commands."""
    return Process(Popen([program, *args], stdin=stdin, stdout=stdout, stderr=stderr, **kwargs))


async def create_subprocess_shell(cmd, stdin=None, stdout=None, stderr=None, limit=0, **kwargs):
    """asyncio.create_subprocess_shell over the broker's commands."""
    return Process(Popen(cmd, shell=True, stdin=stdin, stdout=stdout, stderr=stderr, **kwargs))


def install() -> None:
    subprocess.Popen = Popen
    os.system = system
    os.waitstatus_to_exitcode = waitstatus_to_exitcode
    os.register_at_fork = lambda **hooks: None
    for module in (os, signal):
        _say_no(module)
    for module in (asyncio, asyncio.subprocess):
        module.create_subprocess_exec = create_subprocess_exec
        module.create_subprocess_shell = create_subprocess_shell
    asyncio.subprocess.Process = Process
    try:
        import multiprocessing.context
        import multiprocessing.process
    except ImportError:
        return
    multiprocessing.process.BaseProcess.start = _no_processes
    for name in ("Pool", "Queue", "SimpleQueue", "Manager", "Lock", "Pipe", "Value", "Array"):
        setattr(multiprocessing, name, _no_processes)


def enter(program: dict) -> None:
    pass
