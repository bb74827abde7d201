"""How a pass walks a tree: one method a node type, and an error that names the node when a pass forgot it."""

import re
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_METHODS: dict[type, str] = {}


def method_name(node_type: type) -> str:
    """`CompareOperation` -> `visit_compare_operation`."""
    name = _METHODS.get(node_type)
    if name is None:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node_type.__name__.replace("HogQLX", "Hogqlx"))
        name = _METHODS[node_type] = f"visit_{words.lower()}"
    return name


class Visitor(Generic[T]):
    """A pass over a tree. A node type without a method here is a bug of the pass, and is said aloud."""

    def visit(self, node: Any) -> T:
        """The result for one node."""
        method = getattr(self, method_name(type(node)), None)
        if method is None:
            raise NotImplementedError(f"{type(self).__name__} has no rule for {type(node).__name__}")
        result: T = method(node)
        return result
