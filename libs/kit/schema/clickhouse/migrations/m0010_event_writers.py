"""0010: who may insert events of a partition of the log: docs/adr/0044-a-door-that-the-next-owner-shuts.md.

The row with the highest number is the owner's; each insert into `events` looks for it. On a cluster every node has all
rows, and looks at its own.
"""

from libs.kit.schema.clickhouse.operations import CreateTable, DropTable

blocking = False
operations = [
    CreateTable(
        "event_writers",
        columns=["log_id String", "partition UInt32", "number UInt64", "since DateTime('UTC') DEFAULT now()"],
        order_by="(log_id, partition)",
        settings={"fsync_after_insert": 1, "fsync_part_directory": 1},
        version="number",
    )
]
reverse = [DropTable("event_writers", sharded=False)]
