"""Writes the reference pages under docs/reference from the code itself: settings, metrics, topics, endpoints.

`python -m scripts.reference` rewrites them; tests/docs/test_reference.py fails when a page is not what this prints.
"""

import asyncio
import importlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from starlette.routing import Router

from libs.kit import metrics
from libs.kit.contracts import topics
from libs.kit.runtime import open_runtime
from libs.kit.settings import BaseSettings, KitSettings
from services.capture.openapi import document
from services.query import app as query
from services.query.settings import QuerySettings
from services.web import app as web
from services.web.settings import WebSettings

DIRECTORY = Path("docs/reference")
SETTINGS = (
    ("Every process", "libs.kit.settings", "KitSettings"),
    ("capture", "services.capture.settings", "CaptureSettings"),
    ("ingestion", "services.cdp.settings", "IngestionSettings"),
    ("writer", "services.cdp.settings", "WriterSettings"),
    ("query", "services.query.settings", "QuerySettings"),
    ("web", "services.web.settings", "WebSettings"),
    ("jobs", "services.web.jobs.settings", "JobsSettings"),
    ("`hedgerow serve` and `hedgerow worker`", "hedgerow.settings", "ServeSettings"),
    ("`hedgerow up`", "hedgerow.settings", "UpSettings"),
)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)]
    return "\n".join(lines) + "\n"


def default(field: FieldInfo) -> str:
    """A setting's default as a reader would write it."""
    if field.default is PydanticUndefined:
        return "required"
    text = str(getattr(field.default, "get_secret_value", lambda: field.default)())
    return f"`{text}`" if text not in ("", "None") else "unset"


def settings_page() -> str:
    """Every environment variable."""
    parts = ["# Settings\n\nEach may also be given as `NAME_FILE`: the path of a file that holds the value.\n"]
    for title, module, name in SETTINGS:
        settings: type[BaseSettings] = getattr(importlib.import_module(module), name)
        prefix = settings.model_config.get("env_prefix", "")
        rows = [
            (f"`{prefix}{field_name}`".upper(), default(field), field.description or "")
            for field_name, field in settings.model_fields.items()
        ]
        parts.append(f"## {title}\n\n" + table(("variable", "default", "meaning"), rows))
    return "\n".join(parts)


def metrics_page() -> str:
    """Every Prometheus metric."""
    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    rows = [
        (f"`{metric._name}`", metric._type, ", ".join(metric._labelnames) or "none", metric._documentation)
        for metric in found
    ]
    return "# Metrics\n\nOn `/metrics` of the probes port.\n\n" + table(("name", "type", "labels", "meaning"), rows)


def topics_page() -> str:
    """Every topic of the event log."""
    rows = [
        (f"`{topic.name}`", ", ".join(topic.groups) or "none", f"{topic.retention_hours} h") for topic in topics.ALL
    ]
    text = "# Topics\n\nMessage shapes: `libs/kit/contracts/events.py`.\n\n"
    return text + table(("topic", "consumer groups", "kept (Kafka)"), rows)


async def apps() -> dict[str, FastAPI]:
    """The FastAPI apps over a runtime whose stores are never reached: enough to read their routes."""
    settings = KitSettings(
        secret_key=SecretStr("x" * 32),
        postgres_dsn=SecretStr("postgresql://nowhere/none"),
        log_redis_url=SecretStr("redis://nowhere"),
        state_redis_url=SecretStr("redis://nowhere"),
        blobs_directory=Path(tempfile.gettempdir()),
    )
    async with open_runtime(settings) as runtime:
        return {
            "query": query.create_app(runtime, QuerySettings()),
            "web": web.create_app(runtime, WebSettings()),
        }


def endpoints_page() -> str:
    """Every endpoint of every service, from the apps themselves."""
    parts = ["# Endpoints\n\nA trailing slash is optional everywhere.\n"]
    head = ("path", "methods", "what")
    parts.append("## capture\n\n" + table(head, [*map(hot_row, document()["paths"].items())]))
    for service, app in asyncio.run(apps()).items():
        rows = [(f"`{path}`", methods, summary) for path, methods, summary in sorted(set(routes_of(app.router)))]
        parts.append(f"## {service}\n\n" + table(head, rows))
    return "\n".join(parts)


def hot_row(path: tuple[str, dict[str, dict[str, str]]]) -> tuple[str, str, str]:
    """A row of capture's own document (`/i/openapi.json`); OPTIONS is answered everywhere."""
    name, methods = path
    allowed = ", ".join(sorted(("OPTIONS", *(method.upper() for method in methods))))
    return f"`{name}`", allowed, methods["post"]["summary"]


def routes_of(router: Router) -> Iterator[tuple[str, str, str]]:
    """Path, methods and first docstring line of an app's routes; routers are included as they are, without a prefix."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            summary = (route.endpoint.__doc__ or "").strip().split("\n")[0]
            yield route.path, ", ".join(sorted(route.methods or ())), summary
        elif included := getattr(route, "original_router", None):
            yield from routes_of(included)


PAGES = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "topics.md": topics_page,
    "endpoints.md": endpoints_page,
}


def main() -> None:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (DIRECTORY / name).write_text(page())


if __name__ == "__main__":
    main()
