"""How a pass walks a tree: one method a node type, and an error that names the node when a pass forgot it."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

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

    _methods: ClassVar[dict[type, Callable[..., Any] | None]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._methods = {}

    @classmethod
    def method_of(cls, node_type: type) -> Callable[..., Any] | None:
        """The method for a node type, if there is one."""
        try:
            return cls._methods[node_type]
        except KeyError:
            method = cls._methods[node_type] = getattr(cls, method_name(node_type), None)
            return method

    def visit(self, node: Any) -> T:
        """The result for one node."""
        method = self.method_of(node.__class__)
        if method is None:
            raise NotImplementedError(f"{type(self).__name__} has no rule for {type(node).__name__}")
        result: T = method(self, node)
        return result
