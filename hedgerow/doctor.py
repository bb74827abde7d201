"""`hedgerow doctor`: one look at everything an installation rests on, in words an operator can act on.

With HEDGEROW_* variables it examines what they name; without, the data directory's own instance. It changes nothing.
"""

import asyncio
import json
import os
import resource
import shutil
import stat
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from redis.asyncio import Redis
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hedgerow import probe
from hedgerow.embedded import instance
from libs.kit.contracts import topics
from libs.kit.runtime import Runtime, open_runtime
from libs.kit.schema.clickhouse import runner as clickhouse_schema
from libs.kit.schema.postgres import runner as postgres_schema
from libs.kit.settings import KitSettings

Level = Literal["ok", "note", "wrong"]
CHECK_SECONDS = 10.0
MIN_POSTGRES = 15
MIN_CLICKHOUSE = (25, 8)
MIN_REDIS = 7
MIN_OPEN_FILES = 4096
MAX_SKEW_SECONDS = 1.0
# Wraparound stops writes at 2**31; autovacuum forces itself at 200 million.
XID_NOTE, XID_WRONG = 500_000_000, 1_500_000_000
STYLES: Mapping[Level, str] = {"ok": "green", "note": "yellow", "wrong": "bold red"}


@dataclass(frozen=True)
class Finding:
    """note: works, but somebody should know. wrong: does not work, or will not for long."""

    check: str
    level: Level
    text: str


Check = Callable[[], Awaitable[Finding]]


async def examine(directory: Path) -> list[Finding]:
    """All checks, side by side. A check that fails or hangs is a finding, never an error."""
    machine = [look(directory) for look in (disk, secrets_private)] + [open_files(), memory()]
    settings = settings_for(directory)
    if settings is None:
        return [*machine, Finding("settings", "wrong", f"no HEDGEROW_* variables, and no Hedgerow in {directory}")]
    async with open_runtime(settings) as runtime:
        return [*machine, *await asyncio.gather(*(_guarded(name, check) for name, check in checks(runtime).items()))]


def checks(runtime: Runtime) -> Mapping[str, Check]:
    """Everything that has to be asked."""
    settings = runtime.settings
    found: dict[str, Check] = {
        "postgres": lambda: postgres(runtime),
        "postgres transactions": lambda: transactions(runtime),
        "clickhouse": lambda: clickhouse(runtime),
        "clock": lambda: clock(runtime),
        "schema": lambda: schema(runtime),
        "topics": lambda: log_topics(runtime),
        "blobs": lambda: blobs(runtime),
        "state": lambda: redis("state", settings.state_redis_url.get_secret_value()),
        "address": lambda: address(settings.site_url),
    }
    if settings.log_redis_url:
        url = settings.log_redis_url.get_secret_value()
        found["log"] = lambda: redis("log", url)
    else:
        found["log"] = lambda: kafka(runtime)
    return found


def settings_for(directory: Path) -> KitSettings | None:
    """From the environment, else from what the data directory keeps."""
    if "HEDGEROW_POSTGRES_DSN" in os.environ or "HEDGEROW_POSTGRES_DSN_FILE" in os.environ:
        return KitSettings()
    environment = instance.kept_environment(directory)
    if environment is None:
        return None
    os.environ.update(environment)
    return KitSettings()


async def postgres(runtime: Runtime) -> Finding:
    """Reachable, recent, and far from wraparound."""
    row = await runtime.postgres.fetch_one(
        "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,"
        " (SELECT max(age(datfrozenxid)) FROM pg_database) AS xid_age"
    )
    assert row  # noqa: S101
    if row["number"] < MIN_POSTGRES * 10_000:
        return Finding("postgres", "wrong", f"{row['version']}; {MIN_POSTGRES} or newer is needed")
    age = row["xid_age"]
    level: Level = "wrong" if age > XID_WRONG else "note" if age > XID_NOTE else "ok"
    return Finding("postgres", level, f"{row['version']}, oldest transaction id {age:,} back")


async def transactions(runtime: Runtime) -> Finding:
    """Nothing holds back vacuum."""
    row = await runtime.postgres.fetch_one(
        "SELECT count(*) AS number, coalesce(max(extract(epoch FROM now() - xact_start)), 0)::int AS seconds"
        " FROM pg_stat_activity WHERE xact_start < now() - interval '10 minutes' AND backend_type = 'client backend'"
    )
    assert row  # noqa: S101
    if row["number"]:
        return Finding("postgres transactions", "note", f"{row['number']} open for up to {row['seconds']} s")
    return Finding("postgres transactions", "ok", "none longer than 10 minutes")


async def clickhouse(runtime: Runtime) -> Finding:
    """Reachable over both protocols, recent, and able to write."""
    ((version,),) = await runtime.clickhouse.fetch("SELECT version()")
    result = await runtime.clickhouse.query("SELECT count() FROM system.parts WHERE active")
    parts = result.rows[0][0]
    if tuple(int(number) for number in version.split(".")[:2]) < MIN_CLICKHOUSE:
        return Finding("clickhouse", "wrong", f"{version}; {'.'.join(map(str, MIN_CLICKHOUSE))} or newer is needed")
    readonly = (await runtime.clickhouse.query("SELECT count() FROM system.replicas WHERE is_readonly")).rows[0][0]
    if int(readonly):
        return Finding("clickhouse", "wrong", f"{version}, {readonly} tables are read-only: is Keeper up?")
    return Finding("clickhouse", "ok", f"{version}, {parts} active parts")


async def clock(runtime: Runtime) -> Finding:
    """This machine and PostgreSQL's agree on the time."""
    before = datetime.now(UTC)
    row = await runtime.postgres.fetch_one("SELECT clock_timestamp() AS now")
    after = datetime.now(UTC)
    assert row  # noqa: S101
    skew = max((before - row["now"]).total_seconds(), (row["now"] - after).total_seconds(), 0.0)
    level: Level = "wrong" if skew > MAX_SKEW_SECONDS else "ok"
    return Finding("clock", level, f"within {skew:.2f} s of PostgreSQL's")


async def schema(runtime: Runtime) -> Finding:
    """No migration is waiting."""
    there = await runtime.clickhouse.fetch("EXISTS TABLE schema_migrations")
    rows = await runtime.clickhouse.fetch("SELECT DISTINCT number FROM schema_migrations") if there[0][0] else []
    recorded = {number for (number,) in rows}
    waiting = [
        *await postgres_schema.unapplied(runtime.postgres),
        *(f"{m.number:04}_{m.name}" for m in clickhouse_schema.shipped() if m.number not in recorded),
    ]
    if waiting:
        return Finding("schema", "wrong", f"not migrated: {', '.join(waiting)}. Run: hedgerow migrate")
    return Finding("schema", "ok", "up to date")


async def log_topics(runtime: Runtime) -> Finding:
    """Every topic exists."""
    counts = [f"{topic.name} ({await runtime.log.partitions(topic.name)})" for topic in topics.ALL]
    return Finding("topics", "ok", ", ".join(counts))


async def blobs(runtime: Runtime) -> Finding:
    """The store answers."""
    await runtime.blobs.check()
    return Finding("blobs", "ok", runtime.settings.blobs)


async def kafka(runtime: Runtime) -> Finding:
    """A broker answers."""
    await runtime.log.check()
    return Finding("log", "ok", "Kafka answers")


async def redis(role: Literal["log", "state"], url: str) -> Finding:
    """Recent, with room, and configured for what it holds."""
    async with Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5) as client:
        return judge_redis(role, await client.info())


def judge_redis(role: Literal["log", "state"], info: Mapping[str, object]) -> Finding:
    """What `INFO` says about a server of this role. (Managed servers refuse CONFIG GET, so it is not asked.)"""
    version = str(info.get("valkey_version") or info.get("redis_version"))
    policy, used = str(info.get("maxmemory_policy")), int(str(info.get("used_memory", 0)))
    most = int(str(info.get("maxmemory", 0)))
    share = f", {used / most:.0%} of {most // 2**20} MB used" if most else ", no memory limit"
    text = f"{version}, {policy}{share}"
    if int(version.partition(".")[0]) < MIN_REDIS:
        return Finding(role, "wrong", f"{text}; version {MIN_REDIS} or newer is needed")
    if role == "log" and policy != "noeviction":
        return Finding(role, "wrong", f"{text}; it would drop events: set maxmemory-policy noeviction")
    if policy.startswith("allkeys"):
        return Finding(role, "wrong", f"{text}; it would drop jobs and sessions: use volatile-ttl or noeviction")
    if role == "log" and not int(str(info.get("aof_enabled", 0))):
        return Finding(role, "wrong", f"{text}; without an append-only file a restart loses events")
    if not most or used > 0.9 * most:
        return Finding(role, "note", text)
    return Finding(role, "ok", text)


async def address(site_url: str) -> Finding:
    """The public address leads to a healthy Hedgerow."""
    well, text = await probe.health(site_url)
    return Finding("address", "ok" if well else "wrong", f"{site_url}: {text}")


def disk(directory: Path) -> Finding:
    """Room where the data is. Engines stop writing, some of them for good, on a full disk."""
    there = directory if directory.exists() else Path.cwd()
    total, _, free = shutil.disk_usage(there)
    share = free / total
    level: Level = "wrong" if share < 0.05 else "note" if share < 0.2 else "ok"
    return Finding("disk", level, f"{free / 2**30:.1f} GB free ({share:.0%})")


def secrets_private(directory: Path) -> Finding:
    """Nobody else may read the generated passwords."""
    path = directory / "secrets.json"
    if not path.exists():
        return Finding("secrets", "ok", "none kept in a data directory")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding("secrets", "wrong", f"{path} is open to others ({mode:o}). Run: chmod 600 {path}")
    return Finding("secrets", "ok", f"{path} is private")


def open_files() -> Finding:
    """Enough descriptors for ClickHouse's parts and the connections of SDKs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Finding("open files", "ok", "no limit")
    if soft >= MIN_OPEN_FILES:
        return Finding("open files", "ok", f"limit {soft}")
    if hard == resource.RLIM_INFINITY or hard >= MIN_OPEN_FILES:
        return Finding("open files", "ok", f"limit {soft}, which `hedgerow up` raises by itself")
    return Finding("open files", "note", f"limit {hard}; at least {MIN_OPEN_FILES} is wise")


def memory() -> Finding:
    """The embedded set idles below 1 GB and needs room for queries."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    level: Level = "note" if total < 1.5 * 2**30 else "ok"
    return Finding("memory", level, f"{total / 2**30:.1f} GB")


def show(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print them; the exit code: 1 when something is wrong."""
    wrong = any(finding.level == "wrong" for finding in findings)
    console = Console()
    if as_json:
        console.print_json(json.dumps({"ok": not wrong, "findings": [asdict(finding) for finding in findings]}))
        return int(wrong)
    table = Table(box=None, padding=(0, 2), show_header=False)
    for finding in findings:
        table.add_row(f"[{STYLES[finding.level]}]{finding.level}[/]", finding.check, escape(finding.text))
    console.print(table)
    return int(wrong)


async def _guarded(name: str, check: Check) -> Finding:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return Finding(name, "wrong", f"no answer within {CHECK_SECONDS:g} s")
    except Exception as exc:  # whatever goes wrong while looking is what the operator wants to know
        return Finding(name, "wrong", str(exc) or type(exc).__name__)
