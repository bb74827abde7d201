"""ClickHouse: one client for both ways in. See client.py."""

from libs.kit.clickhouse.client import ClickHouse, Result

__all__ = ["ClickHouse", "Result"]
