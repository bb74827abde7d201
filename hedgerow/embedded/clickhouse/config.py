"""The engine's configuration file: small caches, few threads, a memory cap, durable inserts, no log tables."""

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

MIB = 1024 * 1024

# The engine insists on a database backed by the file system: given this name it is not the one clients use, and it is
# dropped right after the start, because in it every readable file of the machine is a table.
FILESYSTEM_DATABASE = "_files"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the engine may use. Sizes in bytes."""

    max_memory: int = 1024 * MIB
    mark_cache: int = 32 * MIB
    uncompressed_cache: int = 0
    background_threads: int = 2
    # Merges can wait, inserts and queries are waited for: when all cores are busy, threads at 5 get a third of what
    # those at 0 do. Not less, or parts would pile up under a long load.
    merge_nice: int = 5
    keep_free: int = 256 * MIB

    def render(self, data_dir: Path) -> str:
        """The XML text."""
        settings: dict[str, str | int] = {
            "default_database": FILESYSTEM_DATABASE,
            "timezone": "UTC",
            "max_server_memory_usage": self.max_memory,
            "mark_cache_size": self.mark_cache,
            "index_mark_cache_size": 0,
            "uncompressed_cache_size": self.uncompressed_cache,
            "index_uncompressed_cache_size": 0,
            "primary_index_cache_size": 0,
            "query_condition_cache_size": 4 * MIB,
            "mmap_cache_size": 16,
            "compiled_expression_cache_size": 4 * MIB,
            "background_pool_size": self.background_threads,
            "background_merges_mutations_concurrency_ratio": 2,
            "os_threads_nice_value_merge_mutate": self.merge_nice,
            "background_move_pool_size": 1,
            "background_fetches_pool_size": 1,
            "background_common_pool_size": 2,
            "background_schedule_pool_size": 2,
            "background_buffer_flush_schedule_pool_size": 1,
            "background_message_broker_schedule_pool_size": 1,
            "background_distributed_schedule_pool_size": 1,
            "max_thread_pool_free_size": 4,
            "tables_loader_foreground_pool_size": 2,
            "tables_loader_background_pool_size": 2,
            "max_io_thread_pool_size": 8,
            "max_io_thread_pool_free_size": 0,
            "asynchronous_metrics_update_period_s": 60,
        }
        lines = [f"  <{name}>{escape(str(value))}</{name}>" for name, value in settings.items()]
        merge_tree: dict[str, int] = {
            "fsync_after_insert": 1,
            "fsync_part_directory": 1,
            "number_of_free_entries_in_pool_to_execute_mutation": 1,
            "number_of_free_entries_in_pool_to_lower_max_size_of_merge": 1,
            "number_of_free_entries_in_pool_to_execute_optimize_entire_partition": 1,
        }
        lines += ["  <merge_tree>", *(f"    <{k}>{v}</{k}>" for k, v in merge_tree.items()), "  </merge_tree>"]
        # Below this much free space inserts and merges are refused (243): further down, the engine truncates parts.
        keep_free = f"<keep_free_space_bytes>{self.keep_free}</keep_free_space_bytes>"
        lines += [
            f"  <storage_configuration><disks><default>{keep_free}</default></disks></storage_configuration>",
        ]
        return "\n".join(("<clickhouse>", "  <logger><level>none</level></logger>", *lines, "</clickhouse>", ""))
