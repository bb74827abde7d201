"""What it costs to read and to compile a query. `python -m tests.bench.bench_hogql [seconds a case, 0.3]`

Parse: ours compiled and in plain Python, beside hogql-parser (PostHog's, in C++; its JSON is not even read here) and
sqlglot's ClickHouse dialect, if it is there (`pip install 'sqlglot[c]'`, the compiled one; of 68 MB, so not among our
dependencies). Then compile (parse, resolve, print) over the fixture queries: median and p95.
Processor time, medians; the columns of one row were measured one after another, so ratios count, not figures.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from libs.hogql import parser
from libs.hogql.compile import Project, compile_query
from tests.bench.hogql_texts import README, TEXTS
from tests.libs.hogql.test_pairs import pairs
from tests.support import hogql_peer

PEER = """
import hogql_parser, json, sys, time
for text, seconds in json.load(sys.stdin):
    if text.count(" and ") > 1_000:
        print("nan", flush=True)  # over a minute, and no more to be learnt from it than from the nested calls
        continue
    times, until = [], time.process_time() + seconds
    while not times or (time.process_time() < until and len(times) < 300):
        started = time.process_time()
        hogql_parser.parse_select_json(text)
        times.append(time.process_time() - started)
    print(sorted(times)[len(times) // 2], flush=True)
"""
PLAIN = """
import json, sys
from libs.hogql.parser import CHOSEN, parse_select
from tests.bench.bench_hogql import median_seconds
assert CHOSEN == "python"
for text, seconds in json.load(sys.stdin):
    print(median_seconds(lambda: parse_select(text), seconds))
"""


def median_seconds(work: Callable[[], object], seconds: float) -> float:
    """Of as many runs as fit into `seconds`, at least five, after a first one."""
    work()
    times: list[float] = []
    until = time.process_time() + seconds
    while time.process_time() < until or len(times) < 5:
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return statistics.median(times)


def elsewhere(program: str, seconds: float, **environment: str) -> list[float]:
    """What a program prints for each text, in a process of its own."""
    asked = json.dumps([(text, seconds) for text in TEXTS.values()])
    done = subprocess.run(
        [sys.executable, "-c", program], input=asked, capture_output=True, text=True, check=True, timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path])), **environment},
    )  # fmt: skip
    return [float(line) for line in done.stdout.split()]


def peer_seconds(seconds: float) -> list[float | None]:
    """hogql-parser on each text."""
    if not hogql_peer.HERE:
        return [None] * len(TEXTS)
    with tempfile.TemporaryDirectory() as folder:
        return [*elsewhere(PEER, seconds, PYTHONPATH=hogql_peer.peer_path(Path(folder)))]


def sqlglot_build() -> str:
    """Whether the sqlglot that would be measured is compiled."""
    spec = importlib.util.find_spec("sqlglot.parser") if importlib.util.find_spec("sqlglot") else None
    return "not here" if spec is None else "plain" if str(spec.origin).endswith(".py") else "compiled"


def sqlglot_seconds(seconds: float) -> list[float | None]:
    """sqlglot on each text; None where it does not take it."""
    if sqlglot_build() == "not here":
        return [None] * len(TEXTS)
    import sqlglot

    found: list[float | None] = []
    for text in TEXTS.values():
        text = text.replace(".$", "._")  # its names have no dollar in them
        try:
            found.append(median_seconds(partial(sqlglot.parse_one, text, read="clickhouse"), seconds))
        except (sqlglot.errors.SqlglotError, RecursionError):
            found.append(None)
    return found


def shown(seconds: float | None, ours: float) -> str:
    """Microseconds and how many times ours."""
    return f"{'-':>20}" if seconds is None else f"{seconds * 1e6:12,.0f} {seconds / ours:6.1f}x"


def parse_table(seconds: float) -> None:
    """Print what it costs to read each text."""
    glot = f"sqlglot ({sqlglot_build()})"
    print(f"parse, us; ours is the {parser.CHOSEN} build")
    print(f"{'':24}{'characters':>11}{'ours':>10}{'ours, plain':>20}{'hogql-parser':>20}{glot:>20}")
    ours = [median_seconds(partial(parser.parse_select, text), seconds) for text in TEXTS.values()]
    plain = elsewhere(PLAIN, seconds, HEDGEROW_PURE_PYTHON="1")
    columns: list[Sequence[float | None]] = [plain, peer_seconds(seconds), sqlglot_seconds(seconds)]
    for at, (name, text) in enumerate(TEXTS.items()):
        others = "".join([shown(column[at], ours[at]) for column in columns])
        print(f"{name:24}{len(text):11,}{ours[at] * 1e6:10,.1f}{others}")


def compile_table() -> None:
    """Print what it costs to compile the fixture queries, and of that the share of the parser."""
    whole, read = [], []
    for pair in pairs():
        zone, text, _, _ = pair.values  # type: ignore[attr-defined]
        project = Project(1, zone)
        whole.append(median_seconds(partial(compile_query, text, project), 0.02))
        read.append(median_seconds(partial(parser.parse_select, text), 0.005))
    p95 = sorted(whole)[int(len(whole) * 0.95)]
    print(
        f"\nparse + resolve + print, {len(whole)} fixture queries: median {statistics.median(whole) * 1e3:.2f} ms, ",
        end="",
    )
    print(f"p95 {p95 * 1e3:.2f} ms; of that parse {statistics.median(read) * 1e6:.0f} us at the median")
    compiled = median_seconds(partial(compile_query, README, Project(1)), 0.5)
    print(f"the README's query: {compiled * 1e3:.2f} ms")


def main() -> None:
    """Print both tables."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.3
    parse_table(seconds)
    compile_table()


if __name__ == "__main__":
    main()
