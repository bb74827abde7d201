"""`$exception` events: what kind of mistake it is, so that all of one kind become one issue. No I/O.

Stack traces are taken as they are sent: nothing is symbolicated, so functions of minified JavaScript are told apart by
line and column.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.cdp.raw_json import Properties, encode, text_of

EVENT = "$exception"
MAX_FINGERPRINT = 512
MAX_EXCEPTIONS = 50
MAX_FRAMES = 500
_DERIVED = (
    "$exception_proposed_fingerprint",
    "$exception_fingerprint_record",
    "$exception_issue_id",
    "$exception_types",
    "$exception_values",
    "$exception_sources",
    "$exception_functions",
    "$exception_handled",
    "$exception_releases",
    "$cymbal_errors",
)


@dataclass(slots=True)
class Exceptional:
    """What an event says went wrong. fingerprint: None when it says nothing that can be understood; then `errors` says
    why. name, description: of the issue, when it is the first of its kind."""

    fingerprint: str | None = None
    proposed: str | None = None
    record: list[dict[str, Any]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    handled: bool = False
    errors: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The first type, as a heading."""
        return self.types[0] if self.types else "Unknown"

    @property
    def description(self) -> str:
        """The first message."""
        return self.values[0] if self.values else ""


def exceptional(properties: Properties) -> Exceptional:
    """Of an `$exception` event. A fingerprint that the sender has chosen counts, one that is too long by its hash."""
    found = Exceptional()
    exceptions = _exceptions(properties, found)
    if not exceptions:
        return found
    hasher = hashlib.sha512()
    for exception in exceptions:
        _hash(exception, hasher, found)
    found.proposed = hasher.hexdigest()
    manual = text_of(properties.get("$exception_fingerprint"))
    if manual:
        found.record = [{"type": "manual"}]
    found.fingerprint = manual or found.proposed
    if len(found.fingerprint) > MAX_FINGERPRINT or "\0" in found.fingerprint:
        found.fingerprint = hashlib.sha512(found.fingerprint.encode()).hexdigest()
    return found


def described(properties: Properties, found: Exceptional, issue_id: str | None) -> None:
    """Put onto the event what was found. What its sender says of the same is not believed."""
    for name in _DERIVED:
        properties.pop(name, None)
    if found.errors:
        properties["$cymbal_errors"] = encode(found.errors)
    if found.fingerprint is None:
        return
    properties["$exception_fingerprint"] = encode(found.fingerprint)
    properties["$exception_proposed_fingerprint"] = encode(found.proposed)
    properties["$exception_fingerprint_record"] = encode(found.record)
    properties["$exception_issue_id"] = encode(issue_id)
    properties["$exception_types"] = encode(found.types)
    properties["$exception_values"] = encode(found.values)
    properties["$exception_sources"] = encode(found.sources)
    properties["$exception_functions"] = encode(found.functions)
    properties["$exception_handled"] = encode(found.handled)


def _exceptions(properties: Properties, found: Exceptional) -> list[dict[str, Any]]:
    raw = properties.get("$exception_list")
    try:
        listed = msgspec.json.decode(raw) if raw is not None else None
    except (msgspec.MsgspecError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        found.errors.append("$exception_list is missing or is no list")
        return []
    exceptions = [each for each in listed if isinstance(each, dict)][:MAX_EXCEPTIONS]
    if not exceptions:
        found.errors.append("$exception_list is empty")
    return exceptions


def _hash(exception: dict[str, Any], hasher: Any, found: Exceptional) -> None:
    kind, value = _text(exception.get("type")) or "Error", _text(exception.get("value"))
    mechanism = exception.get("mechanism")
    handled = isinstance(mechanism, dict) and mechanism.get("handled") is True
    found.handled = handled if not found.types else found.handled
    _once(found.types, kind)
    _once(found.values, value)
    pieces = ["Exception Type"]
    hasher.update(kind.encode())
    frames = _frames(exception)
    if not frames:
        pieces.append("Exception Message")
        hasher.update(value.encode())
    found.record.append({"type": "exception", "id": None, "pieces": pieces})
    for frame in frames:
        _once(found.sources, frame.source)
        _once(found.functions, frame.function)
    for frame in _telling(frames):
        found.record.append({"type": "frame", "raw_id": frame.raw_id, "pieces": [name for name, _ in frame.parts]})
        for _, part in frame.parts:
            hasher.update(part.encode())


@dataclass(frozen=True, slots=True)
class _Frame:
    function: str
    source: str
    line: str
    column: str
    language: str
    in_app: bool
    resolved: bool

    @property
    def parts(self) -> list[tuple[str, str]]:
        """What tells it from another frame, with what that is."""
        if self.resolved:
            parts = [("Function name", self.function), ("Source file name", self.source)]
        else:
            parts = [
                ("Mangled function name", self.function),
                ("Source file name", self.source),
                ("Line number", self.line),
                ("Column number", self.column),
                ("Language", self.language),
            ]
        return [(name, part) for name, part in parts if part]

    @property
    def raw_id(self) -> str:
        """The same for the same place."""
        whole = "\0".join((self.function, self.source, self.line, self.column, self.language))
        return hashlib.sha512(whole.encode()).hexdigest()[:64]


def _frames(exception: dict[str, Any]) -> list[_Frame]:
    trace = exception.get("stacktrace")
    listed = trace.get("frames") if isinstance(trace, dict) else None
    return [_frame(each) for each in listed[:MAX_FRAMES] if isinstance(each, dict)] if isinstance(listed, list) else []


def _frame(said: dict[str, Any]) -> _Frame:
    language = _text(said.get("lang") or said.get("platform"))
    resolved = said.get("resolved")
    return _Frame(
        function=_text(said.get("resolved_name") or said.get("function") or said.get("mangled_name")),
        source=_text(said.get("source") or said.get("filename") or said.get("abs_path")),
        line=_text(said.get("line") or said.get("lineno")),
        column=_text(said.get("column") or said.get("colno")),
        language=language,
        in_app=said.get("in_app") is not False,
        resolved=resolved if isinstance(resolved, bool) else "javascript" not in language,
    )


def _telling(frames: list[_Frame]) -> Iterator[_Frame]:
    """Those of the application, and of these the readable ones; where none is the application's, the first."""
    own = [frame for frame in frames if frame.in_app] or frames[:1]
    readable = [frame for frame in own if frame.resolved]
    yield from readable or own


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _once(into: list[str], value: str) -> None:
    if value and value not in into:
        into.append(value)
