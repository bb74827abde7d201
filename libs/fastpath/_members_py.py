"""A JSON object taken apart at its top level: names, and values as the sender wrote them. Reference for `_members.pyx`.

A reader accepts or declines, as in docs/adr/0010: what it accepts is what msgspec makes of the same text; text that is
no JSON, holds half a surrogate pair or is nested deeper than MAX_DEPTH is declined, and read the slow way by the caller.

Objects with the same names in the same order share a Shape, so that whatever follows from names alone is decided once.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

MAX_DEPTH = 128
#: An object with more names has a Shape of its own, and nothing about it is remembered.
MAX_SHARED_NAMES = 256
#: Over all shapes; beyond it they are forgotten, and met anew.
MAX_REMEMBERED_NAMES = 200_000

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_HALF = re.compile(
    rb'(?<!\\)(?:\\\\)*(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])'
    rb'|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})'
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLAIN_NUMBER = 300


class Shape:
    """The names of an object, in order. shared: others with the same names have the same Shape, while it is remembered."""

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

    def picker(self, pairs: Sequence[tuple[str, str]]) -> "Picker":
        """How to make another object of some of these members: (name here, name there). Raises KeyError or ValueError
        for a name that is not here, or given twice there."""
        return Picker(self, pairs)


class Picker:
    """Made by `Shape.picker`; `shape` is that of the object it makes."""

    def __init__(self, source: Shape, pairs: Sequence[tuple[str, str]]):
        self.source = source
        self.pairs = tuple(pairs)
        for name, _ in pairs:
            if name not in source.names:
                raise KeyError(name)
        self.shape = _shape(tuple(target for _, target in pairs))
        if len(set(self.shape.names)) != len(self.shape.names):
            raise ValueError("a name is picked twice")


@lru_cache(4096)
def _shape(names: tuple[str, ...]) -> Shape:
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
        return _shape(tuple(self._values))

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

    def opens(self, name: str) -> int:
        """The first byte of a value, which tells its kind; 0 when there is none."""
        value = self._values.get(name)
        return value[0] if value else 0

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

    def is_plain(self) -> bool:
        """No value holds a `\\u`, an exponent, a number of over 300 digits, or anything nested."""
        return all(_is_plain(value) for value in self._values.values())

    def picked(self, picker: Picker) -> "Members":
        """The object that a picker of this shape makes. Raises ValueError for one of another."""
        if picker.source.names != tuple(self._values):
            raise ValueError("a picker of another shape")
        return Members({target: self._values[name] for name, target in picker.pairs})

    def merged(self, other: "Members") -> "Members":
        """Both; the other's values win. Names keep the place where they first stood."""
        return Members(self._values | other._values)

    def completed(self, other: "Members") -> "Members":
        """Both; our values win."""
        return Members(self._values | {name: value for name, value in other._values.items() if name not in self})

    def differing(self, other: "Members") -> list[str]:
        """The other's names whose value is another here or missing; objects and arrays always count as another."""
        return [
            name for name, value in other._values.items() if value[:1] in (b"{", b"[") or self._values.get(name) != value
        ]

    def filling(self, other: "Members") -> list[str]:
        """The other's names that are missing here or null."""
        return [name for name in other if self.raw(name) in (None, b"null")]


def members(text: bytes) -> Members | None:
    """The members of a JSON object; None when it is declined, or something else."""
    if not _acceptable(text) or text.lstrip()[:1] != b"{":
        return None
    return Members(_values(text))


def members_of(pairs: Mapping[str, msgspec.Raw | bytes]) -> Members:
    """An object of these members."""
    return Members({name: bytes(value) for name, value in pairs.items()})


def captured(
    value: bytes,
) -> (
    tuple[str, str, str, str, str, str, str, str | None, bool, bytes | None, bytes | None, Members] | None
):
    """A record of events_plugin_ingestion: uuid (in lower case), event, distinct_id, token, ip, timestamp, now,
    sent_at, historical_migration, the raw `$set` and `$set_once` beside the properties, and the properties.

    None when it is declined: besides what `members` declines, a field that is missing, of another type or twice there,
    a uuid in another form than 36 characters, `data` or `properties` that are no objects.
    """
    outer = members(value)
    if outer is None or _names(value) != list(outer) or outer.opens("data") != ord("{"):
        return None
    texts = [_text(outer, name) for name in ("uuid", "event", "distinct_id", "token", "ip", "timestamp", "now")]
    uuid, *others = texts
    if uuid is None or not _UUID.fullmatch(uuid) or None in others:
        return None
    if outer.opens("sent_at") not in (0, ord('"'), ord("n")):
        return None
    for name in ("historical_migration", "is_cookieless_mode"):
        if outer.raw(name) not in (None, b"true", b"false"):
            return None
    data = outer.raw("data") or b""
    inner = Members(_values(data))
    properties = inner.raw("properties") or b"{}"
    if _names(data) != list(inner) or properties[:1] != b"{":
        return None
    event, distinct_id, token, ip, timestamp, now = (text or "" for text in others)
    historical = outer.raw("historical_migration") == b"true"
    return (
        *(uuid.lower(), event, distinct_id, token, ip, timestamp, now, _text(outer, "sent_at"), historical),
        *(inner.raw("$set"), inner.raw("$set_once"), Members(_values(properties))),
    )


def _values(text: bytes) -> dict[str, bytes]:
    return {name: bytes(value).strip() for name, value in _object.decode(text).items()}


def _text(outer: Members, name: str) -> str | None:
    return msgspec.json.decode(outer[name], type=str) if outer.opens(name) == ord('"') else None
