"""CPU per event of the steps before persons, without their look-ups.

`python -m tests.bench.bench_prepare [events, 20000 by default]`: page views of 1.3 KB with 30 properties; then the same
with places, and what a cookieless one costs. Printed beside a plain decode of the same bytes, in the same run.
"""

import sys
import time
from collections.abc import Callable

import msgspec

from libs.kit.teams import Team
from services.cdp.ingestion import cookieless
from services.cdp.ingestion.cookieless import Visit
from services.cdp.ingestion.geoip import place_of
from services.cdp.ingestion.parse import Incoming, parse
from services.cdp.ingestion.prepare import Around, prepared
from tests.bench.mix import Mix
from tests.support.ingested import NOW

TEAMS = {"phc_one": Team(1, "phc_one", cookieless_server_hash_mode=1)}
PLACE = place_of(
    {
        "city": {"names": {"en": "Berlin"}},
        "country": {"iso_code": "DE", "names": {"en": "Germany"}},
        "location": {"latitude": 52.53, "longitude": 13.38, "time_zone": "Europe/Berlin"},
    }
)


def took(work: Callable[[], object], number: int) -> float:
    """Microseconds of CPU an event, best of three."""
    best = float("inf")
    for _ in range(3):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best / number * 1e6


def measure(number: int) -> None:
    """Print microseconds of CPU per event."""
    records = Mix().records(number)
    events = [event for record in records if isinstance(event := parse(record), Incoming)]
    decode = took(lambda: [msgspec.json.decode(record.value) for record in records], number)
    print(f"{'plain decode':28}{decode:8.2f} us")
    visit = Visit(1, "203.0.113.7", "example.com", "Mozilla/5.0 " * 9, "", NOW.date(), NOW, NOW)
    for name, work in {
        "steps, nothing to add": lambda: prepared(events, TEAMS, Around(NOW)),
        "steps, with places": lambda: prepared(events, TEAMS, Around(NOW, lambda ip: PLACE)),
        "a cookieless hash": lambda: [cookieless.digest(visit, bytes(16)) for _ in range(number)],
    }.items():
        found = took(work, number)
        print(f"{name:28}{found:8.2f} us   {found / decode:6.2f} plain decodes")


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
