"""What HogQL and ClickHouse SQL write alike: lists, windows, groups and limits. The two printers say what differs."""

from collections.abc import Sequence
from typing import Any

from libs.hogql.visitor import Visitor

COMPARISON_FUNCTIONS = {
    "=": "equals", "!=": "notEquals", "<": "less", "<=": "lessOrEquals", ">": "greater", ">=": "greaterOrEquals",
    "like": "like", "ilike": "ilike", "not like": "notLike", "not ilike": "notILike", "in": "in", "not in": "notIn",
}  # fmt: skip
ARITHMETIC_FUNCTIONS = {"+": "plus", "-": "minus", "*": "multiply", "/": "divide", "%": "modulo"}


class ClausePrinter(Visitor[str]):
    """Clauses out of nodes of either tree."""

    def listed(self, nodes: Sequence[Any]) -> str:
        """A comma list."""
        return ", ".join([self.item(node) for node in nodes])

    def item(self, node: Any) -> str:
        """One of a list."""
        return self.visit(node)

    def part(self, node: Any) -> str:
        """What stands after the word of a clause."""
        return self.visit(node)

    def joined(self, parts: Sequence[str]) -> str:
        """The clauses of a query, one after another."""
        return " ".join(parts)

    def sentence(self, *parts: tuple[str, Any]) -> list[str]:
        """`WORD expression` of each that is there."""
        return [f"{word} {self.part(node)}" for word, node in parts if node is not None]

    def lists(self, *parts: tuple[str, Sequence[Any]]) -> list[str]:
        """`WORD a, b` of each that has any."""
        return [f"{word} {self.listed(nodes)}" for word, nodes in parts if nodes]

    def window(
        self, partition: Sequence[Any], order: Sequence[Any], method: str | None, first: Any | None, last: Any | None
    ) -> str:
        """What stands in the brackets of OVER."""
        parts = self.lists(("PARTITION BY", partition), ("ORDER BY", order))
        if method is not None and first is not None:
            frame = self.visit(first)
            parts.append(f"{method} " + (f"BETWEEN {frame} AND {self.visit(last)}" if last is not None else frame))
        return " ".join(parts)

    def grouping(self, mode: str | None, keys: Sequence[Any], sets: Sequence[Sequence[Any]]) -> list[str]:
        """GROUP BY in any of its forms."""
        if mode == "all":
            return ["GROUP BY ALL"]
        if mode == "grouping_sets":
            return [f"GROUP BY GROUPING SETS ({', '.join([f'({self.listed(one)})' for one in sets])})"]
        if not keys:
            return []
        if mode in ("rollup", "cube"):
            return [f"GROUP BY {mode.upper()}({self.listed(keys)})"]
        return [f"GROUP BY {self.listed(keys)}" + (" WITH TOTALS" if mode == "totals" else "")]

    def limit_by(self, n: Any, offset: Any | None, keys: Sequence[Any]) -> str:
        """LIMIT n OFFSET m BY."""
        return " ".join([f"LIMIT {self.part(n)}", *self.sentence(("OFFSET", offset)), f"BY {self.listed(keys)}"])

    def limits(self, limit: Any | None, offset: Any | None, *, ties: bool, percent: bool = False) -> list[str]:
        """LIMIT and OFFSET, as far as they are there."""
        parts = self.sentence(("LIMIT", limit))
        if parts:
            parts[0] += ("%" if percent else "") + (" WITH TIES" if ties else "")
        return parts + self.sentence(("OFFSET", offset))

    def branches(self, first: Any, rest: Sequence[tuple[str, Any]]) -> str:
        """A set query: each branch that is one itself in brackets."""
        return " ".join([self.branch(first), *[f"{operator} {self.branch(query)}" for operator, query in rest]])

    def branch(self, query: Any) -> str:
        """One branch of a set query."""
        raise NotImplementedError
