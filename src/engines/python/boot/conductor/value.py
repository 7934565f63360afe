"""A program's value as JSON text. What JSON cannot hold becomes something readable instead of a failure:

None, NaN, infinities               null
int beyond 2**53 - 1                its digits, as a string
tuple, list, range, deque, views    an array; a set too, sorted if it can be
mapping, namedtuple, dataclass      an object
Enum                                its value
bytes                               base64
date, datetime, time                ISO 8601; timedelta: seconds
Decimal, Fraction, complex, UUID, Path    as str() has them
an exception                        {name, message}
DataFrame                           records; Series: an object; of numpy what tolist() has
a circular reference                "[Circular]"
a repr() that raises                "[Thrown: ...]"
everything else                     repr() without addresses; iterators are not consumed

The text is bounded while it grows: a small value can describe a huge one.
"""

import base64
import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import pathlib
import re
import sys
import uuid

#: The largest integer that JSON's readers keep exactly (RFC 8259, section 6).
MAX_SAFE = 2**53 - 1

#: Elements that are written at once: a piece of text between two looks at the limit.
BLOCK = 4096

#: Rows of a DataFrame that are part of a value. More are a file's business.
MAX_ROWS = 1000

#: Python frames for a level of nesting, and for what a repr() may need.
FRAMES_PER_LEVEL, FRAMES_OF_A_REPR = 8, 1000

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PLAIN = frozenset((str, int, float, bool, type(None)))
_USUAL = frozenset((dict, list, tuple))
_LISTS = (list, tuple, range, collections.deque)
_VIEWS = (collections.abc.KeysView, collections.abc.ValuesView, collections.abc.ItemsView)
_TIMES = (datetime.datetime, datetime.date, datetime.time)
_TEXTS = (decimal.Decimal, fractions.Fraction, uuid.UUID, pathlib.PurePath, complex)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode


class Exceeded(BaseException):
    """The value is beyond a limit. A BaseException: no `except Exception` of a program sees it."""

    def __init__(self, limit: str):
        super().__init__(limit)
        self.limit = limit


def to_json(value: object, max_bytes: int, max_depth: int) -> tuple[bytes, list[str]]:
    """The value as JSON text, and notes about what was left out. Raises `Exceeded`."""
    frames, digits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    sys.setrecursionlimit(max(frames, max_depth * FRAMES_PER_LEVEL + FRAMES_OF_A_REPR))
    sys.set_int_max_str_digits(0)
    try:
        writer = Writer(max_bytes, max_depth)
        writer.value(value, 0)
        text = "".join(writer.parts).encode("utf-8", "replace")
        if len(text) > max_bytes:
            raise Exceeded("valueSize")
        return text, writer.notes
    finally:
        sys.setrecursionlimit(frames)
        sys.set_int_max_str_digits(digits)


class Writer:
    """Writes one value."""

    def __init__(self, max_bytes: int, max_depth: int):
        self.left = max_bytes
        self.max_depth = max_depth
        self.parts: list[str] = []
        self.notes: list[str] = []
        self.open: set[int] = set()

    def text(self, text: str) -> None:
        """The only place where the JSON text grows."""
        self.room(len(text))
        self.parts.append(text)

    def room(self, size: int) -> None:
        """Whether that much may still come."""
        self.left -= size
        if self.left < 0:
            raise Exceeded("valueSize")

    def expect(self, size: int) -> None:
        """Refuses what is sure to be too long before it is made."""
        if size > self.left:
            raise Exceeded("valueSize")

    def string(self, text: str) -> None:
        self.expect(len(text))
        self.text(_encode(well_formed(text)))

    def value(self, value: object, depth: int) -> None:
        """Writes a value; what raises on the way is written as thrown."""
        if value is None or value is True or value is False:
            self.text(_encode(value))
        elif type(value) is str:
            self.string(value)
        elif type(value) is int:
            self.integer(value)
        elif type(value) is float:
            self.text(_encode(value) if math.isfinite(value) else "null")
        else:
            self.attempt(value, depth)

    def attempt(self, value: object, depth: int) -> None:
        parts, left = len(self.parts), self.left
        try:
            if type(value) in _USUAL:
                self.container(value, depth)
            else:
                self.other(value, depth)
        except MemoryError:
            raise
        except Exception as error:
            del self.parts[parts:]
            self.left = left
            self.string(thrown(error))

    def integer(self, value: int) -> None:
        if -MAX_SAFE <= value <= MAX_SAFE:
            self.text(int.__repr__(value))
        else:
            self.expect(int(int.bit_length(value) * 0.3010))
            self.string(int.__repr__(value))

    def other(self, value: object, depth: int) -> None:
        """Whatever is not exactly one of the types of JSON."""
        if isinstance(value, enum.Enum):
            self.value(value.value, depth)
        elif isinstance(value, int):
            self.integer(int(value))
        elif isinstance(value, float):
            self.value(float(value), depth)
        elif isinstance(value, str):
            self.string(str.__str__(value))
        elif isinstance(value, (bytes, bytearray, memoryview)):
            self.expect(memoryview(value).nbytes * 4 // 3)
            self.text(f'"{base64.b64encode(bytes(value)).decode()}"')
        elif is_missing(value):
            self.text("null")
        elif isinstance(value, _TIMES):
            self.string(value.isoformat())
        elif isinstance(value, datetime.timedelta):
            self.value(value.total_seconds(), depth)
        elif isinstance(value, _TEXTS):
            self.string(str(value))
        elif isinstance(value, type):
            self.string(described(value))
        else:
            self.container(value, depth)

    def container(self, value: object, depth: int) -> None:
        write = self.writer_of(value)
        if write is None:
            self.string(described(value))
        elif id(value) in self.open:
            self.string("[Circular]")
        elif depth >= self.max_depth:
            raise Exceeded("valueDepth")
        else:
            self.open.add(id(value))
            try:
                write(value, depth + 1)
            finally:
                self.open.discard(id(value))

    def writer_of(self, value: object):
        """The method that writes what a value contains, if it contains something."""
        if type(value) in _USUAL:
            return self.mapping if type(value) is dict else self.array
        if isinstance(value, BaseException):
            return self.exception
        if isinstance(value, tuple) and hasattr(type(value), "_fields"):
            return self.named_tuple
        if isinstance(value, _LISTS) or isinstance(value, _VIEWS):
            return self.array
        if isinstance(value, collections.abc.Mapping):
            return self.mapping
        if dataclasses.is_dataclass(value):
            return self.dataclass
        if isinstance(value, collections.abc.Set):
            return self.set
        library = getattr(self, "_" + type(value).__module__.partition(".")[0], None)
        return library(value) if callable(library) else None

    def array(self, values, depth: int) -> None:
        self.expect(2 * len(values))
        values = values if type(values) in (list, tuple) else list(values)
        self.text("[")
        for begin in range(0, len(values), BLOCK):
            if begin:
                self.text(",")
            self.block(values[begin : begin + BLOCK], depth)
        self.text("]")

    def block(self, values, depth: int) -> None:
        """Some elements of an array: at once, if they are all plain."""
        text = plain_text(values)
        if text is not None:
            self.text(text[1:-1])
            return
        for index, value in enumerate(values):
            if index:
                self.text(",")
            self.value(value, depth)

    def mapping(self, values, depth: int) -> None:
        if type(values) is dict and len(values) <= BLOCK and all(type(k) is str and k.isascii() for k in values):
            text = plain_text(values)
            if text is not None:
                self.text(text)
                return
        self.pairs(((key(name), value) for name, value in list(values.items())), depth)

    def pairs(self, pairs, depth: int) -> None:
        self.text("{")
        separator = ""
        for name, value in pairs:
            self.text(separator)
            self.string(name)
            self.text(":")
            self.value(value, depth)
            separator = ","
        self.text("}")

    def set(self, values, depth: int) -> None:
        self.expect(2 * len(values))
        try:
            values = sorted(values)
        except Exception:  # what cannot be compared has no order
            values = list(values)
        self.array(values, depth)

    def named_tuple(self, value, depth: int) -> None:
        self.pairs(zip(type(value)._fields, value), depth)

    def dataclass(self, value, depth: int) -> None:
        self.pairs(((field.name, getattr(value, field.name)) for field in dataclasses.fields(value)), depth)

    def exception(self, value: BaseException, depth: int) -> None:
        self.pairs((("name", type(value).__name__), ("message", str(value))), depth)

    def _numpy(self, value: object):
        numpy = sys.modules["numpy"]
        return self.numbers if isinstance(value, (numpy.ndarray, numpy.generic)) else None

    def numbers(self, value, depth: int) -> None:
        """An array or a scalar of numpy. Times finer than Python's are cut to the microsecond."""
        self.expect(2 * value.size)
        if value.dtype.kind in "mM" and value.dtype.str[-4:-1] in ("[ns", "[ps", "[fs", "[as"):
            value = value.astype(f"{value.dtype.kind}8[us]")
        values = value.tolist()
        if type(values) is list:
            self.array(values, depth)
        else:
            self.value(values, depth)

    def _pandas(self, value: object):
        pandas = sys.modules["pandas"]
        if isinstance(value, pandas.DataFrame):
            return self.frame
        if isinstance(value, pandas.Series):
            return self.series
        if isinstance(value, (pandas.Index, pandas.api.extensions.ExtensionArray)):
            return lambda values, depth: self.array(list(values), depth)
        return lambda text, _: self.string(str(text)) if is_scalar(text) else self.string(described(text))

    def frame(self, value, depth: int) -> None:
        """Records; the index is among them if it is more than a count of the rows."""
        rows = len(value)
        if rows > MAX_ROWS:
            self.notes.append(
                f"the value has the first {MAX_ROWS:,} of the DataFrame's {rows:,} rows. "
                "Aggregate it, or write it to a file"
            )
            value = value.iloc[:MAX_ROWS]
        names, columns = columns_of(value)
        if depth + 1 > self.max_depth:
            raise Exceeded("valueDepth")
        self.text("[")
        for index, row in enumerate(zip(*columns)):
            if index:
                self.text(",")
            self.pairs(zip(names, row), depth + 1)
        self.text("]")

    def series(self, value, depth: int) -> None:
        """An object; of an index that repeats itself the pairs, so that nothing is lost."""
        values = value.astype(object).tolist()
        names = [key(name) for name in value.index.tolist()]
        if len(set(names)) == len(names):
            self.pairs(zip(names, values), depth)
        else:
            self.array([list(pair) for pair in zip(names, values)], depth)


def columns_of(frame) -> tuple[list[str], list[list]]:
    """The names and the values of a DataFrame's columns, the index first."""
    names = [key(name) for name in frame.columns]
    columns = [frame.iloc[:, index].astype(object).tolist() for index in range(len(names))]
    if type(frame.index).__name__ != "RangeIndex":
        levels = range(frame.index.nlevels)
        unnamed = "index" if len(levels) == 1 else "level_{}"
        given = frame.index.names
        names[:0] = [unnamed.format(n) if given[n] is None else key(given[n]) for n in levels]
        columns[:0] = [frame.index.get_level_values(level).astype(object).tolist() for level in levels]
    return unique(names), columns


def unique(names: list[str]) -> list[str]:
    """Names of which none hides another."""
    seen: set[str] = set()
    result = []
    for name in names:
        number = 1
        candidate = name
        while candidate in seen:
            candidate = f"{name}.{number}"
            number += 1
        seen.add(candidate)
        result.append(candidate)
    return result


def plain_text(values) -> str | None:
    """The JSON text of a container, if all in it are plain."""
    for value in values.values() if type(values) is dict else values:
        kind = type(value)
        if kind is str:
            if len(value) > BLOCK or not value.isascii():
                return None
        elif kind is int:
            if not -MAX_SAFE <= value <= MAX_SAFE:
                return None
        elif kind not in _PLAIN:
            return None
    try:
        return _encode(values)
    except ValueError:  # NaN or an infinity
        return None


def is_missing(value: object) -> bool:
    """pandas.NA and NaT, which is a datetime too."""
    return type(value).__name__ in ("NAType", "NaTType") and type(value).__module__.startswith("pandas")


def is_scalar(value: object) -> bool:
    """Period, Interval, Timestamp: what is one date or a span of them."""
    return type(value).__name__ in ("Period", "Interval", "Timestamp", "Timedelta")


def key(name: object) -> str:
    """A key as json.dumps makes it, else by str()."""
    if isinstance(name, enum.Enum):
        name = name.value
    if isinstance(name, str):
        return str.__str__(name)
    if name is None:
        return "null"
    if isinstance(name, bool):
        return "true" if name else "false"
    if isinstance(name, int):
        return int.__repr__(name)
    if isinstance(name, float):
        return json_float(name)
    return str(name)


def json_float(number: float) -> str:
    if math.isfinite(number):
        return float.__repr__(number)
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def described(value: object) -> str:
    """repr() without the addresses, which differ from run to run."""
    return _ADDRESS.sub("", repr(value))


def thrown(error: BaseException) -> str:
    """What stands in the place of something that raised."""
    try:
        return f"[Thrown: {type(error).__name__}: {error}]"
    except Exception:
        return f"[Thrown: {type(error).__name__}]"


def well_formed(text: str) -> str:
    """A text without lone surrogates, which UTF-8 does not have."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
