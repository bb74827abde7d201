"""What the two trees have in common: frozen nodes, and how one gets to the nodes below a node.

Compiled when there is a compiler (tree.pxd has the C types): every pass goes through here for every node.
"""

from dataclasses import fields
from typing import Any, TypeVar, get_origin

import msgspec

from libs.hogql.visitor import Visitor


class TreeNode:
    """A node of either tree: a dataclass, or a Struct of msgspec."""

    __slots__ = ()


N = TypeVar("N", bound=TreeNode)
_LEAVES = frozenset(("type", "start", "end"))
_ATOMS = frozenset((str, int, float, bool, type(None)))
_FIELDS: dict[type[TreeNode], tuple[str, ...]] = {}
_NODE_FIELDS: dict[type[TreeNode], tuple[str, ...]] = {}
_ALL_FIELDS: dict[type[TreeNode], tuple[str, ...]] = {}
_PLAIN_KINDS = frozenset(("str | None", "tuple[str, ...]", "tuple[str | int, ...]", "str | int | float | bool | None"))


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


def _node_fields(node_type: type[TreeNode]) -> tuple[str, ...]:
    """The fields that may hold nodes."""
    names = _NODE_FIELDS.get(node_type)
    if names is None:
        names = field_names(node_type)
        if not issubclass(node_type, msgspec.Struct):
            kinds = {field.name: field.type for field in fields(node_type)}  # type: ignore[arg-type]
            names = tuple(name for name in names if _may_hold_nodes(kinds[name]))
        _NODE_FIELDS[node_type] = names
    return names


def _may_hold_nodes(kind: Any) -> bool:
    """Whether a field declared so may hold nodes. In doubt it may."""
    if isinstance(kind, type) and get_origin(kind) is None:
        return issubclass(kind, TreeNode)
    return str(kind) not in _PLAIN_KINDS and not str(kind).startswith("typing.Literal")


def with_children(node: N, change: Any) -> N:
    """The same node with `change` applied to every node below it; itself if nothing changed."""
    changes = {}
    node_type = node.__class__
    for name in _NODE_FIELDS.get(node_type) or _node_fields(node_type):
        old = getattr(node, name)
        kind = old.__class__
        if kind in _ATOMS:
            continue
        new = _all_changed(old, change) if kind is tuple else change(old) if isinstance(old, TreeNode) else old
        if new is not old:
            changes[name] = new
    return changed(node, **changes) if changes else node


def changed(node: N, **changes: Any) -> N:
    """The node with some fields changed."""
    whole: Any = node
    copied: Any
    if isinstance(whole, msgspec.Struct):
        copied = msgspec.structs.replace(whole, **changes)
    else:
        names = _ALL_FIELDS.get(whole.__class__)
        if names is None:
            names = _ALL_FIELDS[whole.__class__] = tuple(field.name for field in fields(whole))
        # half of what dataclasses.replace costs
        copied = whole.__class__(*[changes[name] if name in changes else getattr(whole, name) for name in names])
    result: N = copied
    return result


def _all_changed(values: tuple[Any, ...], change: Any) -> tuple[Any, ...]:
    if not values or (isinstance(values[0], str | int | float) and not _is_pair(values)):
        return values
    same, new = True, []
    for old in values:
        if isinstance(old, TreeNode):
            item = change(old)
        else:
            item = _all_changed(old, change) if old.__class__ is tuple else old
        same = same and item is old
        new.append(item)
    return values if same else tuple(new)


def _is_pair(value: tuple[Any, ...]) -> bool:
    return len(value) == 2 and isinstance(value[1], TreeNode)


class Rewriter(Visitor[Any]):
    """A pass from tree to tree: what it has no rule for stays as it is, with its children rewritten."""

    def visit(self, node: Any) -> Any:
        method = self.method_of(node.__class__)
        return method(self, node) if method is not None else with_children(node, self.visit)

    def children(self, node: N) -> N:
        """The node with its children rewritten."""
        return with_children(node, self.visit)


def walk(node: TreeNode) -> "list[Any]":
    """The node and everything below it, each before what is below it."""
    found: list[Any] = []
    pending: list[Any] = [node]
    while pending:
        value = pending.pop()
        if isinstance(value, TreeNode):
            found.append(value)
            pending.extend([getattr(value, name) for name in reversed(_node_fields(value.__class__))])
        elif value.__class__ is tuple:
            pending.extend(reversed(value))
    return found
