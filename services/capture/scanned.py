"""The same decision on the common case by libs.fastpath: one walk over the body, records from slices of it.

Whatever is unusual, and every refusal, is left to the slow way (shapes, records); see `libs/fastpath/_scan_py.py` for
what that promises. tests/services/capture/test_scanned.py holds the two to the same records. Compiled when there is a
compiler (scanned.pxd).
"""

from typing import TYPE_CHECKING

from msgspec import Raw

from libs import fastpath
from libs.kit.contracts.events import FORMAT_VERSION
from libs.kit.eventlog.block import RecordBlock, block_of
from services.capture.answers import Refused
from services.capture.identity import distinct_id
from services.capture.records import INTERNAL_IP
from services.capture.shapes import repair_surrogates
from services.capture.times import parse_timestamp

if TYPE_CHECKING:
    from libs.fastpath._scan import Batch


def scanned(text: bytes | bytearray, engage: bool, max_events: int) -> "Batch | None":
    """The events of a body, or None if the slow way must look at it."""
    batch = fastpath.scan(text, engage, max_events)
    if not isinstance(batch, str):
        return batch
    if batch != fastpath.LONE_SURROGATE:
        return None
    batch = fastpath.scan(repair_surrogates(text), engage, max_events)
    return None if isinstance(batch, str) else batch


def scanned_v1(text: bytes | bytearray, *, max_events: int) -> "Batch | None":
    """The events of a body of the v1 dialect, or None if the slow way must look at it."""
    batch = fastpath.scan_v1(text, max_events)
    if batch == fastpath.LONE_SURROGATE:
        batch = fastpath.scan_v1(repair_surrogates(text), max_events)
    return None if isinstance(batch, str) else batch


def records_of_scanned(
    batch: "Batch", leave_out: bytes, token: str, ip: str, now_us: int, sent_at_us: int | None, max_record_bytes: int
) -> RecordBlock | None:
    """One record an event, two for one that carries a heatmap, none for those named `leave_out`. None if the slow way
    must look at them."""
    block = batch.records(
        leave_out,
        token,
        ip,
        INTERNAL_IP,
        FORMAT_VERSION,
        now_us,
        sent_at_us,
        max_record_bytes,
        _distinct_id_of,
        parse_timestamp,
    )
    if block is None:
        return None
    payload, count, size = block
    return block_of(payload, count, size)


def _distinct_id_of(root: bytes | None, in_properties: bytes | None) -> str | None:
    try:
        return distinct_id(None if root is None else Raw(root), None if in_properties is None else Raw(in_properties))
    except Refused:
        return None
