"""What the zygote has seen before the first fork: imports, and a fixed corpus of usual programs."""

import gc
import itertools
import linecache
import sys
import threading
import types
from importlib import import_module
from importlib.util import find_spec

from . import environ, files, freshness, images, memory, output
from .door import FILE

#: Imported in the zygote: what programs usually import, by what it costs them not to have it.
MODULES = """
    abc argparse array ast asyncio base64 binascii bisect calendar cmath collections collections.abc
    concurrent.futures configparser contextlib copy csv dataclasses datetime decimal difflib email.message
    enum fnmatch fractions functools getpass glob gzip hashlib heapq hmac html html.parser http.client
    importlib.util inspect io ipaddress itertools json linecache locale logging math mimetypes numbers
    operator os pathlib pickle platform pprint queue random re secrets shlex shutil signal sqlite3
    statistics string struct subprocess tempfile textwrap threading time timeit tomllib traceback types
    typing unicodedata urllib.error urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree
    zipfile zlib zoneinfo _pylong _strptime numpy numpy.random pandas
    PIL.Image PIL.PngImagePlugin bs4 dateutil.parser jinja2 lxml.etree openpyxl tabulate yaml
    email.mime.text encodings.cp437 importlib.resources._adapters numpy.fft numpy.polynomial openpyxl.packaging.extended
    pandas.io.formats.excel pandas.io.formats.html tomllib._re tqdm tzdata.zoneinfo xlsxwriter
""".split()


def preload() -> None:
    """Imports them; what this interpreter does not have is not missed."""
    for name in MODULES:
        try:
            import_module(name)
        except ImportError:
            pass
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.monitor_interval = 0  # its thread would never end
    if find_spec("matplotlib"):
        images.preload()
        import_module("pandas.plotting._matplotlib")


#: What is imported too where the administrator says so (MCP_CONDUCTOR_PYTHON_PRELOAD): modules by its names.
FURTHER = {
    "networkx": "networkx",
    "scipy": "cluster.hierarchy fft integrate interpolate linalg ndimage optimize signal sparse.linalg spatial stats",
    "sklearn": """cluster datasets decomposition ensemble linear_model metrics model_selection naive_bayes neighbors
        pipeline preprocessing svm tree""",
    "statsmodels": "api formula.api",
    "sympy": "sympy",
}


def preload_further(names: list[str]) -> None:
    """Imports what these stand for."""
    if not names:
        return
    with environ.scratch():
        for name in names:
            for module in FURTHER[name].split():
                import_module(name if module == name else f"{name}.{module}")
    freshness.keep()


#: Until the interpreter has specialized what each run goes through, and writes nothing to it any more
#: (PEP 659; the largest counter of pycore_backoff.h has been counted down by then for what is hot).
REHEARSALS = 16


def run() -> None:
    """Runs the corpus through the path of every program, and leaves nothing of it."""
    from .corpus import PROGRAMS

    _run(PROGRAMS)
    rehearse()
    forget()


def rehearse() -> None:
    """Goes the whole way of a worker, with a host that plays one."""
    from . import program

    gc.freeze()  # what there is, no run looks through
    main, argv = sys.modules["__main__"], sys.argv
    for _ in range(REHEARSALS):
        program.rehearse()
        touch()
        for module in (freshness, environ, files):
            module.close()
    sys.modules["__main__"], sys.argv = main, argv


def touch() -> None:
    """Runs the smallest program: what it writes is what every run writes."""
    from .corpus import EXPRESSION

    _run([EXPRESSION])
    linecache.cache.pop(FILE, None)


def _run(programs: list) -> None:
    from . import program

    main, argv = sys.modules["__main__"], sys.argv
    frame = {"globals": '{"rows": [{"a": 1}]}', "workspace": "/", "maxValue": 1 << 20, "maxDepth": 32, "grace": 1}
    for source in programs:
        program.run({**frame, "source": source}, lambda _: {})
    sys.modules["__main__"], sys.argv = main, argv


def forget() -> None:
    """Removes the traces of the corpus."""
    output.flush()
    linecache.cache.pop(FILE, None)
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType):
            module.__dict__.pop("__warningregistry__", None)
    threading._counter = itertools.count(1).__next__
