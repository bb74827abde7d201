"""The event scanner beside other parsers, on the same bytes. `python -m tests.bench.bench_scan [seconds a case, 0.5]`

Bodies: 50 events like posthog-js's of 1.2 kB as one batch, one event of 1.1 kB, and the batch with names beyond ASCII.
Compared: orjson.loads (builds everything), msgspec with raw properties (what capture did before), pysimdjson if it is
here (its parse, nothing read from it). Then the whole handler, inflating included, to records, beside a naive one. Then
the same for what each SDK sends (sdk_requests.py), with the way it takes. Processor time of this thread, medians;
ratios count, not figures.
"""

import gzip
import importlib
import random
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from libs.fastpath import CHOSEN, scan
from libs.kit.eventlog import NewRecord
from libs.kit.heap import settle
from services.capture import handle, v1
from services.capture.decision import Limits, Request
from services.capture.decoding import inflate
from services.capture.handle import decide
from services.capture.shapes import parse_submission
from services.capture.times import microseconds
from tests.bench.sdk_requests import Sdks

simdjson: Any = None
with suppress(ImportError):
    simdjson = importlib.import_module("simdjson")

ROUNDS = 5
LIMITS = Limits(100 * 2**20, 1_000_000, 100_000)
NOW = datetime(2026, 11, 21, 12, 0, 0, 345_000, tzinfo=UTC)


def event(chance: random.Random, number: int, word: str) -> dict[str, Any]:
    """A `$pageview` as posthog-js sends it."""
    return {
        "uuid": f"0190a1b2-0000-7000-8000-{number:012x}",
        "event": "$pageview",
        "properties": {
            "$os": "Mac OS X",
            "$os_version": "10.15.7",
            "$browser": "Chrome",
            "$device_type": "Desktop",
            "$current_url": f"https://app.example.com/{word}/{number}?utm_source=newsletter&utm_campaign=launch",
            "$host": "app.example.com",
            "$pathname": f"/{word}/{number}",
            "$browser_version": 131,
            "$browser_language": "en-US",
            "$screen_height": 1117,
            "$screen_width": 1728,
            "$viewport_height": 992,
            "$viewport_width": 1728,
            "$lib": "web",
            "$lib_version": "1.205.0",
            "$insert_id": f"{chance.getrandbits(60):x}",
            "$time": 1_795_262_000.123 + number,
            "distinct_id": f"0190a1b2-{chance.getrandbits(16):04x}-7000-8000-0000000000ab",
            "$device_id": "0190a1b2-0000-7000-8000-0000000000cd",
            "$initial_person_info": {"r": "$direct", "u": "https://app.example.com/"},
            "plan": chance.choice(["free", "team", "enterprise"]),
            "title": f"{word} of many words",
            "count": chance.randrange(100_000),
            "is_admin": False,
            "token": "phc_bench0123456789abcdefghijklmnopqrstuvwxyzAB",
            "$session_id": "0190a1b2-0000-7000-8000-0000000000ef",
            "$window_id": "0190a1b2-0000-7000-8000-0000000000ee",
            "$pageview_id": "0190a1b2-0000-7000-8000-0000000000dd",
        },
        "offset": 1000 + number,
    }


def bodies() -> dict[str, bytes]:
    """The texts, by name."""
    chance = random.Random(5)
    token = "phc_bench0123456789abcdefghijklmnopqrstuvwxyzAB"
    many = [event(chance, number, "reports") for number in range(50)]
    foreign = [event(chance, number, "отчёты") for number in range(50)]
    return {
        "50 events": orjson.dumps({"api_key": token, "batch": many, "sent_at": "2026-11-21T12:00:00.100Z"}),
        "1 event": orjson.dumps(event(chance, 1, "reports")),
        "50, cyrillic": orjson.dumps({"api_key": token, "batch": foreign}),
    }


def seconds_of(call: Callable[[], object], budget: float) -> float:
    """Processor time of one call: the median of rounds that share the budget."""
    call()
    calls, spent = 1, 0.0
    while spent < budget / ROUNDS / 2:
        calls *= 2
        spent = _spent(call, calls)
    return statistics.median(_spent(call, calls) / calls for _ in range(ROUNDS))


def _spent(call: Callable[[], object], calls: int) -> float:
    began = time.thread_time()
    for _ in range(calls):
        call()
    return time.thread_time() - began


def parsers(body: bytes) -> dict[str, Callable[[], object]]:
    """What is compared, the baseline first."""
    found: dict[str, Callable[[], object]] = {
        "orjson.loads": lambda: orjson.loads(body),
        "msgspec, raw": lambda: parse_submission(body, engage=False, max_events=100_000),
    }
    if simdjson is not None:
        parser = simdjson.Parser()

        def parse() -> None:
            parser.parse(body)  # the element must be gone before the next parse

        found["pysimdjson"] = parse
    found["scan"] = lambda: scan(body, False, 100_000)
    return found


def main(budget: float) -> None:
    """Print the three tables."""
    settle()  # as servers do: else each batch of either handler meets page faults
    print(f"implementation: {CHOSEN['_scan']}")
    print(f"{'body':<14}{'bytes':>8}  {'parser':<14}{'GB/s':>7}{'x orjson':>10}")
    for name, body in bodies().items():
        baseline = 0.0
        for parser, call in parsers(body).items():
            taken = seconds_of(call, budget)
            baseline = baseline or taken
            print(f"{name:<14}{len(body):>8}  {parser:<14}{len(body) / taken / 1e9:>7.2f}{baseline / taken:>10.2f}")
    print(f"\n{'gzipped body':<14}  {'handler':<14}{'events/s':>12}{'x naive':>10}")
    for name, body in bodies().items():
        request = Request("POST", "/batch", b"", {}, gzip.compress(body, 6), "203.0.113.9", microseconds(NOW))
        baseline = 0.0
        for way in ("naive", "msgspec", "scan"):
            handle.SCANS = way == "scan"
            call = partial(naive, request) if way == "naive" else partial(decide, request, LIMITS)
            taken = seconds_of(call, budget)
            baseline = baseline or taken
            events = decide(request, LIMITS).events
            print(f"{name:<14}  {way:<14}{events / taken:>12,.0f}{baseline / taken:>10.2f}", flush=True)
    by_sdk(budget)


def by_sdk(budget: float) -> None:
    """What SDKs send, by the naive handler and by ours. The floor is inflating, and nothing else."""
    print(f"\n{'request':<22}{'bytes':>7}{'gzip':>7}  {'by':<10}{'us an event':>12}{'x naive':>9}{'inflate':>9}")
    for name, (request, events) in Sdks().requests().items():
        whole = len(gzip.decompress(request.body)) // events
        calls: list[Callable[[], object]] = [
            partial(naive, request),
            partial(decide, request, LIMITS),
            partial(inflate, request.body, 10**8),
        ]
        rounds = [[_spent(call, 1 + 50 // events) for call in calls] for _ in range(int(budget * 200))]
        ours = statistics.median(theirs / mine for theirs, mine, _ in rounds)
        floor = statistics.median(theirs / least for theirs, _, least in rounds)
        taken = statistics.median(mine for _, mine, _ in rounds) / (1 + 50 // events) / events * 1e6
        way = "scan" if is_scanned(request) else "slow way"
        packed = len(request.body) // events
        print(f"{name:<22}{whole:>7}{packed:>7}  {way:<10}{taken:>12.2f}{ours:>9.2f}{floor:>9.1f}", flush=True)


def is_scanned(request: Request) -> bool:
    """Whether the compiled way decides it: what the slow ways begin with is told of."""
    asked: list[str] = []

    def telling(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def told(*given: Any, **more: Any) -> Any:
            asked.append(name)
            return step(*given, **more)

        return told

    first_steps = ((handle, "parse_submission"), (v1, "_decode"))
    was = [getattr(module, name) for module, name in first_steps]
    try:
        for (module, name), step in zip(first_steps, was, strict=True):
            setattr(module, name, telling(name, step))
        decide(request, LIMITS)
    finally:
        for (module, name), step in zip(first_steps, was, strict=True):
            setattr(module, name, step)
    return not asked


def naive(request: Request) -> list[NewRecord]:
    """The handler one writes first: zlib, orjson.loads, one orjson.dumps an event; nothing is checked."""
    body = orjson.loads(zlib.decompress(request.body, 31))
    now = request.now.isoformat()
    if isinstance(body, list):
        body = {"batch": body, "api_key": body[0]["properties"]["token"]}
    token = (
        body.get("api_key") or request.headers.get(b"authorization", b"").decode()[7:] or body["properties"]["token"]
    )
    records = []
    for event in body.get("batch", [body]):
        person = event.get("distinct_id") or event["properties"]["distinct_id"]
        about = {"uuid": event["uuid"], "distinct_id": person, "ip": request.peer, "data": event, "now": now}
        value = orjson.dumps(about | {"token": token, "event": event["event"], "timestamp": now})
        headers = (("token", token.encode()), ("event", event["event"].encode()), ("uuid", event["uuid"].encode()))
        records.append(NewRecord(f"{token}:{person}".encode(), value, headers))
    return records


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.5)
