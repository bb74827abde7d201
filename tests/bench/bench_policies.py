"""What capture's policies cost, an event, beside deciding the same request. `python -m tests.bench.bench_policies`

Single events and batches of 50, with nothing configured, with limits on, and with rules about this project. Processor
time of this thread, median of five; the last column is the share of the decision's own time.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import orjson
from redis.asyncio import Redis

from libs.kit.clock import ManualClock
from services.capture.decision import Limits, Request
from services.capture.handle import decide
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from tests.support.capturing import NOW

LIMITS = Limits(100 * 2**20, 1_000_000, 100_000)
SECONDS = 0.2
CASES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "rules about others": {"drop_events_by_token_distinct_id": "phc_x"},
    "limits, not reached": {"overflow_enabled": True, "overflow_burst": 10**9, "person_events_per_minute": 10**9},
    "a rule about this one": {"drop_events_by_token_distinct_id": "phc_bench:nobody"},
}


def body(events: int) -> bytes:
    """Events of 1 kB, of a few people."""
    filler = {f"property {number}": "x" * 40 for number in range(20)}
    batch = [{"event": "a", "distinct_id": f"u{n % 5}", "properties": {"n": n, **filler}} for n in range(events)]
    return orjson.dumps({"api_key": "phc_bench", "batch": batch})


def microseconds(call: Callable[[], object]) -> float:
    """Of one call, the median of five rounds."""
    rounds = []
    for _ in range(5):
        calls, begin = 0, time.thread_time()
        while time.thread_time() - begin < SECONDS:
            call()
            calls += 1
        rounds.append((time.thread_time() - begin) / calls * 1e6)
    return statistics.median(rounds)


def main() -> None:
    """Print the table."""
    for events in (1, 50):
        request = Request("POST", "/batch/", b"", {}, body(events), "127.0.0.1", ManualClock(NOW).now_us())
        decision = decide(request, LIMITS)
        records, token = decision.records, decision.token
        baseline = microseconds(lambda request=request: decide(request, LIMITS))  # type: ignore[misc]
        print(f"{events} events: deciding takes {baseline:.1f} us a request")
        for name, settings in CASES.items():
            policies = Policies(Redis(port=1), ManualClock(NOW), CaptureSettings(**settings))

            def settle(policies: Policies = policies, records: Any = records, token: str = token) -> None:
                policies.settled(records, policies.route(records, token, historical=False), token)

            taken = microseconds(settle)
            print(f"  {name:24} {taken:7.2f} us a request  {taken / events:6.2f} us an event  {taken / baseline:6.1%}")


if __name__ == "__main__":
    main()
