"""Objects as `_members_py` has them: names, values as they were sent, and the Shapes of their names."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from json import loads
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MAX_DEPTH = 128
#: An object with more names has a Shape of its own, and nothing about it is remembered.
MAX_SHARED_NAMES = 256
#: Over all shapes; beyond it they are forgotten, and met anew.
MAX_REMEMBERED_NAMES = 200_000

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BLANKS = b" \t\r\n"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_UNICODE_ESCAPE = re.compile(rb"^(?:[^\\]|\\[^u])*\\u", re.DOTALL)
_PLAIN_NUMBER = 300


class Shape:
    """The names of an object, in order. shared: others with these names have this very Shape while it is remembered."""

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self.shared = len(names) <= MAX_SHARED_NAMES
        self._decided: dict[Any, Any] = {}

    @property
    def digest(self) -> bytes:
        """16 bytes, other ones for other names or another order; stays the same when the Shape is forgotten."""
        text = b"".join(msgspec.json.encode(name) + b":" for name in self.names)
        return blake2b(text, digest_size=16).digest()

    def decision(self, decide: Callable[["Shape"], T]) -> T:
        """What `decide` says of this shape; it is asked once. It must be a function of the names alone, and its answer
        must not hold any Members."""
        if decide not in self._decided:
            self._decided[decide] = decide(self)
        found: T = self._decided[decide]
        return found

    def picker(self, pairs: "Pairs", given: "Shape | None" = None) -> "Picker":
        """How to make another object of some of these members: (name here, name there); None here is the member that
        another object, which is given besides, has under the name there. Raises KeyError or ValueError for a name that
        is not here, or given twice there."""
        return Picker(self, pairs, given)


Pairs = Sequence[tuple[str | None, str]]


class Picker:
    """Made by `Shape.picker`; `shape` is that of the object it makes."""

    def __init__(self, source: Shape, pairs: Pairs, given: Shape | None = None):
        self.source, self.given = source, given
        self.pairs = tuple(pairs)
        for name, target in pairs:
            if target not in given.names if name is None and given else name not in source.names:
                raise KeyError(name)
        self.shape = shape_of(tuple(target for _, target in pairs))
        if len(set(self.shape.names)) != len(self.shape.names):
            raise ValueError("a name is picked twice")


@lru_cache(4096)
def shape_of(names: tuple[str, ...]) -> Shape:
    """The Shape of these names."""
    return Shape(names)


class Members(MutableMapping[str, msgspec.Raw]):
    """name -> value, in the order of the text; a name given twice stands where it first stood, with the last value.

    Values are JSON without blanks around it, as msgspec.Raw, or as bytes where a method says so. Both are taken.
    """

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, bytes]):
        self._values = values

    @property
    def shape(self) -> Shape:
        """That of the names as they are now."""
        return shape_of(tuple(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._values))

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> msgspec.Raw:
        return msgspec.Raw(self._values[name])

    def __setitem__(self, name: str, value: msgspec.Raw | bytes) -> None:
        self._values[name] = bytes(value)

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __eq__(self, other: object) -> bool:
        """The same names with the same bytes; order does not matter."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return self._values == {name: bytes(value) for name, value in other.items()}

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Members({self.encoded()!r})"

    def raw(self, name: str) -> bytes | None:
        """A value's bytes."""
        return self._values.get(name)

    def common(self, name: str) -> bytes | None:
        """As `raw`; mostly one object for all that say the same, whose hash is known."""
        return self._values.get(name)

    def opens(self, name: str) -> int:
        """The first byte of a value, which tells its kind; 0 when there is none."""
        value = self._values.get(name)
        return value[0] if value else 0

    def plain_text(self, name: str) -> str | None:
        """A value that is a string without escapes."""
        value = self._values.get(name, b"")
        return value[1:-1].decode() if value[:1] == b'"' and b"\\" not in value else None

    def inner(self, name: str) -> "Members | None":
        """The members of a value that is an object; None when they are declined, or it is something else."""
        value = self._values.get(name, b"")
        return members(value) if value[:1] == b"{" else None

    def drop(self, names: Iterable[str]) -> None:
        """Remove those of `names` that are there."""
        for name in names:
            self._values.pop(name, None)

    def copy(self) -> "Members":
        """Another object with the same members."""
        return Members(dict(self._values))

    def encoded(self) -> bytes:
        """The object, without blanks between its members."""
        return b"{%s}" % b",".join(msgspec.json.encode(name) + b":" + value for name, value in self._values.items())

    def size(self) -> int:
        """Bytes of names and values, and four for each member."""
        return sum(len(msgspec.json.encode(name)) + len(value) + 2 for name, value in self._values.items())

    def warm(self) -> int:
        """Say that this will be read soon, so that a processor fetches it while it does other work; here, nothing.
        Returns 0."""
        return 0

    def is_plain(self) -> bool:
        """No value holds a `\\u`, an exponent, a number of over 300 digits, or anything nested."""
        return all(is_plain_value(value) for value in self._values.values())

    def picked(self, picker: Picker, given: "Members | None" = None) -> "Members":
        """The object that a picker of this shape makes, and of that of what is given besides. Raises ValueError for one
        of another."""
        if picker.source.names != tuple(self._values) or _names(picker.given) != _names(
            None if given is None else given.shape
        ):
            raise ValueError("a picker of another shape")
        besides = {} if given is None else given._values
        return Members(
            {target: besides[target] if name is None else self._values[name] for name, target in picker.pairs}
        )

    def merged(self, other: "Members") -> "Members":
        """Both; the other's values win. Names keep the place where they first stood."""
        return Members(self._values | other._values)

    def completed(self, other: "Members") -> "Members":
        """Both; our values win."""
        return Members(self._values | {name: value for name, value in other._values.items() if name not in self})

    def differing(self, other: "Members") -> "Members":
        """The other's members that are missing here or not the same, as JavaScript's `===` has it of parsed values:
        objects and arrays never are, `1` and `1.0` are. A number that no double can hold is like none."""
        values = {
            name: value
            for name, value in other._values.items()
            if name not in self._values or not _is_same(value, self._values[name])
        }
        return Members(values)

    def filling(self, other: "Members", but: "Members") -> "Members":
        """The other's members that are missing here, or null here only; without those named in `but`."""
        values = {
            name: value
            for name, value in other._values.items()
            if name not in but and (name not in self or (self.raw(name) == b"null" != value))
        }
        return Members(values)


def _names(shape: Shape | None) -> tuple[str, ...] | None:
    return None if shape is None else shape.names


def _is_same(one: bytes, other: bytes) -> bool:
    if one[:1] in (b"{", b"["):
        return False
    if one == other:
        return True
    try:
        first, second = msgspec.json.decode(one), msgspec.json.decode(other)
    except (msgspec.MsgspecError, RecursionError):  # 1e400 is JSON, but no Python number
        return False
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)


def members(text: bytes) -> Members | None:
    """The members of a JSON object; None when it is declined, or something else."""
    return Members(values_of(text)) if text.lstrip(_BLANKS)[:1] == b"{" and _is_fit(text) else None


def members_of(pairs: Mapping[str, msgspec.Raw | bytes]) -> Members:
    """An object of these members."""
    return Members({name: bytes(value) for name, value in pairs.items()})


def values_of(text: bytes) -> dict[str, bytes]:
    """Of an object that is JSON: each as it was sent, without blanks around it."""
    return {name: bytes(value).strip(_BLANKS) for name, value in _object.decode(text).items()}


def _is_fit(text: bytes) -> bool:
    """JSON in UTF-8 without half a surrogate pair, and not too deep."""
    depth = 0
    try:
        text.decode()
        _object.decode(text)
        for token in _TOKEN.finditer(text):
            depth += (token[0] in b"{[") - (token[0] in b"}]")
            if depth > MAX_DEPTH or (token[0][:1] == b'"' and b"\\u" in token[0] and _has_half(token[0])):
                return False
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _has_half(string: bytes) -> bool:
    return any(0xD800 <= ord(character) <= 0xDFFF for character in loads(string))


def is_simple(text: bytes, fields: Collection[bytes]) -> bool:
    """Whether no name of an object holds an escape, and none of `fields` is there twice."""
    names: list[bytes] = []
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] in b"{[") - (token[0] in b"}]")
        if depth == 1 and token[0][:1] == b'"' and text[token.end() :].lstrip(_BLANKS)[:1] == b":":
            names.append(token[0][1:-1])
    return not any(b"\\" in name for name in names) and all(names.count(name) < 2 for name in fields)


def is_plain_value(value: bytes) -> bool:
    """Of one value, as `Members.is_plain`."""
    if value[:1] == b'"':
        return _UNICODE_ESCAPE.search(value) is None
    if value[:1] in (b"t", b"f", b"n") or value in (b"{}", b"[]"):
        return True
    return value[:1] not in (b"{", b"[") and len(value) <= _PLAIN_NUMBER and b"e" not in value.lower()
