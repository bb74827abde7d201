"""What is asked of capture and what it decides: the shapes that its callers and its dialects share."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field

from libs.kit.contracts.ai_blobs import BlobDocument
from libs.kit.eventlog import NewRecord
from services.capture import answers
from services.capture.answers import Answer
from services.capture.settings import CaptureSettings


class Request(Struct, frozen=True):
    """One request as it came. `headers` are lower-case names; `peer` is the address of the socket; `now` is receipt."""

    method: str
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    peer: str | None
    now: datetime


class Limits(Struct, frozen=True):
    """What one request may hold (see settings). blob_bucket: the store's name in references to what is kept apart."""

    max_inflated_bytes: int
    max_record_bytes: int
    max_events: int
    blob_bucket: str = "hedgerow"

    @classmethod
    def of(cls, settings: CaptureSettings, blob_bucket: str) -> "Limits":
        """Those of the settings."""
        return cls(settings.max_inflated_bytes, settings.max_record_bytes, settings.max_events, blob_bucket)


class Decision(Struct, frozen=True):
    """Produce `records`, then say `answer`; if the log did not take them, say `not_taken`.

    `refused` is the reason when nothing is taken; `events` were asked for, of which `drops` are left out on purpose, by
    reason. `token` says whose they are, if that got known; `historical`, that they are an import. `blob` is referred to
    by a record and must be durable before it.
    """

    answer: Answer
    records: Sequence[NewRecord] = ()
    refused: str | None = None
    events: int = 0
    drops: Mapping[str, int] = field(default_factory=dict)
    not_taken: Answer = answers.TRANSIENT
    token: str = ""
    historical: bool = False
    blob: BlobDocument | None = None

    @property
    def dropped(self) -> int:
        """How many events are left out on purpose."""
        return sum(self.drops.values())
