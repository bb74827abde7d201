"""Knobs of the embedded engines and the supervisor."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.kit.settings import BaseSettings

MIB = 1024 * 1024


class UpSettings(BaseSettings):
    """Read by `hedgerow up` only."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_UP_", frozen=True, extra="ignore")

    log_memory_bytes: int = Field(256 * MIB, ge=8 * MIB, description="Memory of the embedded event log.")
    log_fsync: Literal["always", "everysec"] = Field(
        "always",
        description="When the embedded log syncs to disk. `everysec` is lossy: a machine that fails forgets up to a "
        "second of events that were acknowledged.",
    )
    state_memory_bytes: int = Field(64 * MIB, ge=8 * MIB, description="Memory for sessions, jobs and caches.")
    clickhouse_memory_bytes: int = Field(
        1024 * MIB, ge=256 * MIB, description="Memory of the embedded ClickHouse, all queries and merges together."
    )
    clickhouse_insert_bytes: int = Field(
        256 * MIB, ge=32 * MIB, description="Rows that inserts into the embedded ClickHouse hold, all together."
    )
    engine_start_seconds: float = Field(600.0, gt=0, description="How long an engine may recover before it is killed.")
    part_start_seconds: float = Field(60.0, gt=0, description="How long our own processes may take to get ready.")
    stop_seconds: float = Field(20.0, gt=0, description="How long a part may take to end before it is killed.")
    part_log_bytes: int = Field(
        20 * MIB, gt=0, description="A part's log file is rotated beyond this; one older is kept."
    )


class ServeSettings(BaseSettings):
    """Read by `hedgerow serve` and `hedgerow worker`."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_SERVE_", frozen=True, extra="ignore")

    drain_seconds: int = Field(10, gt=0, description="How long requests and batches in flight may take when stopping.")
    keep_alive_seconds: int = Field(65, gt=0, description="How long an idle connection stays open; above a proxy's 60.")
    head_seconds: int = Field(30, gt=0, description="How long a request's head may take to arrive.")
    max_head_bytes: int = Field(64 * 1024, ge=1024, description="Largest head of a request; beyond it 431.")
    max_connections: int = Field(4000, gt=0, description="Open connections and requests; beyond it 503.")
