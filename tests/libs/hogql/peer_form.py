"""Where our parser and PostHog's differ, and why; and the two JSON forms made comparable."""

from typing import Any

from libs.hogql import ast
from libs.hogql.tree import walk

DIFFERENCES = {
    "lambda takes the alias": "`array join x -> y as z`: the peer gives the alias to the lambda's body, and then misses it",
    "step into a fraction": "`.5.1`: the peer reads a number and a step into a tuple; nobody writes it",
    "keyword as a name": "`select where from t`: the peer tries every reading there is and finds one in which the keyword "
    "is a name; ours reads it as a keyword, and says so",
    "order after a set query": "`a union b order by x`: ours orders the whole, as SQL does; the peer the last SELECT only",
    "brackets kept": "ours keeps `(a join b)` in brackets; the peer flattens it",
    "by reading": "texts broken on purpose that have two readings, of which each parser takes another",
}
#: Left out of the comparison: places; what only one form has, because the peer drops it while it reads.
_LEFT_OUT = frozenset((
    "start", "end", "written_as", "nulls", "collate", "is_null_comparison_style", "pairing", "percent", "parametric",
    "recursive", "value_type",
))  # fmt: skip
_EMPTY: tuple[Any, ...] = (None, [], {}, False)


def normal(value: Any) -> Any:
    """A form without what does not matter: places, empty fields, what the peer drops or writes in two ways."""
    if isinstance(value, list):
        return [normal(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("node") == "IgnoreNulls":
        return normal(value["expr"])
    found = {key: normal(item) for key, item in value.items() if key not in _LEFT_OUT}
    if found.get("node") == "WindowFunction":
        for dropped in ("distinct", "order_by", "filter_expr", "within_group"):
            found.pop(dropped, None)
    if found.get("node") == "SelectQuery" and found.get("group_by_mode") == "totals":
        found.pop("group_by_mode")
    if "join_type" in found and found["join_type"] is not None:
        kind = found["join_type"].replace("OUTER ", "")
        found["join_type"] = "JOIN" if kind == "INNER JOIN" else kind
    return {key: item for key, item in found.items() if item not in _EMPTY or key == "value"}


def excused(text: str, tree: ast.Node, peer: dict[str, Any]) -> str | None:
    """Why two trees of one text differ, if that is as we want it."""
    nodes = walk(tree)
    if any(isinstance(node, ast.SelectSetQuery) and (node.order_by or node.limit or node.offset) for node in nodes):
        return "order after a set query"
    if any(isinstance(node, ast.TableRef) and isinstance(node.table, ast.JoinChain) for node in nodes):
        return "brackets kept"
    return None
