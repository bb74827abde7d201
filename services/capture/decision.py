"""What is asked of capture and what it decides: the shapes that its callers and its dialects share.

Compiled when there is a compiler (decision.pxd): each is made, and looked at, for every request.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from libs.kit.contracts.ai_blobs import BlobDocument
from libs.kit.eventlog import NewRecord
from services.capture import answers
from services.capture.answers import Answer
from services.capture.settings import CaptureSettings
from services.capture.times import moment_at

NO_DROPS: Mapping[str, int] = {}


class Request:
    """One request as it came. `headers` are lower-case names; `peer` is the address of the socket; `now_us` is
    the moment of receipt, in microseconds since 1970."""

    __slots__ = ("body", "headers", "method", "now_us", "path", "peer", "query")

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        peer: str | None,
        now_us: int,
    ):
        self.open(method, path, query, headers, body, peer, now_us)

    def open(
        self,
        method: str,
        path: str,
        query: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        peer: str | None,
        now_us: int,
    ) -> None:
        """What the constructor does. Compiled, arguments to a class become a tuple; those to a method do not."""
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
        self.now_us = now_us

    @property
    def now(self) -> datetime:
        """The moment of receipt."""
        return moment_at(self.now_us)


class Limits:
    """What one request may hold (see settings). blob_bucket: the store's name in references to what is kept apart."""

    __slots__ = ("blob_bucket", "max_events", "max_inflated_bytes", "max_record_bytes")

    def __init__(self, max_inflated_bytes: int, max_record_bytes: int, max_events: int, blob_bucket: str = "hedgerow"):
        self.max_inflated_bytes = max_inflated_bytes
        self.max_record_bytes = max_record_bytes
        self.max_events = max_events
        self.blob_bucket = blob_bucket

    def inflating_to(self, most: int) -> "Limits":
        """The same but for `max_inflated_bytes`."""
        return Limits(most, self.max_record_bytes, self.max_events, self.blob_bucket)

    @classmethod
    def of(cls, settings: CaptureSettings, blob_bucket: str) -> "Limits":
        """Those of the settings."""
        return cls(settings.max_inflated_bytes, settings.max_record_bytes, settings.max_events, blob_bucket)


class Decision:
    """Produce `records`, then say `answer`; if the log did not take them, say `not_taken`.

    `refused` is the reason when nothing is taken; `events` were asked for, of which `drops` are left out on purpose, by
    reason. `token` says whose they are, if that got known; `historical`, that they are an import. `blob` is referred to
    by a record and must be durable before it.
    """

    __slots__ = ("answer", "blob", "drops", "events", "historical", "not_taken", "records", "refused", "token")

    def __init__(
        self,
        answer: Answer,
        records: Sequence[NewRecord] = (),
        refused: str | None = None,
        events: int = 0,
        drops: Mapping[str, int] = NO_DROPS,
        not_taken: Answer = answers.TRANSIENT,
        token: str = "",
        historical: bool = False,
        blob: BlobDocument | None = None,
    ):
        self.open(answer, records, refused, events, drops, not_taken, token, historical, blob)

    def open(
        self,
        answer: Answer,
        records: Sequence[NewRecord],
        refused: str | None,
        events: int,
        drops: Mapping[str, int],
        not_taken: Answer,
        token: str,
        historical: bool,
        blob: BlobDocument | None,
    ) -> None:
        """See `Request.open`."""
        self.answer = answer
        self.records = records
        self.refused = refused
        self.events = events
        self.drops = drops
        self.not_taken = not_taken
        self.token = token
        self.historical = historical
        self.blob = blob

    @property
    def dropped(self) -> int:
        """How many events are left out on purpose."""
        return sum(self.drops.values())
