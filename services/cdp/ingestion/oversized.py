"""A record that its topic does not take is left out, alone: the log would refuse it for ever, and everything behind it
would wait. It happens where somebody else made the topics, with a smaller `max.message.bytes` than ours."""

from collections.abc import Sequence

import msgspec

from libs.kit import metrics
from libs.kit.errors import OutcomeUnknown, PayloadTooLarge
from libs.kit.eventlog import EventLog, NewRecord
from libs.kit.logging import get_logger
from libs.kit.outcomes import Outcomes, team_owner
from services.cdp.ingestion.warnings import Warned

REASON = "message_size_too_large"
STEP = "emit"
log = get_logger(__name__)


class _Told(msgspec.Struct):
    """What is read of a row that is left out."""

    team_id: int
    uuid: str
    event: str
    distinct_id: str


_told = msgspec.json.Decoder(_Told)


async def taken(eventlog: EventLog, topic: str, records: Sequence[NewRecord]) -> list[NewRecord]:
    """Produce all that the topic takes; returns the others. Halves are tried until a refusal stands alone, so some may
    be produced twice. Raises what the log raises for any other reason."""
    try:
        await eventlog.produce(topic, records)
    except (PayloadTooLarge, OutcomeUnknown) as exc:
        # unknown of all of them together, when the log has taken some and refused some
        if not isinstance(exc, PayloadTooLarge) and not isinstance(exc.__cause__, PayloadTooLarge):
            raise
        if len(records) == 1:
            log.error("record_too_large", topic=topic, bytes=len(records[0].value))
            return list(records)
        middle = len(records) // 2
        left = await taken(eventlog, topic, records[:middle])
        return left + await taken(eventlog, topic, records[middle:])
    return []


def warned_of(rows: Sequence[NewRecord], outcomes: Outcomes) -> list[Warned]:
    """What to tell projects of their rows that were left out; whoever looks for one of these events finds why."""
    warned = []
    for row in rows:
        about = _told.decode(row.value)
        metrics.CONSUMER_EVENTS.labels("ingestion", "dropped", REASON).inc()
        outcomes.count(team_owner(about.team_id), "dropped", REASON, 1)
        outcomes.dropped(team_owner(about.team_id), about.uuid, REASON)
        details = {"eventUuid": about.uuid, "event": about.event, "distinctId": about.distinct_id}
        warned.append(Warned(about.team_id, REASON, STEP, about.distinct_id, details))
    return warned
