"""Modules of installed packages: compiled in the zygote, run in the worker that imports them.

No package runs in the zygote, which all runs have in common. So the zygote does not find packages
while it imports and warms what Python itself has; then their modules are compiled, as far as time
and size allow, and the importer of zip files takes them from here.
"""

import gc
import sys
import time
import warnings
import zipfile
import zipimport

#: Where the engine has them.
DIRECTORY = "/usr/local/lib/conductor-packages/"

#: Seconds for all of them, as packages of npm have when their process starts.
SECONDS = 5.0

#: Bytes of their sources, of which code takes about as many.
MAX_SOURCES = 16 << 20

#: Bytes of one source: larger ones are tables, which are compiled when they are needed.
MAX_SOURCE = 512 << 10

#: What no package takes the place of: the zygote itself goes on using it.
OWN = sys.stdlib_module_names | {"conductor", "_host"}

_path: list[str] | None = None
_codes: dict[tuple[str, str], object] = {}


def hold(directory: str = DIRECTORY) -> None:
    """Hides packages from the zygote's own imports."""
    global _path
    _path = sys.path[:]
    sys.path[:] = [entry for entry in sys.path if not entry.startswith(directory)]


def release(directory: str = DIRECTORY) -> None:
    """Shows them to programs. What one of them has in place of Python's own is forgotten."""
    if _path is None:
        return
    archives = [entry for entry in _path if entry.startswith(directory)]
    if archives:
        for archive in archives:
            sys.path_importer_cache[archive] = zipimport.zipimporter(archive)
        _compile(archives)
        zipimport.zipimporter.get_code = _get_code
    # Last: what is imported from here on may be a package's.
    library = next((at for at, entry in enumerate(_path) if not entry.startswith(directory)), 0)
    for archive in _path[:library]:
        for name in _modules(archive) - OWN:
            _forget(name)
    sys.path[:] = _path
    if archives:
        gc.freeze()


def _modules(archive: str) -> set[str]:
    """The names that programs import from an archive."""
    with zipfile.ZipFile(archive) as opened:
        paths = [name for name in opened.namelist() if name.endswith(".py")]
    return {path.partition("/")[0].removesuffix(".py") for path in paths}


def _forget(name: str) -> None:
    for module in list(sys.modules):
        if module == name or module.startswith(f"{name}."):
            del sys.modules[module]


def _compile(archives: list[str]) -> None:
    """Compiles what there is time for, the smallest packages first."""
    end, left = time.monotonic() + SECONDS, MAX_SOURCES
    opened = [(archive, zipfile.ZipFile(archive)) for archive in archives]
    opened.sort(key=lambda one: sum(info.file_size for info in one[1].infolist()))
    for archive, files in opened:
        with files:
            for info in files.infolist():
                if not _is_wanted(info):
                    continue
                left -= info.file_size
                if left < 0 or time.monotonic() > end:
                    return
                _compile_one(archive, info.filename, files.read(info))


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    """Whether it is a module that programs import: a package's tests are not."""
    parts = info.filename.split("/")
    is_test = any(part in ("test", "tests") for part in parts[:-1])
    return info.filename.endswith(".py") and info.file_size <= MAX_SOURCE and not is_test


def _compile_one(archive: str, name: str, source: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, f"{archive}/{name}", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Of another version of Python: whoever imports it is told.
        return
    _codes[archive, name] = code


_get_code_of_zip = zipimport.zipimporter.get_code


def _get_code(self, fullname):
    """The code of a module, from here if it was compiled."""
    path = self.prefix.replace("\\", "/") + fullname.rpartition(".")[2]
    name = f"{path}/__init__.py" if self.is_package(fullname) else f"{path}.py"
    code = _codes.get((self.archive, name))
    return _get_code_of_zip(self, fullname) if code is None else code
