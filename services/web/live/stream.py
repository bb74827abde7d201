"""What one live stream sends: the window, or what a returning browser missed, then events as they come."""

from collections.abc import AsyncIterator, Sequence

from libs.kit.clock import Clock
from services.web.live.event import Filter, message, snapshot
from services.web.live.fanout import Fanout, Numbered
from services.web.live.window import Window

HEARTBEAT = b": heartbeat\n\n"


async def events_of(
    team_id: int,
    *,
    wanted: Filter,
    last_seen: int | None,
    fanout: Fanout,
    window: Window,
    clock: Clock,
    heartbeat_seconds: float,
    stream_seconds: float,
) -> AsyncIterator[bytes]:
    """Server-sent events: `snapshot` (or the missed `event`s), then `event`s, `dropped` and heartbeat comments.

    `last_seen` is the browser's Last-Event-ID. If the window no longer reaches back to it, a snapshot starts anew.
    """
    ends_at = clock.monotonic() + stream_seconds
    with fanout.subscribed(team_id) as subscription:  # before the window is read: nothing falls in between
        known = await window.read(team_id)
        sent = known[-1][0] if known else 0
        missed = missed_since(last_seen, known)
        if missed is None:
            passing = [(number, wanted.shown(event)) for number, event in known if wanted.passes(event)]
            yield snapshot(passing, sent)
        else:
            yield (
                b"".join(
                    message("event", wanted.shown(event), number) for number, event in missed if wanted.passes(event)
                )
                or HEARTBEAT
            )
        while clock.monotonic() < ends_at:
            dropped, arrived = await subscription.take(heartbeat_seconds)
            parts = [message("dropped", {"dropped": dropped})] if dropped else []
            for number, event in arrived:
                if (number > sent or number < 0) and wanted.passes(event):
                    parts.append(message("event", wanted.shown(event), max(number, 0)))
                sent = max(sent, number)
            yield b"".join(parts) or HEARTBEAT


def missed_since(last_seen: int | None, known: Sequence[Numbered]) -> list[Numbered] | None:
    """What came behind `last_seen`; None when the window cannot tell (any more), or nothing was seen yet."""
    if last_seen is None or not known or not known[0][0] - 1 <= last_seen <= known[-1][0]:
        return None
    return [item for item in known if item[0] > last_seen]
