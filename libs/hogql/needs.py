"""What somebody has to look up before a query can be compiled."""

from dataclasses import dataclass
from itertools import pairwise, takewhile

from libs.hogql import ast
from libs.hogql.parser.cursor import deep_recursion
from libs.hogql.schema import DATABASE
from libs.hogql.tree import walk


@dataclass(frozen=True, slots=True)
class Needs:
    """`properties`: names that may be of properties; `cohort_ids` and `cohort_names`: those of IN COHORT; `others`:
    names that are of no field that every project has, and so perhaps of a type of groups."""

    properties: frozenset[str] = frozenset()
    cohort_ids: frozenset[int] = frozenset()
    cohort_names: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


def needs_of(*trees: ast.Node) -> Needs:
    """The needs of these queries or expressions together."""
    properties: set[str] = set()
    cohort_ids: set[int] = set()
    cohort_names: set[str] = set()
    others: set[str] = set()
    with deep_recursion():
        nodes = [node for tree in trees for node in walk(tree)]
    for node in nodes:
        if isinstance(node, ast.Field):
            steps = [step for step in node.chain if isinstance(step, str)]
            before = takewhile(lambda step: step != "properties", steps[:2])
            others.update(step for step in before if len(node.chain) > 1 and step not in DATABASE.names)
            properties.update(after for before, after in pairwise(steps) if before == "properties")
        elif isinstance(node, ast.ArrayAccess) and isinstance(node.property, ast.Constant):
            if isinstance(node.property.value, str):
                properties.add(node.property.value)
        elif isinstance(node, ast.CompareOperation) and node.op.endswith("cohort"):
            wanted = node.right.value if isinstance(node.right, ast.Constant) else None
            if isinstance(wanted, str):
                cohort_names.add(wanted)
            elif isinstance(wanted, int) and not isinstance(wanted, bool) and abs(wanted) < 2**31:
                cohort_ids.add(wanted)
    return Needs(frozenset(properties), frozenset(cohort_ids), frozenset(cohort_names), frozenset(others))
