"""0006: what is inserted into events makes one file for all columns, not several hundred.

A part with JSON columns has a file for every path and bucket: 761 for 4,000 page views, each created and fsynced.
Parts become wide when merging has made them large, as reads want them.
"""

from libs.kit.schema.clickhouse.operations import ModifySettings

blocking = False
# of uncompressed columns; the engine's own is 10 MiB, which an insert of 3,000 events exceeds
operations = [ModifySettings("events", {"min_bytes_for_wide_part": 256 * 1024 * 1024})]
reverse = [ModifySettings("events", {"min_bytes_for_wide_part": 10 * 1024 * 1024})]
