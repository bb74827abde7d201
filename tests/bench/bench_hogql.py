"""What it costs to compile a query. `python -m tests.bench.bench_hogql` prints a table.

Measured on two shared cores, CPython 3.11, medians (parse, whole compile): see docs/adr/0009-hogql-passes.md.
"""

import statistics
import time
from collections.abc import Callable

from libs.hogql.compile import Project, compile_query
from libs.hogql.parser import parse_select

ISSUE = """
    select properties.$browser as browser, count() as event_count, count(distinct distinct_id) as unique_users
    from events where timestamp > now() - interval 7 day group by browser order by event_count desc
"""
STEP = "select distinct_id, min(timestamp) as t from events where event = '{0}' group by distinct_id"
THOUSAND = [f"'event {i}'" for i in range(1000)]
QUERIES = {
    "one line": "select event, count() from events where timestamp > now() - interval 7 day group by event order by 2",
    "the issue's query": ISSUE,
    "two-step funnel": f"with a as ({STEP.format('signup')}), b as ({STEP.format('purchase')}) "
    "select count() from a join b on a.distinct_id = b.distinct_id where b.t > a.t",
    "1,000 strings in IN": f"select count() from events where event in ({', '.join(THOUSAND)})",
    "union of 25": " union all ".join(
        f"select event, {i} as n from events where properties.k{i} = '{i}'" for i in range(25)
    ),
    "2,000 terms of AND": "select 1 from events where " + " and ".join(f"event != 'e{i}'" for i in range(2000)),
    "100 nested calls": "select " + "toString(" * 100 + "1" + ")" * 100,
    "200 brackets": "select " + "(" * 200 + "1" + ")" * 200,
}  # fmt: skip


def median_ms(work: Callable[[], object], *, seconds: float = 0.5) -> float:
    """Of as many runs as fit into `seconds`, at least five."""
    times: list[float] = []
    until = time.process_time() + seconds
    while time.process_time() < until or len(times) < 5:
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return statistics.median(times) * 1e3


def main() -> None:
    """Print the table."""
    project = Project(1, "Europe/Berlin")
    print(f"{'query':24}{'characters':>12}{'parse ms':>12}{'compile ms':>12}")
    for name, text in QUERIES.items():
        parsed = median_ms(lambda text=text: parse_select(text))  # type: ignore[misc]
        compiled = median_ms(lambda text=text: compile_query(text, project))  # type: ignore[misc]
        print(f"{name:24}{len(text):12,}{parsed:12.2f}{compiled:12.2f}")


if __name__ == "__main__":
    main()
