"""subprocess.Popen over the commands that allow-run grants."""

import asyncio
import errno
import io
import os
import shlex
import subprocess
import sys
import types

from . import door, environ, files, imports, loop
from .pipes import Input, Output, close, drain, feed

#: Names of signals by their numbers on Linux, where commands run.
_SIGNALS = {1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 6: "SIGABRT", 9: "SIGKILL", 10: "SIGUSR1",
            12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 17: "SIGCHLD", 18: "SIGCONT",
            19: "SIGSTOP"}
_NUMBERS = {name: number for number, name in _SIGNALS.items()}


def _failed(failure: door.Failure, command: str) -> Exception:
    if failure.refused:
        return files.refused(failure.message, command)
    if failure.kind == "NotFound":
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command)
    return OSError(failure.message)


def _operate(operation: dict, command: str = "") -> object:
    try:
        return door.call({"command": operation})[0]
    except door.Failure as failure:
        error = _failed(failure, command)
    raise error


# ---- What is started


def _words(args, shell: bool, executable) -> list[str]:
    if isinstance(args, (str, bytes, os.PathLike)):
        words = [os.fsdecode(args)]
    else:
        words = [os.fsdecode(word) for word in args]
    if not words:
        raise IndexError("list index out of range")
    if shell:
        words = [os.fsdecode(executable) if executable else "sh", "-c", *words]
    elif executable is not None:
        words[0] = os.fsdecode(executable)
    _no_other_python(words, shell)
    return words


def _of_pip(words: list[str]) -> list[str] | None:
    """The arguments of pip, if that is what a command is."""
    name = os.path.basename(words[0]) if words else ""
    if name.startswith("pip"):
        return words[1:]
    if words[1:3] == ["-m", "pip"]:
        return words[3:]
    return words[2:] if name == "uv" and words[1:2] == ["pip"] else None


def _no_other_python(words: list[str], shell: bool) -> None:
    """Programs install packages and run Python in ways that cannot work here."""
    try:
        inner = shlex.split(words[2]) if shell and len(words) == 3 else words
    except ValueError:
        inner = words
    pip = _of_pip(inner)
    if pip is not None and pip[:1] == ["install"]:
        raise files.refused(imports.no_pip(pip[1:]))
    if inner and inner[0] in ("", sys.executable):
        raise files.refused("This Python is not a command: run the code in this program, or call exec()")


def _environment(env) -> tuple[bool, list[list[str]]]:
    if env is None:
        return environ.changes()
    return True, [[os.fsdecode(name), os.fsdecode(value)] for name, value in env.items()]


def _stream(value, number: int) -> tuple[str, object]:
    """What a stream of the command is: the broker's word, and where the program wants it."""
    if value is None:
        return ("null" if number == 0 else "inherit"), None
    if value == subprocess.PIPE:
        return "piped", None
    if value == subprocess.DEVNULL:
        return "null", None
    if value == subprocess.STDOUT and number == 2:
        return "piped", subprocess.STDOUT
    descriptor = value if isinstance(value, int) else _descriptor(value)
    if descriptor in (1, 2) and number > 0:
        return "inherit", None
    if isinstance(value, int):
        raise OSError(errno.EBADF, "A stream of a command is a file object here, not a descriptor")
    return "piped", value


def _descriptor(value) -> int:
    try:
        return value.fileno()
    except (AttributeError, OSError, ValueError):
        return -1


def _spawn(words: list[str], cwd, env, kinds: list[str]) -> dict:
    if not files.workspace():  # no program is there
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), words[0])
    clear, pairs = _environment(env)
    directory = os.path.abspath(os.fsdecode(cwd)) if cwd is not None else None
    if directory is None and os.getcwd() != files.workspace():
        directory = os.getcwd()
    options = {
        "command": words[0], "args": words[1:], "cwd": directory, "clearEnv": clear, "env": pairs,
        "stdin": kinds[0], "stdout": kinds[1], "stderr": kinds[2],
    }
    return _operate({"spawn": options}, words[0])["Child"]


def _code(ended: dict) -> int:
    name = ended.get("signal")
    return -_NUMBERS.get(name, 9) if name else ended["code"]


def _raw(stream) -> Output:
    """The pipe that a stream of a Popen reads."""
    return (stream.buffer if isinstance(stream, io.TextIOWrapper) else stream).raw


class Popen:
    """A command that runs beside the program."""

    def __init__(self, args, bufsize=-1, executable=None, stdin=None, stdout=None, stderr=None,
                 preexec_fn=None, close_fds=True, shell=False, cwd=None, env=None,
                 universal_newlines=None, startupinfo=None, creationflags=0, restore_signals=True,
                 start_new_session=False, pass_fds=(), *, user=None, group=None, extra_groups=None,
                 encoding=None, errors=None, text=None, umask=-1, pipesize=-1, process_group=None):
        if preexec_fn is not None or pass_fds or user is not None or group is not None:
            raise ValueError("preexec_fn, pass_fds, user and group of a command are the server's to choose")
        self.args, self.returncode, self.pid = args, None, None
        self.stdin = self.stdout = self.stderr = None
        self.text_mode = bool(encoding or errors or text or universal_newlines)
        self.encoding, self.errors = encoding, errors
        self._input = self._take_input(stdin)
        kinds, self._wanted = ["null", "null", "null"], [None, None, None]
        streams = (subprocess.PIPE if self._input is not None else stdin, stdout, stderr)
        for number, value in enumerate(streams):
            kinds[number], self._wanted[number] = _stream(value, number)
        if stderr == subprocess.STDOUT and kinds[1] != "piped":
            kinds[2], self._wanted[2] = kinds[1], None
        child = _spawn(_words(args, shell, executable), cwd, env, kinds)
        self._handle, self.pid = child["handle"], child["pid"]
        self._handles = [child["stdin"], child["stdout"], child["stderr"]]
        self._open_pipes(bufsize)
        if self._input is not None:
            loop.LOOP.run_until_complete(feed(self._handles[0], self._input))
            self._handles[0] = None

    @staticmethod
    def _take_input(stdin) -> bytes | None:
        """What is in a file that is given as stdin."""
        if stdin is None or isinstance(stdin, int):
            return None
        data = stdin.read()
        return data.encode() if isinstance(data, str) else data

    def _open_pipes(self, bufsize: int) -> None:
        handles, wanted = self._handles, self._wanted
        if handles[0] is not None and self._input is None:
            self.stdin = self._as_text(io.BufferedWriter(Input(handles[0])), bufsize == 1)
        if handles[1] is not None and wanted[1] is None:
            self.stdout = self._as_text(io.BufferedReader(Output(handles[1])))
        if handles[2] is not None and wanted[2] is None:
            self.stderr = self._as_text(io.BufferedReader(Output(handles[2])))

    def _as_text(self, stream, by_line: bool = False):
        if not self.text_mode:
            return stream
        return io.TextIOWrapper(
            stream, self.encoding or "utf-8", self.errors, line_buffering=by_line, write_through=by_line
        )

    universal_newlines = property(lambda self: self.text_mode)

    # ---- To its end

    def communicate(self, input=None, timeout=None):
        """Gives a command its input, and takes all that it prints."""
        text = [[], [], []]
        self._run(self._to_its_end(input, text), timeout, text)
        merged = self._wanted[2] == subprocess.STDOUT
        out = self._taken(text[1]) if self.stdout is not None else None
        err = self._taken(text[2]) if self.stderr is not None and not merged else None
        return out, err

    def _run(self, coroutine, timeout, text=((), (), ())) -> None:
        try:
            loop.LOOP.run_until_complete(asyncio.wait_for(coroutine, timeout))
        except TimeoutError:
            out, err = b"".join(text[1]) or None, b"".join(text[2]) or None
            raise subprocess.TimeoutExpired(self.args, timeout, out, err) from None
        except door.Failure as failure:
            error = OSError(failure.message)
        else:
            return
        raise error

    async def _to_its_end(self, given, text: list) -> None:
        work = [self._drained(number, text) for number in (1, 2)]
        if self.stdin is not None:
            data = given.encode(self.encoding or "utf-8") if isinstance(given, str) else given or b""
            if not self.stdin.closed:
                self.stdin.flush()
                work.append(feed(self._handles[0], data))
                self._handles[0] = None
        await asyncio.gather(*work)
        await self._ended()
        self._pass_on(text)

    async def _drained(self, number: int, text: list) -> None:
        stream = (None, self.stdout, self.stderr)[number]
        handle = self._handles[number]
        if handle is None or stream is not None and stream.closed:
            return
        into = text[1] if self._wanted[2] == subprocess.STDOUT else text[number]
        if stream is not None:
            into.append(self._read_ahead(stream))
        await drain(handle, into)
        self._handles[number] = None
        close(handle)

    def _read_ahead(self, stream) -> bytes:
        """What a stream has read of its pipe and the program has not taken."""
        raw = _raw(stream)
        raw.is_at_end = True
        data = stream.read()
        raw.is_at_end = False
        return data.encode(self.encoding or "utf-8") if isinstance(data, str) else data

    async def _ended(self) -> None:
        if self.returncode is None:
            answer, _ = await loop.start({"command": {"wait": {"handle": self._handle}}})
            self.returncode = _code(answer["Exit"])
            close(self._handle)

    def _taken(self, pieces: list[bytes]):
        data = b"".join(pieces)
        if not self.text_mode:
            return data
        text = data.decode(self.encoding or "utf-8", self.errors or "strict")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _pass_on(self, text: list) -> None:
        """What goes to files of the program, as the command has ended."""
        for number in (1, 2):
            wanted, data = self._wanted[number], b"".join(text[number])
            if wanted in (None, subprocess.STDOUT) or not data:
                continue
            try:
                wanted.write(data)
            except TypeError:
                wanted.write(data.decode(errors="replace"))
            wanted.flush()

    def wait(self, timeout=None) -> int:
        """Waits until the command has ended."""
        if self.returncode is None:
            text: list = [[], [], []]
            self._run(self._only_files(text), timeout)
        return self.returncode

    async def _only_files(self, text: list) -> None:
        to_files = [n for n in (1, 2) if self._wanted[n] not in (None, subprocess.STDOUT)]
        await asyncio.gather(*(self._drained(number, text) for number in to_files))
        await self._ended()
        self._pass_on(text)

    def poll(self) -> int | None:
        """The exit code, if the command has ended."""
        try:
            return self.wait(0.001)
        except subprocess.TimeoutExpired:
            return None

    # ---- Signals

    def send_signal(self, sig) -> None:
        if self.returncode is None:
            name = _SIGNALS.get(int(sig), f"SIG{int(sig)}")
            _operate({"kill": {"handle": self._handle, "signal": name}})

    def terminate(self) -> None:
        self.send_signal(_NUMBERS["SIGTERM"])

    def kill(self) -> None:
        self.send_signal(_NUMBERS["SIGKILL"])

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        for stream in (self.stdout, self.stderr, self.stdin):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        self.wait()

    def __class_getitem__(cls, item):
        return types.GenericAlias(cls, item)

    def __repr__(self) -> str:
        return f"<Popen: returncode: {self.returncode} args: {self.args!r}>"


Popen.__module__ = "subprocess"
