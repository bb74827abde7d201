"""Where the parts of a large AI event are kept, and how the event refers to them: PostHog's shapes.

    blob        llma/<digest of the token>/<uuid of the event>/<digest of the parts>
                multipart/mixed: one part for each property, as it was sent
    property    s3://<bucket>/<key of the blob>?range=<first byte>-<last byte>
                the part's headers and its content, both ends included, without boundaries

The key follows from what is stored: the same event sent again is the same blob, and other parts under the same uuid
cannot take its place. The digest of the parts makes a reference something that only a reader of the event knows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

PREFIX = "llma/"
_KEY = rf"{PREFIX}[0-9a-f]{{16}}/([0-9a-f-]{{36}})/[0-9a-f]{{32}}"
#: Of the key alone, in text where references stand among others; ClickHouse reads it too.
KEY_IN_TEXT = _KEY.replace("(", "(?:")
_REFERENCE = re.compile(rf"s3://[^/?]+/(?P<key>{_KEY})\?range=(?P<first>\d{{1,12}})-(?P<last>\d{{1,12}})")
_NOT_IN_A_HEADER = re.compile(r'[\x00-\x1f\x7f"]')
_ANY_BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class BlobPart:
    """The value of the property `name`. `kind` and `coding` are its Content-Type and Content-Encoding, or empty."""

    name: str
    kind: str
    coding: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BlobDocument:
    """What is stored under `key`; `references` has the value of each property in the event."""

    key: str
    body: bytes
    references: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reference:
    """Bytes `start` to `start + length` of a blob, which belongs to the event `uuid`."""

    key: str
    uuid: str
    start: int
    length: int


def document(token: str, uuid: str, parts: Sequence[BlobPart], bucket: str) -> BlobDocument:
    """The parts of one event, as one blob. uuid: in its canonical form."""
    digest = _digest(parts)
    key = f"{PREFIX}{sha256(token.encode()).hexdigest()[:16]}/{uuid}/{digest}"
    boundary = f"--hedgerow-{digest}".encode()  # nobody can write into a part what follows from all of them
    pieces: list[bytes] = []
    references: dict[str, str] = {}
    at = 0
    for part in parts:
        head = _head(part)
        start = at + len(boundary) + 2
        end = start + len(head) + len(part.body)
        pieces += [boundary, b"\r\n", head, part.body, b"\r\n"]
        references[part.name] = f"s3://{bucket}/{key}?range={start}-{end - 1}"
        at = end + 2
    return BlobDocument(key, b"".join([*pieces, boundary, b"--\r\n"]), references)


def reference_in(value: object) -> Reference | None:
    """Where the value of a property is, if it is kept apart."""
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    start, last = int(found["first"]), int(found["last"])
    return Reference(found["key"], found[2], start, last - start + 1) if last >= start else None


def part_in(stored: bytes) -> BlobPart | None:
    """The part that stands in the range of a reference; None for bytes that `document` did not write there."""
    head, found, body = stored.partition(b"\r\n\r\n")
    headers = dict(line.partition(": ")[::2] for line in head.decode(errors="replace").split("\r\n"))
    name = re.fullmatch(r'form-data; name="([^"]*)"', headers.get("Content-Disposition", ""))
    if not found or name is None:
        return None
    return BlobPart(name[1], headers.get("Content-Type", _ANY_BYTES), headers.get("Content-Encoding", ""), body)


def _digest(parts: Sequence[BlobPart]) -> str:
    digest = sha256()
    for part in parts:
        for field in (part.name.encode(), part.kind.encode(), part.coding.encode(), part.body):
            digest.update(b"%d:" % len(field))
            digest.update(field)
    return digest.hexdigest()[:32]


def _head(part: BlobPart) -> bytes:
    lines = [
        f'Content-Disposition: form-data; name="{_NOT_IN_A_HEADER.sub(_escaped, part.name)}"',
        f"Content-Type: {_NOT_IN_A_HEADER.sub(_escaped, part.kind) or _ANY_BYTES}",
    ]
    if part.coding:
        lines.append(f"Content-Encoding: {_NOT_IN_A_HEADER.sub(_escaped, part.coding)}")
    return "\r\n".join([*lines, "", ""]).encode()


def _escaped(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"  # as browsers write names in forms
