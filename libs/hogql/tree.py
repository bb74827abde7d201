"""What the two trees have in common: frozen nodes, and how one gets to the nodes below a node."""

from dataclasses import fields, replace
from typing import Any, TypeVar

import msgspec

from libs.hogql.visitor import Visitor, method_name


class TreeNode:
    """A node of either tree: a dataclass, or a Struct of msgspec."""

    __slots__ = ()


N = TypeVar("N", bound=TreeNode)
_LEAVES = frozenset(("type", "start", "end"))
_ATOMS = frozenset((str, int, float, bool, type(None)))
_FIELDS: dict[type[TreeNode], tuple[str, ...]] = {}


def field_names(node_type: type[TreeNode]) -> tuple[str, ...]:
    """The fields of a node that say what it means: neither its positions nor its type."""
    names = _FIELDS.get(node_type)
    if names is None:
        if issubclass(node_type, msgspec.Struct):
            found = node_type.__struct_fields__
        else:
            found = tuple(field.name for field in fields(node_type))  # type: ignore[arg-type]
        names = _FIELDS[node_type] = tuple(name for name in found if name not in _LEAVES)
    return names


def with_children(node: N, change: Any) -> N:
    """The same node with `change` applied to every node below it; itself if nothing changed."""
    changes = {}
    for name in field_names(node.__class__):
        old = getattr(node, name)
        if old.__class__ in _ATOMS:
            continue
        new = _changed(old, change)
        if new is not old:
            changes[name] = new
    return changed(node, **changes) if changes else node


def changed(node: N, **changes: Any) -> N:
    """The node with some fields changed."""
    make: Any = msgspec.structs.replace if isinstance(node, msgspec.Struct) else replace
    copied: N = make(node, **changes)
    return copied


def _changed(value: Any, change: Any) -> Any:
    if isinstance(value, TreeNode):
        return change(value)
    if not isinstance(value, tuple) or not value:
        return value
    if isinstance(value[0], str | int | float) and not _is_pair(value):
        return value
    new = tuple([_changed(item, change) for item in value])
    return new if any(a is not b for a, b in zip(new, value, strict=True)) else value


def _is_pair(value: tuple[Any, ...]) -> bool:
    return len(value) == 2 and isinstance(value[1], TreeNode)


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
