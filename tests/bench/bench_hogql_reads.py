"""Our SQL for property filters and breakdowns beside String + JSONExtract, on the same events in the same engine.

`python -m tests.bench.bench_hogql_reads [events, 1000000]`: 5,000,000 is the size that counts, and takes minutes to
fill. Three kinds of path: typed (a hot property), dynamic (a column of its own) and in shared data (one of the many
rare ones). Each query warm, the median of five, one after the other.
"""

import statistics
import sys
import time
from collections.abc import Callable

from libs.hogql.compile import Project, compile_query
from libs.kit.schema.event_row import row_of_hot_paths
from tests.support.hogql import TEAM, Engine

PATHS = {"typed": "$browser", "dynamic": "plan", "shared data": "rare_7"}
