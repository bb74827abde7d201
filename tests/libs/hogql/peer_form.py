"""Where our parser and PostHog's differ, and why; and the two JSON forms made comparable."""

import json
from collections.abc import Iterator
from typing import Any

from libs.hogql import ast
from libs.hogql.tree import walk
from libs.hogql.words import KEYWORDS

DIFFERENCES = {
    "lambda takes the alias": "`x -> y as z`: the peer gives the alias to the lambda's body; ours names the lambda",
    "step into a fraction": "`.5.1`: the peer reads a number and a step into a tuple; nobody writes it",
    "keyword as a name": "`select where from t`: the peer tries every reading there is and finds one in which the "
    "keyword is a name; ours reads it as a keyword, and says so",
    "order after a set query": "`a union b order by x limit 1`: ours orders and cuts the whole; the peer's tree gives "
    "the order, and the limit or not, to one SELECT or to the whole depending on how it is written",
    "not and a bracket": "`not (a as z)`: the peer reads the call of a function not",
    "brackets kept": "ours keeps `(a join b)` in brackets; the peer flattens it",
    "with before a set query": "`with q as (...) a union b`: names for all of it; in the peer's, for the first",
    "name step of a value": "`x?.y`, `f(x)?.y`: an ArrayAccess in the peer's; ours prints it as it was",
    "pivot of the last table": "`a, b unpivot (...)`: the peer turns b only; ours all that stands before",
}
#: Left out of the comparison: places; what only one form has, because the peer drops it while it reads.
_LEFT_OUT = frozenset((
    "start", "end", "written_as", "nulls", "collate", "is_null_comparison_style", "pairing", "percent", "parametric",
    "recursive", "value_type", "implicit",
))  # fmt: skip
_KEYWORDS = KEYWORDS - {"DATE", "TIMESTAMP", "KEY", "FIRST", "ID"}  # those of the corpus' own names
_SPELLINGS = {"INNER JOIN": "JOIN", "SEMI JOIN": "LEFT SEMI JOIN", "ANTI JOIN": "LEFT ANTI JOIN"}
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
    if found.get("node") == "JoinConstraint":
        found.pop("exprs", None)
    if found.get("node") == "SelectQuery" and found.get("group_by_mode") == "totals":
        found.pop("group_by_mode")
    if "join_type" in found and found["join_type"] is not None:
        kind = found["join_type"].replace("OUTER ", "")
        found["join_type"] = _SPELLINGS.get(kind, kind)
    return {key: item for key, item in found.items() if item not in _EMPTY or key == "value"}


def excused(text: str, tree: ast.Node, peer: dict[str, Any]) -> str | None:
    """Why two trees of one text differ, if that is as we want it."""
    nodes = walk(tree)
    sets = [node for node in nodes if isinstance(node, ast.SelectSetQuery)]
    last = [node.subsequent_select_queries[-1][1] for node in sets if node.subsequent_select_queries]
    if any(
        getattr(node, "order_by", ()) or getattr(node, "limit", 0) or getattr(node, "offset", 0) for node in sets + last
    ):
        return "order after a set query"
    if {ast.Alias, ast.Lambda} <= set(map(type, nodes)):
        return "lambda takes the alias"
    if any(isinstance(node, ast.Pivot) for node in nodes):
        return "pivot of the last table"
    if any(isinstance(node, ast.TableRef) and isinstance(node.table, ast.JoinChain) for node in nodes):
        return "brackets kept"
    if any(isinstance(node, ast.SelectSetQuery) and node.ctes for node in nodes):
        return "with before a set query"
    if any(
        (isinstance(node, ast.TupleAccess) and isinstance(node.index, str)) or getattr(node, "nullish", False)
        for node in nodes
    ):
        return "name step of a value"
    if any(isinstance(node, ast.Not) for node in nodes) and '"name": "not"' in json.dumps(peer):
        return "not and a bracket"
    return "keyword as a name" if any(word in _KEYWORDS for word in names_in(peer)) else None


def names_in(form: Any) -> Iterator[str]:
    """What the peer took for the first step of a name, or for an alias, in capitals."""
    if isinstance(form, dict):
        first = form.get("chain", [""])[0] if form.get("node") == "Field" else form.get("alias")
        yield str(first).upper()
    for inner in form.values() if isinstance(form, dict) else form if isinstance(form, list) else ():
        yield from names_in(inner)
