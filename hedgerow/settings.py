"""Knobs of the embedded engines and the supervisor."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.kit.settings import BaseSettings


class EmbeddedSettings(BaseSettings):
    """Read by `hedgerow up` only."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_EMBEDDED_", frozen=True, extra="ignore")

    log_max_memory_mb: int = Field(256, ge=16, description="Memory of the embedded event log, MB.")
    log_fsync: Literal["always", "everysec"] = Field(
        "always",
        description="When the embedded log syncs to disk. `everysec` is lossy: a machine that fails forgets up to a "
        "second of events that were acknowledged.",
    )
    state_max_memory_mb: int = Field(64, ge=16, description="Memory for sessions, jobs and caches, MB.")
    engine_start_seconds: float = Field(600.0, gt=0, description="How long an engine may recover before it is killed.")
    part_start_seconds: float = Field(60.0, gt=0, description="How long our own processes may take to get ready.")
    stop_seconds: float = Field(20.0, gt=0, description="How long a part may take to end before it is killed.")
    part_log_max_mb: int = Field(20, gt=0, description="A part's log file is rotated beyond this; one old one is kept.")
