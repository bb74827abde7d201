"""Writes the reference pages under docs/reference from the code itself: settings, metrics, topics, endpoints.

`python -m scripts.reference` rewrites them; tests/docs/test_reference.py fails when a page is not what this prints.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from libs.kit import metrics
from libs.kit.contracts import topics
from libs.kit.settings import BaseSettings

DIRECTORY = Path("docs/reference")
SETTINGS = (
    ("Every process", "libs.kit.settings", "KitSettings"),
    ("capture", "services.capture.settings", "CaptureSettings"),
    ("ingestion and writer", "services.cdp.settings", "CdpSettings"),
    ("query", "services.query.settings", "QuerySettings"),
    ("web", "services.web.settings", "WebSettings"),
    ("`hedgerow up`", "hedgerow.settings", "UpSettings"),
)
SERVICES = ("capture", "query", "web")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
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


def routes_of(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Method, path and first docstring line of an app's routes."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            summary = (route.endpoint.__doc__ or "").strip().split("\n")[0]
            for method in sorted(route.methods):
                yield method, route.path, summary
