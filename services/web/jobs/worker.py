"""The `jobs` worker: arq over the `state` Redis. Each job is a sweep that may run again at any time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC
from typing import Any

import orjson
from arq import Worker
from arq.connections import ArqRedis
from arq.cron import CronJob, cron
from arq.typing import WorkerCoroutine
from arq.worker import func
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.kit import metrics
from libs.kit.logging import get_logger
from libs.kit.runtime import Runtime
from services.web.jobs.deletions import delete
from services.web.jobs.retention import retain
from services.web.jobs.settings import JobsSettings
from services.web.jobs.squash import squash

Sweep = Callable[[Runtime, JobsSettings], Awaitable[Any]]
log = get_logger(__name__)

QUEUE = "hedgerow:jobs"
SWEEPS: dict[str, Sweep] = {"deletions": delete, "retention": retain, "squash": squash}


async def run(runtime: Runtime, settings: JobsSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set. While Redis is away nothing runs; what is due then runs when it is back."""
    stopping = asyncio.create_task(stop.wait())
    asking = asyncio.create_task(_ask_for_deletions(runtime, settings, stopping))
    while not stop.is_set():
        worker = _worker(runtime, settings)
        running = asyncio.create_task(worker.async_run())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        try:
            await _ended(worker, running)
        except (RedisError, OSError) as exc:
            log.warning("jobs_waiting", error=str(exc)[:200])
            await asyncio.wait({stopping}, timeout=settings.poll_seconds)
    await asking


async def _ask_for_deletions(runtime: Runtime, settings: JobsSettings, stopping: "asyncio.Task[bool]") -> None:
    """Not by arq's schedule: there a job is held back for a minute after its end, lest another process runs it too."""
    queue = _queue(runtime.state)
    while settings.deletion_hour is None and not stopping.done():
        # it is `run` that says when Redis is away
        with suppress(RedisError, OSError):
            await queue.enqueue_job("deletions", _job_id="deletions", _queue_name=QUEUE)
        await asyncio.wait({stopping}, timeout=settings.deletion_seconds)


async def _ended(worker: Worker, running: "asyncio.Task[None]") -> None:
    """Jobs under way are cancelled; they are sweeps, and the next one goes on."""
    if running.done():
        running.result()
    running.cancel()
    for task in worker.tasks.values():
        task.cancel()
    await asyncio.gather(running, *worker.tasks.values(), return_exceptions=True)


def _worker(runtime: Runtime, settings: JobsSettings) -> Worker:
    return Worker(
        functions=[func(_coroutine(name, sweep, runtime, settings), name=name) for name, sweep in SWEEPS.items()],
        cron_jobs=_schedule(runtime, settings),
        redis_pool=_queue(runtime.state),
        queue_name=QUEUE,
        handle_signals=False,
        max_jobs=1,
        max_tries=1,
        retry_jobs=False,
        job_timeout=settings.timeout_seconds,
        keep_result=0,
        poll_delay=settings.poll_seconds,
        timezone=UTC,
        job_serializer=orjson.dumps,
        job_deserializer=orjson.loads,
        log_results=False,
    )


def _queue(state: Redis) -> ArqRedis:
    """Messages are JSON: a pickle would run what it holds."""
    return ArqRedis(
        state.connection_pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads, default_queue_name=QUEUE
    )


def _coroutine(name: str, sweep: Sweep, runtime: Runtime, settings: JobsSettings) -> WorkerCoroutine:
    async def job(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None:
        with metrics.JOB_SECONDS.labels(name).time():
            try:
                await sweep(runtime, settings)
            except Exception as exc:
                metrics.JOB_RUNS.labels(name, "failed").inc()
                log.warning("job_failed", job=name, error=str(exc)[:300])
                raise
        metrics.JOB_RUNS.labels(name, "ok").inc()

    return job


def _schedule(runtime: Runtime, settings: JobsSettings) -> Sequence[CronJob]:
    """Each under its own name as id, so that it neither waits twice nor runs beside itself, in whatever process."""

    def at(name: str, **when: Any) -> CronJob:
        job = _coroutine(name, SWEEPS[name], runtime, settings)
        return cron(job, name=name, job_id=name, keep_result=0, **when)

    nightly = [] if settings.deletion_hour is None else [at("deletions", hour=settings.deletion_hour, minute=0)]
    return [
        *nightly,
        at("retention", hour=settings.retention_hour, minute=10),
        at("squash", weekday=settings.squash_weekday, hour=settings.squash_hour, minute=20),
    ]
