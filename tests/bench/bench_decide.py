"""CPU per event of ingestion's decisions alone: no engine, no I/O.

`python -m tests.bench.bench_decide [events, 20000 by default]`: the mix of tests/bench/mix.py, in batches as the worker
cuts them, of people who are all known. Every event is new: identifies bring new distinct ids and properties, merges
join people who are two. Printed beside a plain decode of the same bytes, in the same run.
"""

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec

from libs.fastpath import CHOSEN
from libs.kit.eventlog import Record
from libs.kit.heap import settle
from libs.kit.teams import Team
from services.cdp.ingestion.definitions import Catalogue
from services.cdp.ingestion.needs import Needs, needs
from services.cdp.ingestion.parse import Incoming, Rejected
from services.cdp.ingestion.people import Loaded
from services.cdp.ingestion.plan import Known, parsed, plan
from services.cdp.ingestion.prepare import Around, Prepared, cookieless_asked, prepared, sightings
from services.cdp.raw_json import nothing, object_of
from tests.bench.mix import Mix
from tests.support.people_store import MemoryStore, with_owners

T = TypeVar("T")
BATCH = 2_000
TRIES = 9
NOW = datetime(2026, 11, 5, 10, 12, tzinfo=UTC)
TEAMS = {"phc_one": Team(1, "phc_one")}
STEPS = ("decode only", "parse", "prepare", "needs", "plan")


def measure(number: int) -> dict[str, float]:
    """Print microseconds of CPU per event, by step, and return them."""
    mix, store, catalogue = Mix(people=number), MemoryStore(), Catalogue()
    for before in (mix.first_views(), mix.records(number)):  # everybody's person, then every shape
        _spent(before, store, catalogue)
    records = mix.records(number)
    settle()
    spent = {step: seconds / number * 1e6 for step, seconds in _spent(records, store, catalogue).items()}
    gc.unfreeze()
    for step, micros in spent.items():
        print(f"{step:12} {micros:6.1f} us an event")
    total = sum(micros for step, micros in spent.items() if step != "decode only")
    size = sum(len(record.value) for record in records) / number
    print(
        f"{'decisions':12} {total:6.1f} us an event of {size:.0f} bytes, {1e6 / total:,.0f} events/s on one core "
        f"({CHOSEN['_members']}); {total / spent['decode only']:.1f} times a plain decode"
    )
    return spent


def _spent(records: list[Record], store: MemoryStore, catalogue: Catalogue) -> dict[str, float]:
    """Seconds by step; the best of TRIES, for the machine has other work at times. All steps are plain functions."""
    spent = dict.fromkeys(STEPS, 0.0)
    for start in range(0, len(records), BATCH):
        batch, positions = records[start : start + BATCH], {0: 0}

        def best(step: str, run: Callable[[], T]) -> T:
            took = []
            for _ in range(TRIES):
                began = time.process_time()
                made = run()
                took.append(time.process_time() - began)
            spent[step] += min(took)
            return made

        best("decode only", partial(_decoded, batch))
        events = best("parse", partial(parsed, batch))
        events = best("prepare", partial(_prepared, events, positions)).events
        asked = best("needs", partial(needs, events, TEAMS, positions))
        loaded, groups = store.load(asked)
        known = Known(TEAMS, _as_read(loaded, asked), groups, catalogue)
        done = best("plan", partial(plan, events, known, positions, set(), NOW))
        catalogue.remember(done.findings)
        store.apply(done.writes)
    return spent


def _prepared(events: list[Incoming | Rejected], positions: dict[int, int]) -> Prepared:
    """With the looks that the worker takes beforehand, at what steps may have to know."""
    assert not sightings(events, TEAMS, positions, NOW)
    assert not cookieless_asked(events)
    return prepared(events, TEAMS, Around(NOW))


def _as_read(loaded: Loaded, asked: Needs) -> Loaded:
    """Persons as the repository makes them for a batch: each from one text."""
    persons = {name: person.copy() for name, person in loaded.persons.items()}
    for person in persons.values():
        person.properties = object_of(person.properties.encoded()) or nothing()
    return with_owners(replace(loaded, persons=persons), asked)


def _decoded(batch: list[Record]) -> None:
    for record in batch:
        msgspec.json.decode(record.value)


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
