"""0006: what is inserted into events makes one file for all columns, not several hundred.

A part with JSON columns has a file for every path and bucket: 761 for 4,000 page views, each created and fsynced.
A compact part is slower to read, so merges make wide ones as soon as a part is larger than the largest insert.
"""

from libs.kit.schema.clickhouse.operations import ModifySettings

blocking = False
# of uncompressed columns. The engine's own is 10 MiB, which 3,000 events exceed; 32 MiB of records, the most that the
# writer inserts at once, are some 45.
operations = [ModifySettings("events", {"min_bytes_for_wide_part": 64 * 1024 * 1024})]
reverse = [ModifySettings("events", {"min_bytes_for_wide_part": 10 * 1024 * 1024})]
