"""Which services and workers there are. Named by dotted path: a process imports only what it runs."""

import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp

    from libs.kit.runtime import Runtime
    from libs.kit.settings import BaseSettings

OpenApp = Callable[["Runtime", Any], AbstractAsyncContextManager["ASGIApp"]]
RunWorker = Callable[["Runtime", Any, "asyncio.Event"], Awaitable[None]]


@dataclass(frozen=True)
class Entry:
    """`run` is a service's `open_app` or a worker's `run`; `settings` the class it is given an instance of."""

    run: str
    settings: str

    def load(self) -> tuple[Any, "BaseSettings"]:
        """Import both and read the settings."""
        return _named(self.run), _named(self.settings)()


SERVICES: Mapping[str, Entry] = {
    "capture": Entry("services.capture.app:open_app", "services.capture.settings:CaptureSettings"),
    "query": Entry("services.query.app:open_app", "services.query.settings:QuerySettings"),
    "web": Entry("services.web.app:open_app", "services.web.settings:WebSettings"),
}

WORKERS: Mapping[str, Entry] = {
    "ingestion": Entry("services.cdp.ingestion.worker:run", "services.cdp.settings:IngestionSettings"),
    "writer": Entry("services.cdp.writer.worker:run", "services.cdp.settings:WriterSettings"),
    "jobs": Entry("services.web.jobs.worker:run", "services.web.jobs.settings:JobsSettings"),
}


class UnknownName(ValueError):
    """No service or worker has that name."""


def chosen(name: str, among: Mapping[str, Entry]) -> Sequence[str]:
    """`all`, or one name. Raises UnknownName, which lists them."""
    if name == "all":
        return list(among)
    if name not in among:
        raise UnknownName(f"There is no {name!r}. Choose from: {', '.join([*among, 'all'])}.")
    return [name]


def _named(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
