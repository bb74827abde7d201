"""The web app's own settings."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.kit.settings import BaseSettings


class WebSettings(BaseSettings):
    """Knobs of services/web."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_WEB_", frozen=True, extra="ignore")

    max_body_bytes: int = Field(20 * 1024 * 1024, gt=0, description="Largest request body.")
    assets_directory: Path | None = Field(
        None, description="Where posthog-js and htmx were put by `python -m services.web.assets`; unset: static/vendor."
    )
    live_subscribers: int = Field(500, gt=0, description="Open live streams one process serves; more get a 503.")
    live_queue_events: int = Field(
        1000, gt=0, description="Events kept for a slow live stream before its oldest are dropped."
    )
    live_stream_seconds: float = Field(
        1800.0,
        gt=0,
        description="A live stream ends after so long; the browser comes back by itself, and is asked anew.",
    )
    live_heartbeat_seconds: float = Field(15.0, gt=0, description="Longest silence on a live stream.")
    live_retry_seconds: float = Field(1.0, gt=0, description="Wait before reading the event log again after an error.")
    trace_records: int = Field(
        2_000, gt=0, description="Following an event: newest records of each partition of a topic that are looked at."
    )
    trace_seconds: float = Field(5.0, gt=0, description="Following an event: limit on looking at one place.")
    trace_concurrency: int = Field(2, gt=0, description="Events followed at once by one process; others wait, or 429.")
