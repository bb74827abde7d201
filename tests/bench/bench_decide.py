"""CPU per event of ingestion's decisions alone: no engine, no I/O.

`python -m tests.bench.bench_decide [events, 20000 by default]`: page views of 1.3 KB with 30 properties, one in ten a
`$identify`, one in a hundred a merge of two persons. Printed beside a plain decode of the same bytes, in the same run.
"""

import json
import random
import sys
import time
from datetime import UTC, datetime

import msgspec

from libs.kit.eventlog import Record
from libs.kit.teams import Team
from services.cdp.ingestion.definitions import Catalogue
from services.cdp.ingestion.needs import needs
from services.cdp.ingestion.plan import Known, parsed, plan
from tests.bench.bench_pipeline import realistic
from tests.support.captured import captured_new
from tests.support.people_store import MemoryStore

BATCH = 2_000
NOW = datetime(2026, 11, 5, 10, 12, tzinfo=UTC)
TEAMS = {"phc_one": Team(1, "phc_one")}


def mixed(number: int) -> list[Record]:
    """Realistic events, some of which identify or merge."""
    rng = random.Random(3)
    records = []
    for offset, new in enumerate(realistic(number)):
        if (dice := rng.random()) < 0.11:
            ours, theirs = (f"user {rng.randrange(max(10, number // 20))}" for _ in range(2))
            event, name = ("$identify", "$anon_distinct_id") if dice < 0.1 else ("$merge_dangerously", "alias")
            other = f"anonymous {offset}" if dice < 0.1 else theirs
            new = captured_new(
                event=event, distinct_id=ours, properties=json.dumps({name: other, "$set": {"n": offset}})
            )
        records.append(Record("events_plugin_ingestion", 0, offset, new.key, new.value, new.headers, 1_790_000_000_000))
    return records


def measure(number: int) -> None:
    """Print microseconds of CPU per event, by step."""
    records, store, catalogue = mixed(number), MemoryStore(), Catalogue()
    spent = dict.fromkeys(("decode only", "parse", "needs", "plan"), 0.0)
    for start in range(0, number, BATCH):
        batch, positions = records[start : start + BATCH], {0: start}
        clock = time.process_time()

        def took(step: str) -> None:
            nonlocal clock
            spent[step] += time.process_time() - clock
            clock = time.process_time()

        for record in batch:
            msgspec.json.decode(record.value)
        took("decode only")
        events = parsed(batch)
        took("parse")
        asked = needs(events, TEAMS, positions)
        took("needs")
        loaded, groups = store.load(asked)
        clock = time.process_time()
        done = plan(events, Known(TEAMS, loaded, groups, catalogue), positions, set(), NOW)
        took("plan")
        catalogue.remember(done.findings)
        store.apply(done.writes)
    for step, seconds in spent.items():
        print(f"{step:12} {seconds / number * 1e6:6.1f} us an event")
    total = sum(seconds for step, seconds in spent.items() if step != "decode only")
    print(f"{'decisions':12} {total / number * 1e6:6.1f} us an event, {number / total:,.0f} events/s on one core")


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
