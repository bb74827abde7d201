"""0008: more paths of an event have columns of their own, and merges take more parts at once. Why, and what it gives:
docs/adr/0030-what-a-merge-costs.md.

Parts of before are rewritten, as a mutation, which may take long and which nobody waits for. Meanwhile they are read as
they are, and converted. A writer of the previous release names the old type: its rows are converted too, which is slow.
"""

from libs.kit.schema.clickhouse.migrations import m0001_events
from libs.kit.schema.clickhouse.operations import ModifyColumn, ModifySettings

_TYPED = ", ".join(f"`{path}` Nullable(String)" for path in m0001_events.HOT_PATHS)

JSON_COLUMNS = (
    ModifyColumn("events", "properties", f"JSON(max_dynamic_paths = 64, {_TYPED})"),
    ModifyColumn("events", "person_properties", "JSON(max_dynamic_paths = 32)"),
)

blocking = False
# 5 is the engine's own
operations = [*JSON_COLUMNS, ModifySettings("events", {"merge_selector_base": 15})]
reverse = [
    ModifySettings("events", {"merge_selector_base": 5}),
    ModifyColumn("events", "properties", f"JSON(max_dynamic_paths = 32, {_TYPED})"),
    ModifyColumn("events", "person_properties", "JSON(max_dynamic_paths = 16)"),
]
