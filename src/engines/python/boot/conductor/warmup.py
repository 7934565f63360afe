"""What the zygote has seen before the first fork: imports, and a fixed corpus of usual programs."""

import gc
import linecache
import sys
import types
import warnings
from importlib import import_module

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
""".split()


def preload() -> None:
    """Imports them; what this interpreter does not have is not missed."""
    for name in MODULES:
        try:
            import_module(name)
        except ImportError:
            pass


def run() -> None:
    """Runs the corpus through the path of every program, and leaves nothing of it."""
    from . import program
    from .corpus import PROGRAMS

    main, argv = sys.modules["__main__"], sys.argv
    for source, globals_ in PROGRAMS:
        frame = {"source": source, "globals": globals_, "workspace": "/", "maxValue": 1 << 20, "maxDepth": 32}
        program.run(frame, {}, lambda: None)
    sys.modules["__main__"], sys.argv = main, argv
    forget()


def forget() -> None:
    """Removes the traces of the corpus, and keeps the collector from what is there for good."""
    from . import output

    output.flush()
    linecache.cache.pop(FILE, None)
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType):
            module.__dict__.pop("__warningregistry__", None)
    warnings._filters_mutated_lock_held() if hasattr(warnings, "_filters_mutated_lock_held") else None
    gc.collect()
    gc.freeze()
