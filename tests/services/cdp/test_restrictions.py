"""A restriction that comes after capture has taken the events: ingestion applies it to what is in the log."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from libs.kit.contracts import topics
from libs.kit.errors import LogFull
from libs.kit.eventlog import NewRecord
from libs.kit.outcomes import drops_of, team_owner
from libs.kit.runtime import Runtime
from services.capture.policies.editing import lift, restrict
from services.cdp.ingestion.restrictions import RestrictionsInForce
from services.cdp.settings import IngestionSettings
from tests.support.captured import captured_new
from tests.support.pipeline import TOKEN, Workers, dead, drained, events, lag, prepare, stored, until

QUICK = IngestionSettings(fetch_seconds=0.1, linger_seconds=0.01, restrictions_reload_seconds=0.05)


async def names(runtime: Runtime) -> dict[str, str]:
    found = await runtime.clickhouse.query("SELECT event, person_mode FROM events ORDER BY event")
    return dict(found.rows)


async def test_what_waits_in_the_log_falls_under_new_rules(runtime: Runtime) -> None:
    await prepare(runtime)
    dropped = "0190a1b2-0000-7000-8000-000000000001"
    sent = [captured_new(event=name, **({"uuid_": dropped} if name == "gone" else {})) for name in "gone bad".split()]
    sent += [captured_new(event=name, distinct_id=name) for name in ("much", "nobody", "usual")]
    await runtime.log.produce(topics.EVENTS.name, sent)
    for kind, name in (
        ("drop_event_from_ingestion", "gone"),
        ("redirect_to_dlq", "bad"),
        ("force_overflow_from_ingestion", "much"),
        ("skip_person_processing", "nobody"),
    ):
        await restrict(runtime.state, TOKEN, kind, {"event_names": [name]})
    async with Workers(runtime, QUICK):
        await drained(runtime)
        assert await names(runtime) == {"much": "full", "nobody": "propertyless", "usual": "full"}
        for kind in ("drop_event_from_ingestion", "redirect_to_dlq"):
            await lift(runtime.state, TOKEN, kind)

        async def back() -> bool:  # without a restart
            await runtime.log.produce(topics.EVENTS.name, [captured_new(event="gone")])
            await drained(runtime)
            return "gone" in await names(runtime)

        await until(back)
    [letter] = await dead(runtime, 1)
    said = dict(letter.headers)
    assert (said["dlq_reason"], said["dlq_step"]) == (b"redirect_to_dlq", b"restrictions")
    [drop] = await drops_of(runtime.state, [team_owner(1)], dropped)
    assert (drop.step, drop.reason) == ("ingestion", "event_restriction_drop")
    [moved] = await runtime.postgres.fetch(
        "SELECT sum(next_offset) AS at FROM hedgerow_log_position WHERE topic = $1", topics.OVERFLOW.name
    )
    assert moved["at"] == 1


class WithoutRoom:
    """The log, with no room in the overflow topic."""

    def __init__(self, log: Any):
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def produce(self, topic: str, records: Sequence[NewRecord]) -> None:
        if topic == topics.OVERFLOW.name:
            raise LogFull("no room")
        await self._log.produce(topic, records)


async def test_a_full_log_is_drained_in_the_lane_it_is_in(runtime: Runtime) -> None:
    await prepare(runtime)
    await runtime.log.produce(topics.EVENTS.name, events(20))
    full = dataclasses.replace(runtime, log=WithoutRoom(runtime.log))
    settings = QUICK.model_copy(update={"force_overflow_by_token_distinct_id": f"{TOKEN}:*"})
    async with Workers(full, settings):
        await until(lambda: _none_left(runtime))
    assert await stored(runtime) == (20, 20)


async def _none_left(runtime: Runtime) -> bool:
    return await stored(runtime) == (20, 20) and not await lag(runtime, topics.EVENTS.name, topics.INGESTION_GROUP)


@pytest.mark.parametrize("after", [299.0, 301.0])
async def test_without_the_state_server_rules_hold_for_a_while(runtime: Runtime, after: float) -> None:
    clock = _Clock()
    settings = IngestionSettings(drop_events_by_token_distinct_id="phc_two:x")
    rules = RestrictionsInForce(runtime.state, clock, settings)  # type: ignore[arg-type]
    await restrict(runtime.state, TOKEN, "drop_event_from_ingestion", {})
    await rules.refresh()
    assert {*rules.rules} == {"phc_two", TOKEN}
    rules._state = _Away()  # type: ignore[assignment]
    clock.now_at += after
    await rules.refresh()
    assert {*rules.rules} == ({"phc_two", TOKEN} if after < 300 else {"phc_two"})


class _Clock:
    now_at = 1000.0

    def monotonic(self) -> float:
        return self.now_at


class _Away:
    async def mget(self, _: object) -> None:
        raise OSError
