"""Which event log a process uses is decided here, from settings."""

from libs.kit.clock import Clock
from libs.kit.eventlog.base import EventLog
from libs.kit.settings import KitSettings


async def open_eventlog(settings: KitSettings, clock: Clock) -> EventLog:
    """The event log that `HEDGEROW_EVENTLOG` names. Opens lazily: the engine may be away when a process starts."""
    if settings.eventlog == "kafka":
        from libs.kit.eventlog.kafka import KafkaEventLog

        return KafkaEventLog(settings, clock)
    from libs.kit.eventlog.redis import RedisEventLog

    return RedisEventLog(settings, clock)
