"""What the two trees have in common: frozen nodes, and how one gets to the nodes below a node."""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from libs.hogql.visitor import Visitor, method_name


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A node of either tree."""


N = TypeVar("N", bound=TreeNode)
_LEAVES = frozenset(("type", "start", "end"))
_FIELDS: dict[type[TreeNode], tuple[str, ...]] = {}


def _field_names(node_type: type[TreeNode]) -> tuple[str, ...]:
    names = _FIELDS.get(node_type)
    if names is None:
        found = (field.name for field in fields(node_type))
        names = _FIELDS[node_type] = tuple(name for name in found if name not in _LEAVES)
    return names


def with_children(node: N, change: Any) -> N:
    """The same node with `change` applied to every node below it; itself if nothing changed."""
    changes = {}
    for name in _field_names(node.__class__):
        old = getattr(node, name)
        new = _changed(old, change)
        if new is not old:
            changes[name] = new
    return replace(node, **changes) if changes else node


def _changed(value: Any, change: Any) -> Any:
    if isinstance(value, TreeNode):
        return change(value)
    if (isinstance(value, tuple) and value and not isinstance(value[0], str | int | float)) or _is_pairs(value):
        new = tuple(_changed(item, change) for item in value)
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return value


def _is_pairs(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], TreeNode)


class Rewriter(Visitor[Any]):
    """A pass from tree to tree: what it has no rule for stays as it is, with its children rewritten."""

    def visit(self, node: Any) -> Any:
        method = getattr(self, method_name(type(node)), None)
        return method(node) if method is not None else with_children(node, self.visit)

    def children(self, node: N) -> N:
        """The node with its children rewritten."""
        return with_children(node, self.visit)


def walk(node: TreeNode) -> "list[Any]":
    """The node and everything below it."""
    found: list[Any] = []

    def collect(child: TreeNode) -> TreeNode:
        found.append(child)
        with_children(child, collect)
        return child

    collect(node)
    return found
