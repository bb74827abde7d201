"""Knobs of the two workers: HEDGEROW_INGESTION_* and HEDGEROW_WRITER_*."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from libs.kit.contracts.topics import CAPTURED
from libs.kit.settings import BaseSettings

# ids with commas between them, every one, or none
TEAMS = r"^(\*|\d{1,18}(,\d{1,18})*)?$"


class IngestionSettings(BaseSettings):
    """Ingestion: events_plugin_ingestion -> clickhouse_events_json."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_INGESTION_", frozen=True, extra="ignore")

    lanes: str = Field(
        "live,overflow,historical",
        pattern=r"^(live|overflow|historical)(,(live|overflow|historical))*$",
        description="Topics this process reads, each in a loop of its own. Every lane needs a process somewhere.",
    )
    members: int = Field(
        2,
        ge=1,
        le=16,
        description="Members of each lane's group in this process, each with its share of the partitions: one decides "
        "while another waits for PostgreSQL.",
    )
    batch_records: int = Field(2_000, gt=0, description="Records decided at once, at most.")
    batch_bytes: int = Field(
        16 * 1024 * 1024, gt=0, description="Bytes of records decided at once, at most; one larger record goes alone."
    )
    linger_seconds: float = Field(0.05, ge=0, description="Wait for a small batch to grow.")
    fetch_seconds: float = Field(1.0, gt=0, description="Wait for the first record.")
    team_cache_seconds: float = Field(30.0, ge=0, description="How stale a project may be.")
    unknown_team_cache_seconds: float = Field(
        1.0, ge=0, description="How long a token of no project is remembered as such."
    )
    team_cache_size: int = Field(20_000, gt=0, description="Tokens remembered.")
    geoip_path: Path | None = Field(
        None,
        description="Database of places in MaxMind's format (GeoLite2-City.mmdb or alike); read again when another "
        "file is renamed into its place. Without it events say nothing of where they came from.",
    )
    cookieless_disabled: bool = Field(
        False, description="Drop all events of visitors without cookies, whatever their projects say."
    )
    ai_prices_path: Path | None = Field(
        None,
        description="What language models cost, as JSON: provider/model to dollars a token. Replaces the list we ship.",
    )
    ai_stripped_teams: str = Field(
        "",
        pattern=TEAMS,
        description="Projects, by id, whose AI events keep their large properties ($ai_input and alike) in `ai_events` "
        "only; * for all. Their rows in `events` are small, and what was said is gone when `ai_events` lets it go.",
    )
    drop_events_by_token_distinct_id: str = Field(
        "", description="Events in the log to drop: `token:distinct_id,distinct_id;token:*`, as in PostHog."
    )
    skip_persons_by_token_distinct_id: str = Field(
        "", description="Events in the log to process without a person: the same form."
    )
    force_overflow_by_token_distinct_id: str = Field(
        "", description="Live events in the log to move to the overflow topic: the same form."
    )
    restrictions_reload_seconds: float = Field(
        5.0, gt=0, description="How often restrictions are read from the `state` server."
    )
    restrictions_expiry_seconds: float = Field(
        300.0, gt=0, description="With the `state` server away for so long, restrictions are let go."
    )
    merge_move_distinct_id_limit: int = Field(
        10_000,
        ge=0,
        description="Distinct ids that one merge may move to another person; 0 for any number. An event that asks for "
        "more becomes a dead letter, and can be sent again under a higher limit.",
    )
    personless_flag_teams: str = Field(
        "",
        pattern=TEAMS,
        description="Projects, by id, in which `$feature_flag_called` makes no person where there is none; * for all.",
    )


class WriterSettings(BaseSettings):
    """Writer: clickhouse_events_json -> ClickHouse."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_WRITER_", frozen=True, extra="ignore")

    batch_records: int = Field(20_000, gt=0, description="Records inserted at once, at most.")
    batch_bytes: int = Field(
        32 * 1024 * 1024, gt=0, description="Bytes of records inserted at once, at most; one larger record goes alone."
    )
    linger_seconds: float = Field(0.1, ge=0, description="Wait for a small batch to grow: fewer, larger parts.")
    max_linger_seconds: float = Field(
        0.8, ge=0, description="Under load the wait grows to twice the time that the last batch took, up to this."
    )
    tables_max_linger_seconds: float = Field(
        2.0, ge=0, description="The same for persons, groups, heatmaps and metrics: ten times what the last batch took."
    )
    fetch_seconds: float = Field(1.0, gt=0, description="Wait for the first record.")
    duplicate_window_hours: float = Field(
        24.0, gt=0, description="Copies that arrive within it are dropped. Not shorter than the raw log's retention."
    )
    seen_filter_mebibytes: int = Field(
        16, gt=0, description="Memory of the filter that knows new events without asking; 10 bits an event work well."
    )
    refill_seconds: float = Field(
        600.0, gt=0, description="Limit on reading the filter back from ClickHouse when a partition becomes ours."
    )

    ai_retention_days: int = Field(
        30, gt=0, le=2_500, description="Days, after an AI event, for which `ai_events` keeps it; `events` has its own."
    )

    @model_validator(mode="after")
    def _window_covers_the_log(self) -> Self:
        # what the log still holds may come again, and must then be known
        for topic in CAPTURED:
            if self.duplicate_window_hours < topic.retention_hours:
                raise ValueError(
                    f"duplicate_window_hours is {self.duplicate_window_hours:g}, shorter than the "
                    f"{topic.retention_hours} hours for which {topic.name} keeps its records"
                )
        return self
