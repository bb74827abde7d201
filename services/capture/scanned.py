"""The same decision on the common case by libs.fastpath: one walk over the body, records from slices of it.

Whatever is unusual, and every refusal, is left to the slow way (shapes, records); see `libs/fastpath/_scan_py.py` for
what that promises. tests/services/capture/test_scanned.py holds the two to the same records.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec import Raw

from libs import fastpath
from libs.kit.eventlog import NewRecord
from services.capture.answers import Refused
from services.capture.identity import distinct_id
from services.capture.records import INTERNAL_IP, Circumstances
from services.capture.shapes import repair_surrogates
from services.capture.times import EPOCH, parse_timestamp

if TYPE_CHECKING:
    from libs.fastpath._scan import Batch

MICROSECOND = timedelta(microseconds=1)


def scanned(text: bytes | bytearray, *, engage: bool, max_events: int) -> "Batch | None":
    """The events of a body, or None if the slow way must look at it."""
    batch = fastpath.scan(text, engage, max_events)
    if batch == fastpath.LONE_SURROGATE:
        batch = fastpath.scan(repair_surrogates(text), engage, max_events)
    return None if isinstance(batch, str) else batch


def records_of_scanned(
    batch: "Batch", request: Circumstances, *, leave_out: bytes
) -> list[NewRecord] | None:
    """One record an event, but for those named `leave_out`; None if the slow way must look at them."""
    sent_at = request.sent_at
    return batch.records(
        leave_out=leave_out,
        token=request.token,
        ip=request.ip,
        internal_ip=INTERNAL_IP,
        now_text=request.now_text,
        now_micros=(request.now - EPOCH) // MICROSECOND,
        sent_at_text=request.sent_at_text,
        sent_at_micros=(sent_at - EPOCH) // MICROSECOND if sent_at else None,
        historical_migration=request.historical_migration,
        headers=request.headers,
        max_record_bytes=request.max_record_bytes,
        distinct_id_of=_distinct_id_of,
        micros_of=_micros_of,
        record=NewRecord,
    )


def _distinct_id_of(root: bytes | None, in_properties: bytes | None) -> str | None:
    try:
        return distinct_id(None if root is None else Raw(root), None if in_properties is None else Raw(in_properties))
    except Refused:
        return None


def _micros_of(text: str) -> int | None:
    moment = parse_timestamp(text)
    return None if moment is None else (moment - EPOCH) // MICROSECOND
