"""Files: errors that carry the broker's words, the working directory, and what WASI has not.

The files themselves go by WASI to the broker. Its answer is an errno, and its sentence is asked for
when one says that something was refused.
"""

import builtins
import errno
import io
import os
import shutil
import stat
import tempfile

from . import door, output

#: What a refusal or a limit of the run is, as an errno of WASI.
_TOLD = frozenset((errno.EACCES, errno.EPERM, getattr(errno, "ENOTCAPABLE", 76), errno.EDQUOT))

#: The functions of os that take paths.
_OF_OS = (
    "chdir", "link", "listdir", "lstat", "mkdir", "open", "readlink", "remove", "rename",
    "replace", "rmdir", "scandir", "stat", "symlink", "truncate", "unlink", "utime",
)

#: Where os says what a function can do, by the function.
_ABILITIES = ("supports_dir_fd", "supports_effective_ids", "supports_fd", "supports_follow_symlinks")


def _named(base: type) -> type:
    """A class that cannot be told from `base`, but whose text is the broker's sentence alone."""

    class Told(base):
        def __str__(self) -> str:
            return self.strerror or ""

        def __repr__(self) -> str:
            return f"{base.__name__}({self.strerror!r})"

        def __reduce__(self):
            return base, self.args

    Told.__name__ = Told.__qualname__ = base.__name__
    Told.__module__ = base.__module__
    return Told


#: Variables of a program.
NAMES: dict[str, str] = {}

Refused = _named(PermissionError)
Exceeded = _named(OSError)


def refused(message: str, path: object = None) -> PermissionError:
    """The PermissionError of a refusal."""
    return Refused(errno.EACCES, message, path)


def _sentence() -> str | None:
    """What the broker said of the last file operation that it refused."""
    if not NAMES:
        return None  # no program is there, and nobody to ask
    try:
        told = door.send("refusal", line=door.line())
    except door.Failure:
        return None
    return told["message"] if told else None


def explained(error: OSError) -> OSError:
    """`error` in the broker's words, if it has some."""
    if error.errno not in _TOLD or isinstance(error, (Refused, Exceeded)):
        return error
    message = _sentence()
    if message is None:
        return error
    kind = Refused if isinstance(error, PermissionError) else Exceeded
    names = [error.filename] if error.filename2 is None else [error.filename, None, error.filename2]
    return kind(error.errno, message, *names)


def in_words(error: BaseException) -> BaseException:
    """An error that ends a program, in the broker's words if it has some: what was raised by a write,
    or by SQLite, has passed no function that asks for them."""
    if isinstance(error, OSError):
        told = explained(error)
    elif type(error).__module__ == "sqlite3" and (message := _sentence()) is not None:
        told = refused(message)
    else:
        return error
    return told if told is error else told.with_traceback(error.__traceback__)


class Explaining:
    """A function of Python's whose errors carry the broker's words.

    An object and not a function: as an attribute of a class it does not become a method, as
    functions in C do not.
    """

    __slots__ = ("__dict__", "_function")

    def __init__(self, function) -> None:
        self._function = function
        for name in ("__name__", "__qualname__", "__module__", "__doc__", "__text_signature__"):
            value = getattr(function, name, None)
            if value is not None:
                self.__dict__[name] = value

    def __call__(self, *args, **kwargs):
        try:
            return self._function(*args, **kwargs)
        except OSError as error:
            told = explained(error)
            if told is error:
                raise
            raise told.with_traceback(error.__traceback__) from None

    def __repr__(self) -> str:
        return repr(self._function)

    def __reduce__(self) -> str:
        return self.__name__


def _explain_os() -> None:
    for name in _OF_OS:
        function = getattr(os, name, None)
        if function is None:
            continue
        ours = Explaining(_stat_with_bits(function) if name in ("stat", "lstat") else function)
        setattr(os, name, ours)
        for ability in _ABILITIES:
            known = getattr(os, ability, ())
            if function in known:
                known.add(ours)


def _explain_open() -> None:
    ours = Explaining(builtins.open)
    builtins.open = io.open = ours
    ours.__dict__["__module__"] = "builtins"


def _explain_sqlite3() -> None:
    """SQLite says no more than that it cannot open a file."""
    try:
        import sqlite3
    except ImportError:
        return
    connect = sqlite3.connect

    def explaining(database, *args, **kwargs):
        if database == ":memory:":
            return connect(database, *args, **kwargs)
        _sentence()  # of something that happened before
        try:
            return connect(database, *args, **kwargs)
        except sqlite3.OperationalError:
            message = _sentence()
            if message is None:
                raise
            raise refused(message, database) from None

    explaining.__name__ = explaining.__qualname__ = "connect"
    explaining.__doc__ = connect.__doc__
    sqlite3.connect = sqlite3.dbapi2.connect = explaining


# ---- What WASI has not, over the door


def _absolute(path: object, name: str) -> str:
    if isinstance(path, int):
        raise NotImplementedError(f"os.{name} takes a path here, not a descriptor")
    return os.path.abspath(os.fsdecode(path))


def of_files(failure: door.Failure, path: object = None) -> Exception:
    """The exception of an operation on files."""
    if failure.refused or failure.kind in ("NotCapable", "PermissionDenied"):
        return refused(failure.message, path)
    number = getattr(errno, failure.code or "", None)
    if number is not None:
        return OSError(number, os.strerror(number), path)
    return OSError(failure.message)


def _operate(operation: dict, path: object) -> tuple[object, bytes]:
    try:
        return door.call({"file": operation})
    except door.Failure as failure:
        raise of_files(failure, path) from None


def chmod(path, mode, *, dir_fd=None, follow_symlinks=True):
    """Changes the permission bits of a file."""
    if dir_fd is not None:
        raise NotImplementedError("os.chmod takes no dir_fd here: give the whole path")
    where = _absolute(path, "chmod")
    if not follow_symlinks and os.path.islink(where):
        raise NotImplementedError("os.chmod cannot change a symbolic link itself")
    _operate({"chmod": {"path": where, "mode": stat.S_IMODE(mode)}}, path)


def fchmod(fd, mode):
    raise NotImplementedError("os.fchmod is not available here: call os.chmod with the path")


def umask(mask):
    """The mask of this process: files are made with the modes that the server's own mask leaves."""
    return 0o022


def _with_bits(status: os.stat_result) -> os.stat_result:
    """WASI has no permission bits. Without any, a copy of a file could not be opened."""
    if stat.S_IMODE(status.st_mode):
        return status
    bits = 0o755 if stat.S_ISDIR(status.st_mode) else 0o644
    fields, extra = status.__reduce__()[1]
    return os.stat_result((status.st_mode | bits, *fields[1:]), extra)


def _stat_with_bits(function):
    def with_bits(*args, **kwargs):
        return _with_bits(function(*args, **kwargs))

    with_bits.__name__ = with_bits.__qualname__ = function.__name__
    with_bits.__doc__ = function.__doc__
    return with_bits


def _copymode(src, dst, *, follow_symlinks=True):
    """shutil.copymode with the bits that the file has outside."""
    if not follow_symlinks and os.path.islink(src) and os.path.islink(dst):
        return
    answer, _ = _operate({"stat": {"path": _absolute(src, "stat"), "follow": True}}, src)
    os.chmod(dst, stat.S_IMODE(answer["Stat"]["mode"]))


# ---- The run


def _enter_workspace(workspace: str) -> None:
    try:
        os.chdir(workspace)
    except OSError as error:
        # The run goes on: what it may read and write, it can name by whole paths.
        output.note(f"The working directory is /: {workspace} cannot be entered: {error}")


def install() -> None:
    os.chmod = os.lchmod = chmod
    os.fchmod = fchmod
    os.umask = umask
    for name in ("getuid", "geteuid", "getgid", "getegid"):
        setattr(os, name, lambda: 65534)  # the user that has nothing (Linux, overflowuid)
    os.getppid = lambda: 0
    os.getlogin = lambda: "nobody"
    os.fstat = _stat_with_bits(os.fstat)
    shutil.copymode = _copymode
    _explain_os()
    _explain_open()
    _explain_sqlite3()


def workspace() -> str:
    """The directory of the run; nothing before there is one."""
    return NAMES.get("WORKSPACE_DIR", "")


def enter(program: dict) -> None:
    NAMES["WORKSPACE_DIR"] = program["workspace"]
    _enter_workspace(workspace())
    # As Deno.makeTempFile: what is temporary lies in the workspace.
    tempfile.tempdir = workspace()


def close() -> None:
    NAMES.pop("WORKSPACE_DIR", None)
    tempfile.tempdir = None
    os.chdir("/")
