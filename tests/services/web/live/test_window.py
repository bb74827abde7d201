"""The window of the newest events, in a real server: every process writes it, and it holds each event once."""

import asyncio

import msgspec
import pytest

from services.web.live.event import LiveEvent
from services.web.live.window import SIZE, TTL_SECONDS, Arrival, Window
from tests.support.web import Web

pytestmark = pytest.mark.embedded


def event(name: str) -> LiveEvent:
    return LiveEvent(uuid="x", timestamp="t", distinct_id="u", person_id="p", event=name, properties=msgspec.Raw(b"{}"))


def arrivals(offsets: range, *, place: str = "log:0") -> list[Arrival]:
    return [Arrival(place, offset, event(f"{place} {offset}")) for offset in offsets]


async def test_numbers_rise_and_are_the_same_for_every_process(web: Web) -> None:
    first, second = Window(web.runtime.state), Window(web.runtime.state)
    numbers = await first.write(1, arrivals(range(5)))
    assert numbers == sorted(set(numbers))
    assert await second.write(1, arrivals(range(5))) == numbers
    overlapping = await second.write(1, arrivals(range(3, 8)))
    assert overlapping[:2] == numbers[3:]
    assert await first.write(1, arrivals(range(3, 8))) == overlapping
    assert [number for number, _ in await first.read(1)] == numbers + overlapping[2:]


async def test_many_processes_at_once(web: Web) -> None:
    windows = [Window(web.runtime.state) for _ in range(5)]
    await asyncio.gather(
        *(window.write(1, arrivals(range(start, start + 10))) for start in (0, 10, 20) for window in windows)
    )
    names = [found.event for _, found in await windows[0].read(1)]
    assert len(names) == len(set(names))


async def test_the_newest_thousand_and_no_more(web: Web) -> None:
    window = Window(web.runtime.state)
    for start in range(0, 1500, 500):
        await window.write(1, arrivals(range(start, start + 500)))
    known = await window.read(1)
    assert len(known) == SIZE
    assert (known[0][1].event, known[-1][1].event) == ("log:0 500", "log:0 1499")
    assert await window.write(1, arrivals(range(3))) == [0, 0, 0]  # fell out long ago, and does not come back
    assert len(await window.read(1)) == SIZE
    assert 0 < await web.runtime.state.ttl("live:{1}:window") <= TTL_SECONDS


async def test_a_new_log_begins_at_offset_zero_again(web: Web) -> None:
    window = Window(web.runtime.state)
    (old,) = await window.write(1, arrivals(range(7, 8)))
    (new,) = await window.write(1, arrivals(range(1), place="other:0"))
    assert new > old


async def test_teams_do_not_see_each_other(web: Web) -> None:
    window = Window(web.runtime.state)
    await window.write(1, arrivals(range(1)))
    assert await window.read(2) == []


async def test_numbers_go_on_after_an_hour_of_silence(web: Web) -> None:
    window = Window(web.runtime.state)
    (before,) = await window.write(1, arrivals(range(1)))
    await web.runtime.state.delete("live:{1}:window", "live:{1}:written")
    (after,) = await window.write(1, arrivals(range(1, 2)))
    assert after > before
