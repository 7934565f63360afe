"""Imports of what is not there: which allowed package would bring it, or that none does."""

import importlib._bootstrap
import re
import sys

from . import door
from .wheels import DIRECTORY

#: Packages whose modules have other names (the module, the package on PyPI).
_PACKAGES = {
    "Crypto": "pycryptodome",
    "OpenSSL": "pyopenssl",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "mpl_toolkits": "matplotlib",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "usb": "pyusb",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}

#: Modules that are not here whatever is installed, and what to use instead.
_NEVER = {
    "aiohttp": "it needs native code: use httpx",
    "curses": "there is no terminal",
    "fcntl": "there are no descriptors of the system",
    "js": "no JavaScript runs beside a program",
    "psutil": "a program sees no other process",
    "pwd": "there are no users",
    "pyodide": "this is CPython without a browser",
    "resource": "limits are the server's",
    "termios": "there is no terminal",
    "tkinter": "there is no display: draw with matplotlib",
    "torch": "it needs native code",
    "tensorflow": "it needs native code",
    "polars": "it needs native code: use pandas",
    "pyarrow": "it needs native code: use pandas with CSV or JSON",
    "duckdb": "it needs native code: use sqlite3 or pandas",
    "orjson": "it needs native code: use json",
    "playwright": "there is no browser",
    "selenium": "there is no browser",
}

#: What does the same as a module that is not there, where it may not be installed.
_INSTEAD = {
    "httpx": "urllib.request",
    "plotly": "matplotlib",
    "pytest": "unittest",
    "requests": "urllib.request",
}

#: Where the administrator says what may be installed.
_SETTING = "MCP_CONDUCTOR_ALLOWED_PACKAGES"

_packages: dict | None = None

#: Packages that are installed and hidden from this program, by their names.
_hidden: set[str] = set()


def _normal(name: str) -> str:
    """The name of a package as PyPI compares them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _own_name(specifier: str) -> str:
    """`pypi:Tabulate[x]@^0.9` is `tabulate`."""
    return _normal(re.split(r"[@\[<>=!~; ]", specifier.removeprefix("pypi:"), maxsplit=1)[0])


def _named(module: str) -> str:
    """The package that has a module, as far as that is known."""
    owner = ((_packages or {}).get("installed") or {}).get(module)
    return _own_name(owner) if owner else _normal(_PACKAGES.get(module, module))


def _imported_as(package: str) -> str | None:
    """The module of a package that has another name."""
    installed = (_packages or {}).get("installed") or {}
    known = {_own_name(owner): module for module, owner in installed.items()}
    known |= {other: module for module, other in _PACKAGES.items()}
    return known.get(package)


def hint(module: str) -> str:
    """What a missing module needs, as a sentence; nothing before a program is there."""
    if _packages is None:
        return ""
    module = module.partition(".")[0]
    if module in _NEVER:
        return f"It is not available here: {_NEVER[module]}"
    package = _named(module)
    other = _imported_as(package)
    if other not in (None, module) and _is_there(other):
        return f"The package {package} is imported as {other}"
    allowed = {_own_name(entry): entry for entry in _packages.get("allowed") or ()}
    if package in allowed:
        return (
            f"The package {allowed[package]} is allowed and not installed. An administrator runs "
            "`mcp-conductor install`"
        )
    if not allowed:
        instead = _INSTEAD.get(module, "the standard library and what is there")
        return f"No package may be installed ({_SETTING}): use {instead}"
    shown = ", ".join(sorted(allowed.values())[:20])
    return f"pypi:{package} is not among the packages that the server allows ({_SETTING}): {shown}"


def _refusal(module: str) -> str:
    """What policy says of a module that is hidden: asked of the server, whose audit log has it."""
    owner = ((_packages or {}).get("installed") or {}).get(module)
    if owner is None or _own_name(owner) not in _hidden:
        return ""
    try:
        door.call({"module": {"package": {"specifier": owner}}})
    except door.Failure as failure:
        return failure.message
    return ""


def no_pip(names: list[str]) -> str:
    """What an attempt to install packages is told."""
    wanted = [name for name in names if name and not name.startswith("-")]
    told = "Packages cannot be installed by a program: an administrator lists them in " + _SETTING
    for name in wanted[:1]:
        module = next((m for m, p in _PACKAGES.items() if p == _own_name(name)), name)
        return f"{told}. {hint(module)}" if not _is_there(module) else f"{told}. {name} is there: import it"
    return told


def _is_there(module: str) -> bool:
    try:
        return importlib._bootstrap._find_spec(_own_name(module).replace("-", "_"), None) is not None
    except (ImportError, ValueError):
        return False


class _Missing(ModuleNotFoundError):
    """The error of the import system for a module that is not there."""

    def __init__(self, message: str = "", *, name: str | None = None, path: str | None = None):
        refusal = _refusal(name) if name and "." not in name else ""
        told = refusal or (hint(name) if name and "." not in name else "")
        super().__init__(f"{message}. {told}" if told else message, name=name, path=path)
        #: Whether it is a refusal of policy, which code that can do without a module need not know.
        self.refused = bool(refusal)


_Missing.__name__ = _Missing.__qualname__ = "ModuleNotFoundError"
_Missing.__module__ = "builtins"


def install() -> None:
    # The name is looked up in the module that raises it: nobody else is touched, and
    # importlib.util.find_spec still answers None.
    importlib._bootstrap.ModuleNotFoundError = _Missing


def enter(program: dict) -> None:
    global _packages
    _packages = program.get("packages") or {}
    _hide(_packages)


def _hide(packages: dict) -> None:
    """Takes what others may import, and this program may not, from where modules are looked for.

    Nothing is decided by it: the list is policy's, and who imports a hidden module is refused by the
    server. No boundary either, as with packages of npm: all that runs here could read the files. What
    no setting names is a dependency, and stays.
    """
    global _hidden
    allowed = {_own_name(entry) for entry in packages.get("allowed") or ()}
    requested = packages.get("requested") or {}
    _hidden = {_own_name(name) for name in requested.values()} - allowed
    files = {DIRECTORY + file for file, name in requested.items() if _own_name(name) in _hidden}
    if files:
        sys.path[:] = [entry for entry in sys.path if entry not in files]
