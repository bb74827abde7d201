"""Dead letters can be looked at, and sent again to where they came from."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import orjson
from rich.console import Console

from hedgerow.dead_letters import send_again, show
from libs.kit.contracts import topics
from libs.kit.eventlog import NewRecord, Record
from libs.kit.runtime import Runtime
from services.cdp.dead_letters import Wanted, dead_letter, newest, read
from tests.support.captured import captured_new
from tests.support.pipeline import QUICK_INGESTION, Workers, drained, events, prepare, stored

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def record(new: NewRecord, topic: str = topics.EVENTS.name) -> Record:
    return Record(topic, 0, 7, new.key, new.value, new.headers, 0)


def test_a_letter_remembers_what_it_was() -> None:
    new = events(1)[0]
    letter = read(record(dead_letter(record(new), "invalid_token", "team", AT), topics.DEAD_LETTERS.name))
    assert (letter.original.key, letter.original.value) == (new.key, new.value)
    assert letter.original.headers == (*new.headers, ("arrived", b"0")), "sent again, it is as old as its death"
    assert (letter.topic, letter.reason, letter.step, letter.at) == (topics.EVENTS.name, "invalid_token", "team", AT)


def test_a_second_death_leaves_one_reason() -> None:
    first = dead_letter(record(events(1)[0]), "one", "a", AT)
    again = dead_letter(record(first), "two", "b", AT)
    assert [name for name, _ in again.headers].count("dlq_reason") == 1
    assert read(record(again)).reason == "two"


def test_a_topic_that_is_none_of_ours_is_never_written_to() -> None:
    for name in (b"somewhere", topics.DEAD_LETTERS.name.encode(), b"\xff"):
        assert read(record(NewRecord(None, b"", (("dlq_topic", name),)))).topic == topics.EVENTS.name


def test_which_are_wanted() -> None:
    letter = read(record(dead_letter(record(events(1)[0]), "one", "a", AT)))
    later = AT + timedelta(seconds=1)
    for wanted, is_one in (
        (Wanted(), True),
        (Wanted(reason="one"), True),
        (Wanted(reason="two"), False),
        (Wanted(since=AT, until=later), True),
        (Wanted(since=later), False),
        (Wanted(until=AT), False),
    ):
        assert wanted(letter) is is_one
    assert not Wanted(since=AT)(replace(letter, at=None))


async def test_a_replay_stores_what_had_died(runtime: Runtime) -> None:
    await prepare(runtime)
    good, bad = events(3), NewRecord(b"k", b"{broken")
    letters = [dead_letter(record(one), "refused_by_store", "persons", AT) for one in good]
    await runtime.log.produce(topics.DEAD_LETTERS.name, letters)
    async with Workers(runtime):
        await runtime.log.produce(topics.EVENTS.name, [bad])
        await drained(runtime)
        found = [letter async for letter in newest(runtime.log, 100, Wanted())]
        assert sorted(letter.reason for letter in found) == ["failed_parse_message", *["refused_by_store"] * 3]
        for _ in range(2):  # the second time stores nothing
            said = StringIO()
            assert await _in_thread(send_again, runtime, Wanted(reason="refused_by_store"), said) == 3
            assert "3 records were sent again" in said.getvalue()
            await drained(runtime)
    assert await stored(runtime) == (3, 3)


async def test_a_merge_that_was_too_large_is_made_under_a_higher_limit(runtime: Runtime) -> None:
    await prepare(runtime)

    async def owners() -> int:
        asked = "SELECT count(DISTINCT person_uuid) FROM posthog_persondistinctid"
        [(number,)] = await runtime.postgres.fetch(asked)
        return int(number)

    views = [captured_new(distinct_id=name) for name in ("u", "an")]
    given = captured_new(event="$identify", distinct_id="an", properties='{"$anon_distinct_id":"an2"}')
    merge = captured_new(event="$merge_dangerously", distinct_id="u", properties='{"alias":"an"}')
    async with Workers(runtime, QUICK_INGESTION.model_copy(update={"merge_move_distinct_id_limit": 1})):
        for batch in ([*views, given], [merge]):
            await runtime.log.produce(topics.EVENTS.name, batch)
            await drained(runtime)
    [letter] = [letter async for letter in newest(runtime.log, 100, Wanted())]
    assert (letter.reason, letter.original.value) == ("merge_limit_exceeded", merge.value)
    assert (await stored(runtime), await owners()) == ((3, 3), 2)
    async with Workers(runtime):
        assert await _in_thread(send_again, runtime, Wanted(reason="merge_limit_exceeded"), StringIO()) == 1
        await drained(runtime)
    assert (await stored(runtime), await owners()) == ((4, 4), 1)


async def test_the_list(runtime: Runtime) -> None:
    await prepare(runtime)
    letters = [dead_letter(record(one), "invalid_token", "team", AT) for one in events(5)]
    await runtime.log.produce(topics.DEAD_LETTERS.name, letters)
    said = StringIO()
    assert await _in_thread(show, runtime, Wanted(), said, as_json=False) == 5
    assert "invalid_token: 5" in said.getvalue()
    said = StringIO()
    await _in_thread(show, runtime, Wanted(), said, as_json=True)
    shown = [orjson.loads(line) for line in said.getvalue().splitlines()]
    assert {(one["reason"], one["topic"]) for one in shown} == {("invalid_token", topics.EVENTS.name)}
    assert orjson.loads(shown[0]["value"])["token"] == "phc_one"


async def _in_thread(
    command: Callable[..., int], runtime: Runtime, wanted: Wanted, said: StringIO, **more: object
) -> int:
    """The commands run a loop of their own."""
    console = Console(file=said, width=200)
    return await asyncio.to_thread(command, runtime.settings, wanted, 100, console=console, **more)
