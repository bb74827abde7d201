"""The query service's knobs: what one query may take, and how many run at once."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from libs.kit.settings import BaseSettings


class QuerySettings(BaseSettings):
    """Read from `HEDGEROW_QUERY_*`."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_QUERY_", frozen=True, extra="ignore")

    max_body_bytes: int = Field(4 * 1024**2, gt=0, description="Largest request body; beyond it 413.")
    max_execution_seconds: float = Field(60.0, gt=0, description="Limit on one query; beyond it 504.")
    max_result_bytes: int = Field(256 * 1024**2, gt=0, description="Largest result ClickHouse may send for one query.")
    max_bytes_to_read: int = Field(0, ge=0, description="Most bytes one query may read; 0 for no limit.")
    concurrent_queries: int = Field(4, gt=0, description="Queries of all teams that this process runs at once.")
    concurrent_queries_per_team: int = Field(3, gt=0, description="Queries of one team that this process runs at once.")
    waiting_queries: int = Field(100, ge=0, description="Queries that may wait for their turn; beyond it 429.")
    wait_seconds: float = Field(30.0, gt=0, description="Longest wait for a turn; beyond it 429.")
