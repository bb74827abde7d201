"""Capture's knobs: limits on what one request may hold, and on what all requests together may."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.kit.settings import BaseSettings


class CaptureSettings(BaseSettings):
    """Read from `HEDGEROW_CAPTURE_*`."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_CAPTURE_", frozen=True, extra="ignore")

    max_body_bytes: int = Field(20 * 1024**2, gt=0, description="Largest request body as sent; beyond it 413.")
    max_ai_body_bytes: int = Field(
        27 * 1024**2 + 512 * 1024,
        gt=0,
        description="The same for `/i/v0/ai`: 25 MiB of parts, and what is around them.",
    )
    max_inflated_bytes: int = Field(100 * 1024**2, gt=0, description="Largest body after inflating; beyond it 413.")
    max_record_bytes: int = Field(
        1_000_000, gt=0, description="Largest record on the log (key, value and headers); a larger event is a 413."
    )
    max_events: int = Field(100_000, gt=0, description="Most events in one request; beyond it 413.")
    max_inflight_body_bytes: int = Field(
        128 * 1024**2, gt=0, description="Bodies held in memory at once, all requests together; beyond it 503."
    )
    max_unacknowledged_bytes: int = Field(
        128 * 1024**2, gt=0, description="Records that may wait for the log in memory; beyond it 503."
    )
    max_blob_bytes: int = Field(
        64 * 1024**2, gt=0, description="Parts of AI events that may wait for the blob store in memory; beyond it 503."
    )
    inline_body_bytes: int = Field(
        256 * 1024, ge=0, description="Bodies up to this size are decided on the event loop, larger ones in a thread."
    )
    inline_inflated_bytes: int = Field(
        1024**2, ge=0, description="A small body that inflates beyond this is decided in a thread too."
    )
    heavy_requests: int = Field(
        2, gt=0, le=32, description="Large bodies decided at once; others wait with their bodies unparsed."
    )
    body_idle_timeout_seconds: float = Field(
        30.0, gt=0, description="Wait for the next piece of a body; beyond it 408."
    )
    retry_after_seconds: int = Field(2, ge=1, description="Retry-After of a 503.")
    access_log_every: int = Field(1_000, ge=1, description="One access line per so many successful requests.")

    drop_events_by_token_distinct_id: str = Field(
        "", description="Events to drop: `token:distinct_id,distinct_id;token:*`, as in PostHog."
    )
    force_overflow_by_token_distinct_id: str = Field(
        "", description="Events for the overflow topic, without person processing: the same form."
    )
    overflow_enabled: bool = Field(False, description="Move what one distinct_id sends too fast to the overflow topic.")
    overflow_per_second: float = Field(100.0, gt=0, description="Events of one distinct_id before they overflow.")
    overflow_burst: int = Field(1_000, gt=0, description="How many of these may come at once.")
    overflow_keeps_key: bool = Field(
        False, description="Keep a distinct_id's overflow in order on one partition, instead of spreading it."
    )
    person_events_per_minute: int = Field(
        0, ge=0, description="Events of one distinct_id before they are taken without person processing; 0: no limit."
    )
    token_events_per_minute: int = Field(
        0, ge=0, description="Events of one project before its requests are a 429; 0: no limit."
    )
    historical_after_days: float = Field(
        0.0, ge=0, description="Older events go to the historical topic as if they were an import; 0: none do."
    )
    dry_run_limits: str = Field(
        "",
        pattern=r"^((quota|token_rate|person_rate|overflow)(,(quota|token_rate|person_rate|overflow))*)?$",
        description="Limits that are counted but not applied: any of quota, token_rate, person_rate, overflow.",
    )
    quota_limited_answers: bool = Field(
        True, description="Name a used-up quota in the answer, so that SDKs pause; off: PostHog's plain Ok."
    )
    policy_exchange_seconds: float = Field(1.0, gt=0, description="How often counters go to the `state` server.")
    warning_seconds: float = Field(
        10.0, gt=0, description="How often projects are told of events that could not be taken, through the log."
    )
    policy_reload_seconds: float = Field(
        5.0, gt=0, description="How often quotas and restrictions are read from the `state` server."
    )
    policy_expiry_seconds: float = Field(
        300.0, gt=0, description="With the `state` server away for so long, quotas and restrictions are let go."
    )
    wal_directory: Path | None = Field(
        None,
        description="Directory of the write-ahead log that takes over while the event log is away, one per process; "
        "unset: there is none, and capture answers 503 meanwhile.",
    )
    wal_max_bytes: int = Field(
        1024**3, ge=1024**2, description="Most bytes the write-ahead log may take on disk; beyond it 503."
    )
    wal_segment_bytes: int = Field(
        16 * 1024**2, ge=4096, description="How far one of its files grows; a file is removed once it is drained."
    )
    wal_after_seconds: float = Field(
        3.0, gt=0, description="How long the event log may take to acknowledge before the write-ahead log takes over."
    )
