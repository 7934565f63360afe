"""Pictures: matplotlib's figures, and objects that have a PNG of themselves, become image blocks in order."""

import builtins
import importlib.util
import io
import logging
import os
import subprocess
import sys
import types
import weakref
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path

from . import door, output

#: Pictures of one run. A model looks at few.
MAX_IMAGES = 20

#: Bytes of one picture: the message that carries it has little more.
MAX_IMAGE = 1 << 20

#: Pixels of the longer side of a larger one: models look at no more.
MAX_SIDE = 1600

#: What is tried then: a palette, and parts of the width.
COLOURS, SCALES = 256, (1, 2, 4)

#: Bytes of all pictures of one run: base64 of them stays below usual limits of a message, 16 MiB.
MAX_BYTES = 8 << 20

#: Why a picture was left out.
_TOO_MANY = f"pictures after the first {MAX_IMAGES} are left out"
_TOO_LARGE = f"a picture was left out: one has at most {MAX_IMAGE >> 20} MiB, all together {MAX_BYTES >> 20}. Use a smaller figsize or dpi"


class Sent:
    """What was sent of the run's pictures."""

    count = 0
    size = 0
    is_full = False
    figures = weakref.WeakSet()


def send(png: bytes) -> None:
    """Sends a picture if there is room for it."""
    if Sent.count >= MAX_IMAGES:
        if not Sent.is_full:
            output.note(_TOO_MANY)
        Sent.is_full = True
        return
    data = fitted(png)
    if data is None or Sent.size + len(data) > MAX_BYTES:
        output.note(_TOO_LARGE)
        return
    Sent.count += 1
    Sent.size += len(data)
    output.flush()
    door.send("image", data, mimeType="image/png")


def fitted(png: bytes) -> bytes | None:
    """A picture as it is if it is small enough, else with fewer colours, and if need be smaller."""
    if len(png) <= MAX_IMAGE:
        return png
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        whole = image.convert("RGB")
    whole.thumbnail((MAX_SIDE, MAX_SIDE))
    for scale in SCALES:
        size = [max(1, pixels // scale) for pixels in whole.size]
        file = io.BytesIO()
        whole.resize(size).quantize(COLOURS, Image.Quantize.FASTOCTREE).save(file, "PNG")
        if file.tell() <= MAX_IMAGE:
            return file.getvalue()
    return None


def png_of(value: object) -> bytes | None:
    """The PNG of an object that has one."""
    if is_figure(value):
        return draw(value)
    own = getattr(type(value), "_repr_png_", None)
    png = own(value) if own is not None else None
    if isinstance(png, tuple):  # with metadata
        png = png[0]
    return bytes(png) if isinstance(png, (bytes, bytearray)) else None


def is_figure(value: object) -> bool:
    figure = sys.modules.get("matplotlib.figure")
    return figure is not None and isinstance(value, figure.Figure)


def draw(figure) -> bytes:
    """A figure as it is saved, in PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def show_open() -> None:
    """Sends the open figures, and closes them."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    for number in pyplot.get_fignums() if pyplot else ():
        figure = pyplot.figure(number)
        try:
            send_figure(figure)
        finally:
            pyplot.close(figure)


def show_value(value: object) -> None:
    """Sends what the value of a program is a picture of; figures that are open come anyway."""
    values = value[:MAX_IMAGES] if type(value) in (list, tuple) else [value]
    for one in values:
        try:
            png = None if is_pending(one) else png_of(one)
        except Exception:  # the object does not want to be looked at: it has a repr() still
            png = None
        if png is not None:
            send(png)


def is_pending(value: object) -> bool:
    """Whether a figure was shown, or is open and will be."""
    if not is_figure(value):
        return False
    pyplot = sys.modules.get("matplotlib.pyplot")
    number = getattr(value, "number", None)
    return value in Sent.figures or pyplot is not None and number is not None and pyplot.fignum_exists(number)


def send_figure(figure) -> None:
    """Draws and sends a figure, unless there is no room for any."""
    Sent.figures.add(figure)
    if not Sent.is_full:
        send(draw(figure))


def display(*values: object) -> None:
    """The builtin display(): pictures as pictures, tables as tables, everything else by repr()."""
    for value in values:
        if is_figure(value):
            send_figure(value)
            sys.modules["matplotlib.pyplot"].close(value)
        elif (png := png_of(value)) is not None:
            send(png)
        elif hasattr(type(value), "to_string"):
            print(value.to_string())
        else:
            print(value if isinstance(value, str) else repr(value))


def show(*args, **kwargs) -> None:
    """Replaces pyplot.show."""
    show_open()


def show_figure(figure, warn: bool = True) -> None:
    """Replaces Figure.show."""
    display(figure)


def use_agg(backend: str, *, force: bool = True) -> None:
    """Replaces matplotlib.use: what needs a window is drawn without one."""
    try:
        _use[0](backend, force=force)
    except ImportError:
        _use[0]("agg", force=force)


#: matplotlib.use itself.
_use: list = []


def show_image(image, title: str | None = None) -> None:
    """Replaces Image.show of pillow."""
    display(image)


def preload() -> None:
    """Imports matplotlib without the directories of a user, which it would make for its caches."""
    data = Path(importlib.util.find_spec("matplotlib").origin).parent / "mpl-data" / "matplotlibrc"
    environment, os.environ = os.environ, {"MPLBACKEND": "Agg", "MATPLOTLIBRC": str(data)}
    command, subprocess.check_output = subprocess.check_output, no_command
    logging.disable()
    try:
        import matplotlib

        matplotlib.get_cachedir = matplotlib.get_configdir = lambda: "/usr/local/lib/matplotlib"
        with heads_of_fonts(import_module("matplotlib._afm")):
            import matplotlib.pyplot

        _use[:] = [matplotlib.use]
        matplotlib.use = use_agg
    finally:
        logging.disable(logging.NOTSET)
        os.environ, subprocess.check_output = environment, command


@contextmanager
def heads_of_fonts(afm):
    """Lets the heads of AFM fonts be read only, for the list of fonts: a tenth of all imports otherwise."""
    parsers = afm._parse_char_metrics, afm._parse_optional
    afm._parse_char_metrics = afm._parse_optional = lambda file: ({}, {})
    try:
        yield
    finally:
        afm._parse_char_metrics, afm._parse_optional = parsers


def no_command(*args, **kwargs):
    """Replaces subprocess.check_output while fonts of the machine are looked for."""
    raise FileNotFoundError(args)


def module(name: str) -> types.ModuleType:
    """A new module that can be imported."""
    made = sys.modules[name] = types.ModuleType(name)
    made.__spec__ = ModuleSpec(name, None)
    return made


def install() -> None:
    """Patches what would open a window, and what notebooks import."""
    builtins.display = display
    notebook, shown = module("IPython"), module("IPython.display")
    notebook.display, notebook.__path__, shown.display = shown, [], display
    notebook.version_info, notebook.get_ipython = (9, 0, 0), lambda: None  # libraries look whether they are in one
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].show = show
        sys.modules["matplotlib.figure"].Figure.show = show_figure
    if "PIL.Image" in sys.modules:
        sys.modules["PIL.Image"].Image.show = show_image
