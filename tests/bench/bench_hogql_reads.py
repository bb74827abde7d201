"""Our SQL for property filters and breakdowns beside String + JSONExtract, on the same events in the same engine.

`python -m tests.bench.bench_hogql_reads [events, 1000000]`: 5,000,000 is the size that counts. At most a million are
made, and the parts of the rest are copies of theirs. Three kinds of path: typed (a hot property), dynamic (a column of
its own) and in shared data (one of many rare ones); the last is checked to be there. Both forms must give the same
answer. CPU of all threads of the engine, in turns, warm: the median, and the median of the ratios. `first` is ours
without what ClickHouse keeps of a condition: the question whether a path holds objects, asked as if for the first time.
"""

import statistics
import sys
import time

from libs.hogql.compile import Project, compile_query
from libs.kit.clickhouse.statement_settings import JSON_INPUT
from tests.support.hogql import Engine

TEAM = 77
ROUNDS = 5
PATHS = {"typed": "$browser", "dynamic": "plan", "shared data": "rare_77"}
COMMON, RARE, BLOCK, MADE = 24, 1_000, 100_000, 1_000_000
UNHEARD = "SETTINGS use_query_condition_cache = 0"


def raw_properties() -> str:
    """SQL for one event's properties by `number`: 1.1 kB, some thirty keys, one in fifty of the rare ones."""
    browsers = "['Chrome', 'Firefox', 'Safari', 'Edge'][number % 4 + 1]"
    fields = [
        f"""'"$browser":"', {browsers}, '","$current_url":"https://app.example.com/', toString(number % 997), '"'""",
        """',"$os":"', ['Mac OS X', 'Windows', 'Linux'][number % 3 + 1], '","$device_type":"Desktop"'""",
        """',"plan":"', ['free', 'pro', 'team'][intHash32(number) % 3 + 1], '","amount":', toString(number % 500)""",
    ]
    for at in range(COMMON):
        fields.append(f"""',"key_{at}":"a value of some length ', toString((number + {at}) % 100), '"'""")  # noqa: PERF401
    rare = f"""',"rare_', toString(intHash32(number) % {RARE}), '":"', ['x', 'y'][number % 2 + 1], '"'"""
    return "concat('{', " + ", ".join([*fields, rare]) + ", '}')"


def fill(engine: Engine, events: int) -> None:
    """The events of one team, in blocks, merged as they are after a while."""
    settings = ", ".join(f"{name} = {value!r}" for name, value in JSON_INPUT.items() if "skip_unknown" not in name)
    made = min(events, MADE)
    engine.run_statement("CREATE TABLE made AS events")
    for first in range(0, made, BLOCK):
        engine.run_statement(
            "INSERT INTO made (uuid, event, properties, properties_raw, timestamp, team_id, distinct_id, _offset) "
            "SELECT generateUUIDv4(), 'e', raw, raw, "
            "toDateTime64('2024-05-01 00:00:00', 6, 'UTC') + number % 2000000, "
            f"{TEAM}, toString(number % 10000), number FROM (SELECT number, {raw_properties()} AS raw "
            f"FROM numbers({first}, {min(BLOCK, made - first)})) SETTINGS {settings}"
        )
    engine.run_statement("OPTIMIZE TABLE made FINAL")
    for _ in range(-(-events // made)):
        engine.run_statement("ALTER TABLE events ATTACH PARTITION ID '0' FROM made")


def cpu_ms(engine: Engine, sql: str) -> float:
    """Of one run: the engine is in this process."""
    started = time.process_time()
    engine.run(sql)
    return (time.process_time() - started) * 1e3


def compared(engine: Engine, name: str, hogql: str, baseline: str) -> None:
    """Print one line."""
    compiled = compile_query(hogql, Project(TEAM))
    ours, theirs = engine.compiled(compiled), engine.run(baseline)
    if sorted(map(repr, ours)) != sorted(map(repr, theirs)):
        raise SystemExit(f"{name}: the two forms differ: {ours} and {theirs}")
    forms = (baseline, compiled.sql, f"{compiled.sql} {UNHEARD}")
    rounds = [[cpu_ms(engine, sql) for sql in forms] for _ in range(ROUNDS)]
    slow, fast, first = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratio, first_ratio = (statistics.median(times[0] / times[at] for times in rounds) for at in (1, 2))
    print(f"{name:28}{slow:12.1f}{fast:10.1f}{ratio:8.1f}x{first:10.1f}{first_ratio:8.1f}x", flush=True)


def main() -> None:
    """Print the table."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    engine = Engine()
    started = time.perf_counter()
    fill(engine, events)
    spare = "has(groupUniqArrayArray(JSONSharedDataPaths(properties)), 'rare_77')"
    shared = engine.run(f"SELECT {spare} FROM events WHERE team_id = {TEAM}")[0][0]
    print(f"{events:,} events, filled in {time.perf_counter() - started:.0f} s; rare_77 in shared data: {shared}")
    print(f"{'CPU ms':28}{'JSONExtract':>12}{'ours':>10}{'':9}{'first':>10}")
    for kind, path in PATHS.items():
        value = "x" if kind == "shared data" else "pro" if kind == "dynamic" else "Chrome"
        read = f"JSONExtractString(properties_raw, '{path}')"
        where = f"FROM events WHERE team_id = {TEAM}"
        compared(
            engine, f"filter, {kind}", f"select count() from events where properties.{path} = '{value}'",
            f"SELECT count() {where} AND {read} = '{value}'",
        )  # fmt: skip
        compared(
            engine, f"breakdown, {kind}",
            f"select properties.{path} as k, count() as n from events group by k order by n desc, k limit 10",
            f"SELECT nullIf({read}, '') AS k, count() AS n {where} GROUP BY k ORDER BY n DESC, k LIMIT 10",
        )  # fmt: skip


if __name__ == "__main__":
    main()
