"""Whether what an insert wrote is on the disk.

The engine does not look at the result of write(2): on a full or failing disk a part is left truncated, and the insert
succeeds. So the files of every part that an insert may have made are compared with the size that the part's own
checksums state; a part that is not whole is dropped, and every insert that may have written it fails.
"""

import json
import logging
import threading
from pathlib import Path
from typing import Any

from hedgerow.embedded.clickhouse import errors
from hedgerow.embedded.clickhouse.engine import EngineConnection
from hedgerow.embedded.clickhouse.errors import refusal

logger = logging.getLogger(__name__)

# Files of a part that its checksums leave out. Each is written at once: it is there, or it is empty.
_NOT_IN_CHECKSUMS = frozenset(
    (
        *("checksums.txt", "columns.txt", "columns_substreams.txt", "metadata_version.txt"),
        *("default_compression_codec.txt", "txn_version.txt"),
        # of parts that ATTACH brought
        "invalidated_system_columns.txt",
    )
)
_RECENT = (
    "SELECT database, table, name, level, path, bytes_on_disk FROM system.parts"
    " WHERE active AND modification_time >= now() - {seconds} SETTINGS max_threads = 1"
)
_CLOCK_SLACK = 2


def is_whole(part: Path, bytes_on_disk: int) -> bool:
    """Whether the part's files are as large as its checksums say. A part that a merge took away meanwhile was read."""
    listed = 0
    try:
        for entry in part.iterdir():
            size = entry.stat().st_size
            if entry.name in _NOT_IN_CHECKSUMS and not size:
                return False
            if entry.name not in _NOT_IN_CHECKSUMS:
                listed += size
    except FileNotFoundError:
        return True
    return listed == bytes_on_disk


class WrittenParts:
    """Looks at new parts, for one insert after the other."""

    def __init__(self, connection: EngineConnection):
        self._connection = connection
        self._lock = threading.Lock()
        # Broken parts found since the start. One may be found on behalf of another insert than the one that wrote it.
        self.broken = 0

    def require_whole(self, broken_before: int, seconds: float) -> None:
        """Raise 75 when an insert that began `seconds` ago, at so many broken parts, may have written one."""
        with self._lock:
            sql = _RECENT.format(seconds=int(seconds) + _CLOCK_SLACK)
            for line in self._connection.query(sql, "JSONEachRow").bytes().splitlines():
                self._check(json.loads(line))
            if self.broken != broken_before:
                raise refusal(errors.CANNOT_WRITE, "The disk did not take the rows: it is full or failing")

    def close(self) -> None:
        """Close the session once nobody uses it."""
        with self._lock:
            self._connection.close()

    def _check(self, part: dict[str, Any]) -> None:
        if is_whole(Path(part["path"]), int(part["bytes_on_disk"])):
            return
        self.broken += 1
        logger.error("part %s of %s.%s is truncated on disk", part["name"], part["database"], part["table"])
        if part["level"]:  # a merge's: its rows are elsewhere only for a while, so nothing is dropped
            return
        try:
            table = ".".join(f"`{part[key].replace('`', '``')}`" for key in ("database", "table"))
            self._connection.query(f"ALTER TABLE {table} DROP PART '{part['name']}'", "Null")
        except RuntimeError:
            logger.exception("the truncated part could not be dropped")
