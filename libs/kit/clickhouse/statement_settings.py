"""ClickHouse settings of every kind of statement, in one place. All exist in ClickHouse 25.8.

Missing on purpose: fsync_after_insert and fsync_part_directory. They are settings of a table (a statement that names
them is refused, code 115), so migrations put them on every table that consumers write.
"""

import math
from collections.abc import Mapping

Settings = Mapping[str, str | int]

# How JSON is read. Each line keeps a batch whole that ClickHouse would otherwise refuse, or a value as it was sent.
JSON_INPUT: Settings = {
    "input_format_try_infer_dates": 0,  # a date stays the text that was sent
    "input_format_try_infer_datetimes": 0,
    "input_format_json_infer_incomplete_types_as_strings": 1,
    "type_json_skip_duplicated_paths": 1,  # {"a":1,"a":2}: the first one counts, and the batch goes through
    "json_type_escape_dots_in_keys": 1,  # the key "a.b" is the path `a%2Eb`, and never the path of {"a":{"b":...}}
    "input_format_skip_unknown_fields": 0,  # a field we forgot in the table must be seen, not lost
    "input_format_null_as_default": 1,
    "date_time_input_format": "best_effort",
}

INSERT: Settings = {
    **JSON_INPUT,
    "async_insert": 0,
    "insert_deduplicate": 0,  # the writer looks up what is stored; see ADR 0005
    # One block per insert, parsed before anything is written: a bad last row leaves nothing behind.
    "input_format_parallel_parsing": 0,
    "max_insert_block_size": 1_000_000,
    "min_insert_block_size_rows": 1_000_000,
    "min_insert_block_size_bytes": 1024**3,
    "max_partitions_per_insert_block": 100,
    "wait_end_of_query": 1,
    "distributed_foreground_insert": 1,  # through a Distributed table: answer when the shard has it
}

_READ: Settings = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 1,  # a Decimal stays exact, as text
    "output_format_json_quote_denormals": 0,  # JSON has no NaN: null
    "enable_shared_storage_snapshot_in_query": 1,  # a scalar subquery sees the rows that the query around it sees
    "http_write_exception_in_output_format": 0,
    "cancel_http_readonly_queries_on_client_close": 1,
}


def read(timeout: float, max_memory_bytes: int, *, readonly: bool, buffered: bool) -> dict[str, str | int]:
    """Settings of one read. `buffered`: the server answers only once it knows how the query ended."""
    settings: dict[str, str | int] = {**_READ, "max_execution_time": math.ceil(timeout)}
    settings["max_memory_usage"] = max_memory_bytes
    if buffered:
        settings["wait_end_of_query"] = 1
    if readonly:
        settings["readonly"] = 2  # 1 would also refuse the settings themselves
    return settings
