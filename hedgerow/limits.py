"""`hedgerow limits`: quotas and restrictions of projects, as capture reads them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from redis.asyncio import Redis

app = typer.Typer(help="Quotas and restrictions of projects. Capture takes a change up within seconds.")

DataDir = Annotated[Path, typer.Option("--data-dir", help="Where everything is kept.", envvar="HEDGEROW_DATA_DIR")]
Token = Annotated[str, typer.Argument(help="The project's API key.")]
Values = Annotated[list[str], typer.Option()]
DATA = Path("data")


@app.command()
def show(data_dir: DataDir = DATA) -> None:
    """Print all of them as JSON."""
    from services.capture.policies.editing import shown

    typer.echo(json.dumps(_asked(data_dir, lambda state: shown(state, datetime.now(UTC))), indent=2))


@app.command()
def quota(
    token: Token,
    events: Annotated[int, typer.Argument(help="Events a calendar month (UTC); 0 lifts the quota.", min=0)],
    resource: Annotated[str, typer.Option(help="events, exceptions, surveys or llm_events.")] = "events",
    data_dir: DataDir = DATA,
) -> None:
    """Give a project a monthly quota: what is beyond it is dropped, and its SDKs are told."""
    from services.capture.policies.editing import set_quota

    _asked(data_dir, lambda state: set_quota(state, token, resource, events, datetime.now(UTC)))


@app.command()
def restrict(
    token: Token,
    kind: Annotated[
        str,
        typer.Argument(
            help="drop_event_from_ingestion, redirect_to_dlq, redirect_to_topic, force_overflow_from_ingestion or "
            "skip_person_processing."
        ),
    ],
    distinct_id: Values = [],  # noqa: B006 - typer's way
    event: Values = [],  # noqa: B006
    session_id: Values = [],  # noqa: B006
    uuid: Values = [],  # noqa: B006
    pipeline: Annotated[
        list[str], typer.Option(help="Only events of analytics, ai ($ai_...) or errortracking ($exception).")
    ] = [],  # noqa: B006
    topic: Annotated[str | None, typer.Option(help="For redirect_to_topic.")] = None,
    data_dir: DataDir = DATA,
) -> None:
    """Do something with a project's events: with all, or those that match each option given (any value of it)."""
    from libs.kit.restrictions import PIPELINES
    from services.capture.policies.editing import restrict as add

    lists = {"distinct_ids": distinct_id, "event_names": event, "session_ids": session_id, "event_uuids": uuid}
    filters: dict[str, Any] = {name: values for name, values in lists.items() if values}
    if topic:
        filters["args"] = {"topic": topic}
    _asked(data_dir, lambda state: add(state, token, kind, filters, pipeline or PIPELINES))


@app.command()
def lift(
    token: Token, kind: Annotated[str, typer.Argument(help="The type, as for restrict.")], data_dir: DataDir = DATA
) -> None:
    """Remove all restrictions of one type that a project has."""
    from services.capture.policies.editing import lift as remove

    _asked(data_dir, lambda state: remove(state, token, kind))


def _asked(data_dir: Path, call: Callable[["Redis"], Awaitable[Any]]) -> Any:
    from redis.asyncio import Redis

    from hedgerow.doctor import settings_for
    from libs.kit.errors import HedgerowError

    settings = settings_for(data_dir)
    if settings is None:
        typer.echo(f"There are no HEDGEROW_* variables, and there is no Hedgerow in {data_dir}.", err=True)
        raise typer.Exit(2)
    url, seconds = settings.state_redis_url.get_secret_value(), settings.redis_timeout_seconds

    async def run() -> Any:
        async with Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds) as state:
            return await call(state)

    try:
        return asyncio.run(run())
    except HedgerowError as exc:
        typer.echo(exc.detail, err=True)
        raise typer.Exit(1) from None
