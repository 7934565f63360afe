"""Run by hand: python3 tests/python/wheels.py. Modules of packages without the engine."""

import pathlib
import sys
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "src/engines/python/boot"))
directory = tempfile.mkdtemp() + "/"


def archive(name: str, files: dict[str, str]) -> str:
    path = f"{directory}{name}.zip"
    with zipfile.ZipFile(path, "w") as made:
        for file, text in files.items():
            made.writestr(file, text)
    return path


import importlib  # noqa: E402
import importlib.util  # noqa: E402

spec = importlib.util.spec_from_file_location(
    "wheels", pathlib.Path(__file__).parents[2] / "src/engines/python/boot/conductor/wheels.py"
)
wheels = importlib.util.module_from_spec(spec)
spec.loader.exec_module(wheels)

library = tempfile.mkdtemp()
pathlib.Path(library, "shape.py").write_text("")
first = archive(
    "shape-9",
    {
        "shape.py": "mine = True\n",
        "encodings/__init__.py": "raise SystemExit('a package runs in the zygote')\n",
    },
)
second = archive(
    "pack-1",
    {
        "pack/__init__.py": "from .inner.deep import value\n",
        "pack/inner/__init__.py": "",
        "pack/inner/deep.py": "import sys\nvalue = 7\n\ndef fail():\n    return 1 / 0\n",
        "pack/old.py": "print 'of Python 2'\n",
        "pack/coded.py": "# coding: cp037\n",
        "pack/inner.py": "raise SystemExit('the package of this name goes first')\n",
        "pack/tests/test_it.py": "x = 1\n",
    },
)
sys.path[:0] = [first, library]
sys.path.append(second)

wheels.hold(directory)
import shape  # noqa: E402

assert not hasattr(shape, "mine"), "the zygote has Python's own"
try:
    import pack
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("no package runs in the zygote")
wheels.release(directory)
assert "pack" not in sys.modules, "it is compiled and not run"
compiled = {path for archive, path in wheels._codes if archive == second}
assert {"pack/inner/deep.py", "pack/__init__.py"} <= compiled
assert sys.modules["encodings"].__file__ != f"{first}/encodings/__init__.py"
assert not any("tests" in path or "old" in path for _, path in wheels._codes)

import shape  # noqa: E402
import pack  # noqa: E402

assert shape.mine, "what is allowed takes the place of Python's own"
assert pack.value == 7
try:
    pack.inner.deep.fail()
except ZeroDivisionError as error:
    file = error.__traceback__.tb_next.tb_frame.f_code.co_filename
    assert file == f"{second}/pack/inner/deep.py", file
try:
    import pack.old
except SyntaxError as error:
    assert "old.py" in error.filename
print("ok")
