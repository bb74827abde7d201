"""A project's own filter of events: a tree of conditions, PostHog's form. What it matches is not stored. No I/O.

    {"type": "and" | "or", "children": [...]}, {"type": "not", "child": {...}},
    {"type": "condition", "field": "event_name" | "distinct_id", "operator": "exact" | "contains", "value": "..."}

A group without children matches nothing, whatever its type: what is kept by mistake can still be deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from libs.kit.errors import InvalidRequest

FIELDS = ("event_name", "distinct_id")
OPERATORS = ("exact", "contains")
MODES = ("disabled", "dry_run", "live")
MAX_DEPTH = 5
MAX_CONDITIONS = 20
MAX_VALUE = 400
MAX_TEST_CASES = 100
# What the product itself sends about its own work.
_PROTECTED = frozenset({"$recording_observed"})

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter in force. live: what it matches is dropped; else it is only counted."""

    tree: Tree
    live: bool

    def matches(self, event: str, distinct_id: str) -> bool:
        """Whether an event is to go."""
        said = {"event_name": event, "distinct_id": distinct_id}
        return event not in _PROTECTED and _matches(self.tree, said)


def checked_tree(tree: object) -> dict[str, Any]:
    """The tree, without what is no part of one. Raises InvalidRequest."""
    return _checked(tree, "root", 0, [MAX_CONDITIONS])


def checked_cases(cases: object, tree: Tree | None) -> list[dict[str, str]]:
    """Examples that the filter must treat as they say: event_name, distinct_id, expected_result (drop or ingest).
    Raises InvalidRequest."""
    if not isinstance(cases, list) or len(cases) > MAX_TEST_CASES:
        raise InvalidRequest(f"Expected a list of at most {MAX_TEST_CASES} test cases.", attr="test_cases")
    for number, case in enumerate(cases):
        if not isinstance(case, dict) or case.get("expected_result") not in ("drop", "ingest"):
            raise InvalidRequest(f"Test case {number}: expected_result must be drop or ingest.", attr="test_cases")
        if any(not isinstance(case.get(name, ""), str) or "\0" in case.get(name, "") for name in FIELDS):
            raise InvalidRequest(f"Test case {number}: {' and '.join(FIELDS)} must be strings.", attr="test_cases")
        if tree is None:
            continue
        goes = EventFilter(tree, live=True).matches(case.get("event_name", ""), case.get("distinct_id", ""))
        result: Literal["drop", "ingest"] = "drop" if goes else "ingest"
        if result != case["expected_result"]:
            text = f"Test case {number}: expected {case['expected_result']}, but the filter says {result}."
            raise InvalidRequest(text, attr="test_cases")
    return [{name: case[name] for name in (*FIELDS, "expected_result") if name in case} for case in cases]


def _matches(node: Tree, said: Mapping[str, str]) -> bool:
    match node.get("type"):
        case "condition":
            value, wanted = said.get(node.get("field", ""), ""), node.get("value", "")
            return bool(wanted) and (value == wanted if node.get("operator") == "exact" else wanted in value)
        case "and":
            children = node.get("children", ())
            return bool(children) and all(_matches(child, said) for child in children)
        case "or":
            return any(_matches(child, said) for child in node.get("children", ()))
        case "not":
            child = node.get("child")
            return child is not None and not _is_empty(child) and not _matches(child, said)
    return False


def _is_empty(node: Tree) -> bool:
    """Whether there is no condition below: what is not nothing would be everything."""
    if node.get("type") == "condition":
        return False
    children = [node["child"]] if node.get("type") == "not" and node.get("child") else node.get("children", ())
    return all(_is_empty(child) for child in children)


def _checked(node: object, path: str, depth: int, left: list[int]) -> dict[str, Any]:
    """left: how many conditions there may be yet."""
    kind = node.get("type") if isinstance(node, dict) else None
    if not isinstance(node, dict) or kind not in ("and", "or", "not", "condition"):
        raise _wrong(f"Node at {path}: type must be one of and, condition, not, or.")
    if depth > MAX_DEPTH:
        raise _wrong(f"The tree is deeper than {MAX_DEPTH}.")
    if kind == "condition":
        left[0] -= 1
        if left[0] < 0:
            raise _wrong(f"There are more than {MAX_CONDITIONS} conditions.")
        return _checked_condition(node, path)
    if kind == "not":
        return {"type": kind, "child": _checked(node.get("child"), f"{path}.child", depth + 1, left)}
    children = node.get("children")
    if not isinstance(children, list) or len(children) > MAX_CONDITIONS:
        raise _wrong(f"Node at {path}: {kind} needs a list of at most {MAX_CONDITIONS} children.")
    below = [_checked(child, f"{path}.children[{at}]", depth + 1, left) for at, child in enumerate(children)]
    return {"type": kind, "children": below}


def _checked_condition(node: Tree, path: str) -> dict[str, Any]:
    if node.get("field") not in FIELDS:
        raise _wrong(f"Condition at {path}: field must be one of {', '.join(FIELDS)}.")
    if node.get("operator") not in OPERATORS:
        raise _wrong(f"Condition at {path}: operator must be one of {', '.join(OPERATORS)}.")
    value = node.get("value")
    if not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE or "\0" in value:
        raise _wrong(f"Condition at {path}: value must be a string of 1 to {MAX_VALUE} characters.")
    return {name: node[name] for name in ("type", "field", "operator", "value")}


def _wrong(text: str) -> InvalidRequest:
    return InvalidRequest(text, attr="filter_tree")
