"""One document from many chunks.

The engine formats every chunk of a streamed result as a document of its own. Formats that are plain rows can be
joined as they are; of formats with a header only the first is kept; of the JSON documents the rows are taken and the
envelope is made here. Every other format (Parquet, Arrow, Pretty, XML...) is asked for in one piece.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Protocol

from hedgerow.embedded.clickhouse.sessions import Totals
from hedgerow.embedded.clickhouse.statements import tokens

_ROWS = frozenset(
    (
        *("tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "tskv", "lineasstring", "rawblob", "null"),
        *("jsoneachrow", "jsonlines", "ndjson", "jsonstringseachrow", "jsoncompacteachrow"),
        *("jsoncompactstringseachrow", "rowbinary", "native", "msgpack"),
    )
)
_HEADER_LINES = {
    "tabseparatedwithnames": 1,
    "tsvwithnames": 1,
    "tabseparatedrawwithnames": 1,
    "tsvrawwithnames": 1,
    "tabseparatedwithnamesandtypes": 2,
    "tsvwithnamesandtypes": 2,
    "tabseparatedrawwithnamesandtypes": 2,
    "tsvrawwithnamesandtypes": 2,
    "jsoncompacteachrowwithnames": 1,
    "jsoncompacteachrowwithnamesandtypes": 2,
    "jsoncompactstringseachrowwithnames": 1,
    "jsoncompactstringseachrowwithnamesandtypes": 2,
}
_DOCUMENTS = frozenset(("json", "jsoncompact", "jsonstrings", "jsoncompactstrings"))

CONTENT_TYPES = {
    "json": "application/json; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "tsv": "text/tab-separated-values; charset=UTF-8",
}


class Joiner(Protocol):
    """Chunks in, bytes of one document out."""

    def feed(self, chunk: bytes) -> bytes: ...
    def finish(self, totals: Totals) -> bytes: ...


class Rows:
    """Chunks that need nothing between them."""

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def finish(self, totals: Totals) -> bytes:
        return b""


@dataclass(slots=True)
class WithHeader:
    """Keeps the first header, drops the others. In these formats a line feed inside a name is escaped."""

    lines: int
    seen: bool = False

    def feed(self, chunk: bytes) -> bytes:
        if not self.seen:
            self.seen = True
            return chunk
        position = 0
        for _ in range(self.lines):
            position = chunk.find(b"\n", position) + 1
            if not position:
                return b""
        return chunk[position:]

    def finish(self, totals: Totals) -> bytes:
        return b""


# Inside a JSON string a line feed is escaped, and nested values are indented deeper, so these occur once.
_DATA = b'\n\t],\n\n\t"data":\n\t[\n'
_END = b'\n\t],\n\n\t"rows": '
_TOTALS = b'\n\t],\n\n\t"totals":'
_BEFORE_LIMIT = re.compile(rb'"rows_before_limit_at_least": (\d+)')


@dataclass(slots=True)
class Document:
    """JSON, JSONCompact and their Strings variants."""

    started: bool = False
    has_rows: bool = False
    before_limit: int | None = None
    after_rows: bytes = b""
    parts: list[bytes] = field(default_factory=list)

    def feed(self, chunk: bytes) -> bytes:
        if not chunk.startswith(b"{"):  # WITH TOTALS, extremes: what follows the rows, then an empty document
            self.after_rows = chunk.split(b'{\n\t"meta":')[0].removeprefix(b"\n\t]")
            return b""
        split = chunk.find(_DATA)
        if split < 0:
            return chunk
        begin, end = split + len(_DATA), chunk.rfind(_END)
        if match := _BEFORE_LIMIT.search(chunk, max(end, 0)):
            self.before_limit = (self.before_limit or 0) + int(match.group(1))
        rows = chunk[begin:end] if end >= begin else b""
        out = b"" if self.started else chunk[:begin]
        self.started = True
        if rows.strip():
            out += (b",\n" if self.has_rows else b"") + rows
            self.has_rows = True
        return out

    def finish(self, totals: Totals) -> bytes:
        if not self.started:
            return b""
        limit = "" if self.before_limit is None else f'\t"rows_before_limit_at_least": {self.before_limit},\n\n'
        statistics = (
            f'\t"statistics":\n\t{{\n\t\t"elapsed": {json.dumps(round(totals.elapsed, 9))},\n'
            f'\t\t"rows_read": {totals.read_rows},\n\t\t"bytes_read": {totals.read_bytes}\n\t}}\n}}\n'
        )
        return b"\n\t]" + self.after_rows + f',\n\n\t"rows": {totals.result_rows},\n\n{limit}{statistics}'.encode()


def joiner(output_format: str) -> Joiner | None:
    """How chunks of this format are joined, or None when it must be asked for in one piece."""
    name = output_format.lower()
    if name in _ROWS:
        return Rows()
    if name in _HEADER_LINES:
        return WithHeader(_HEADER_LINES[name])
    return Document() if name in _DOCUMENTS else None


def explicit_format(sql: str) -> str | None:
    """The format a statement names itself, in `... FORMAT name [SETTINGS ...]`."""
    place = _format_clause(sql)
    return sql[place[1] : place[2]] if place else None


def without_format(sql: str) -> str:
    """The statement without its FORMAT clause: over the native protocol the client formats."""
    place = _format_clause(sql)
    return sql[: place[0]] + sql[place[2] :] if place else sql


def _format_clause(sql: str) -> tuple[int, int, int] | None:
    """Where the clause begins, where its name begins and where that ends."""
    found = tokens(sql)
    for index in range(len(found) - 2, -1, -1):
        token, name = found[index], found[index + 1]
        after = found[index + 2].text if index + 2 < len(found) else ";"
        if token.text == "format" and token.kind == "word" and name.kind == "word" and after in (";", "settings"):
            return token.start, name.start, name.end
    return None


def content_type(output_format: str) -> str:
    """The HTTP content type."""
    name = output_format.lower()
    if name.startswith(("jsoneachrow", "jsoncompacteachrow", "jsonlines", "ndjson", "jsonstringseachrow")):
        return "application/x-ndjson; charset=UTF-8"
    if name.startswith("json"):
        return CONTENT_TYPES["json"]
    if name.startswith("csv"):
        return CONTENT_TYPES["csv"] if "withnames" not in name else "text/csv; charset=UTF-8; header=present"
    if name.startswith(("tsv", "tabseparated")):
        return CONTENT_TYPES["tsv"]
    return (
        "application/octet-stream"
        if name in ("native", "rowbinary", "parquet", "arrow")
        else "text/plain; charset=UTF-8"
    )
