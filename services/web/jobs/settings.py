"""When background jobs run, and what they may take."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.kit.settings import BaseSettings


class JobsSettings(BaseSettings):
    """Read from `HEDGEROW_JOBS_*`. Hours are UTC."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_JOBS_", frozen=True, extra="ignore")

    poll_seconds: float = Field(2.0, gt=0, description="How often the queue is looked at.")
    timeout_seconds: float = Field(7200.0, gt=0, description="Longest run of one job; the next run goes on.")
    mutation_seconds: float = Field(3600.0, gt=0, description="Longest that one statement may rewrite tables.")
    deletion_hour: int | None = Field(
        None, ge=0, le=23, description="Hour at which what was asked to be deleted goes; unset: within seconds."
    )
    deletion_seconds: float = Field(10.0, gt=0, description="How often that is looked for, with no hour set.")
    deletion_grace_seconds: float = Field(
        900.0,
        ge=0,
        description="A deletion counts as done when nothing is left so long after it was asked for: events still under "
        "way then have arrived.",
    )
    retention_hour: int = Field(2, ge=0, le=23, description="Hour at which events go that are older than they may be.")
    events_disk_budget_bytes: int = Field(
        0, ge=0, description="Bytes the events table may take on disk; beyond it the oldest months go. 0: no limit."
    )
    squash_weekday: int = Field(
        6, ge=0, le=6, description="Day on which events of merged persons are rewritten; 0 is Monday."
    )
    squash_hour: int = Field(4, ge=0, le=23, description="Hour at which that happens.")
    squash_min_age_hours: float = Field(
        24.0,
        ge=0,
        description="Merges younger than this wait for the next squash: events decided before them may still be on the "
        "way to ClickHouse.",
    )
