"""Capture over HTTP, on a null log. `python -m tests.bench.bench_capture [--rounds 5] [--seconds 1.0]`

Single events: a POST of 1.1 kB with the ten headers of a browser, beside a bare ASGI echo on the same uvicorn. Batches:
50 events of 1.2 kB, gzipped, beside the handler one writes first. Servers run in processes of their own and take turns;
what counts is answers per second of the server's processor time (so per core), the median of the rounds.
"""

import argparse
import gzip
import statistics
from contextlib import ExitStack

import uvloop

from tests.bench.bench_scan import bodies
from tests.bench.served import closed_load, served

HEADERS = (
    "Host: events.example.com",
    "Connection: keep-alive",
    "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0",
    "Accept: */*",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
    "Origin: https://app.example.com",
    "Referer: https://app.example.com/",
    "Content-Type: text/plain",
)


def post(body: bytes, path: str) -> bytes:
    """As a browser sends it."""
    head = "\r\n".join([f"POST {path} HTTP/1.1", *HEADERS, f"Content-Length: {len(body)}"])
    return head.encode() + b"\r\n\r\n" + body


def requests() -> dict[str, tuple[str, bytes, int]]:
    """What is sent, by name: its baseline, the bytes, the events in it."""
    texts = bodies()
    single = post(texts["1 event"], "/e/?ip=1&_=1795262000123&ver=1.205.0")
    packed = post(gzip.compress(texts["50 events"], 6), "/batch/?compression=gzip-js&_=1795262000123")
    return {"single event": ("echo", single, 1), "50 events, gzip": ("naive", packed, 50)}


async def compare(baseline: str, request: bytes, events: int, rounds: int, seconds: float) -> None:
    """Take turns, and print a line for each server."""
    kinds = (baseline, "asgi", "protocol", "ceiling")
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    with ExitStack() as stack:
        ports = {kind: stack.enter_context(served(kind)) for kind in kinds}
        for kind in kinds:
            await closed_load(ports[kind], request, clients=16, seconds=min(0.3, seconds))
        for _ in range(rounds):
            for kind in kinds:
                run = await closed_load(ports[kind], request, clients=48, seconds=seconds)
                rates[kind].append(run.requests / run.cpu)
    for kind in kinds:
        ratios = [ours / theirs for ours, theirs in zip(rates[kind], rates[baseline], strict=True)]
        median = statistics.median(rates[kind])
        print(
            f"  {kind:<10}{median:>10,.0f} requests{median * events:>12,.0f} events per core second"
            f"{statistics.median(ratios):>8.2f} x {baseline} ({min(ratios):.2f} - {max(ratios):.2f})",
            flush=True,
        )


def main() -> None:
    """Print a table for each kind of request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    for name, (baseline, request, events) in requests().items():
        if arguments.only in name:
            print(f"{name} ({len(request)} bytes)")
            uvloop.run(compare(baseline, request, events, arguments.rounds, arguments.seconds))


if __name__ == "__main__":
    main()
