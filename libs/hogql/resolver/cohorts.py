"""IN COHORT: which cohort is meant, and the query for who is in it."""

from collections.abc import Sequence
from functools import lru_cache

from libs.hogql import ast
from libs.hogql.errors import QueryError
from libs.hogql.parser import parse_select
from libs.hogql.posthog_functions import Filled
from libs.hogql.resolver.state import Cohort


def cohort_named(node: ast.Expr, known: Sequence[Cohort]) -> Cohort:
    """The cohort of an id or name. Raises QueryError."""

    def wrong(message: str) -> QueryError:
        return QueryError(message, start=node.start, end=node.end)

    if not isinstance(node, ast.Constant):
        raise wrong("IN COHORT only works with constant arguments")
    wanted = node.value
    if isinstance(wanted, bool) or not isinstance(wanted, int | str):
        raise wrong("cohort() takes exactly one string or integer argument")
    if isinstance(wanted, int):
        found = [cohort for cohort in known if cohort.id == wanted]
        if not found:
            raise wrong(f"Could not find cohort with ID {wanted}")
        return found[0]
    found = [cohort for cohort in known if cohort.name == wanted]
    if not found:
        raise wrong(f"Could not find a cohort with the name '{wanted[:100]}'")
    if len(found) > 1:
        raise wrong(f"Found multiple cohorts with name '{wanted[:100]}'")
    return found[0]


_STATIC = "select person_id from static_cohort_people where cohort_id = {cohort}"
_CALCULATED = (
    "select person_id from raw_cohort_people where cohort_id = {cohort} and version = {version} "
    "group by person_id having sum(sign) > 0"
)
_NEVER_CALCULATED = (
    "select person_id from raw_cohort_people where cohort_id = {cohort} "
    "group by person_id, cohort_id, version having sum(sign) > 0"
)


@lru_cache(maxsize=256)
def members_of(cohort: Cohort) -> ast.SelectQuery:
    """Who is in it: of a calculated one, after its last calculation, or after whatever there is."""
    text = _STATIC if cohort.is_static else _NEVER_CALCULATED if cohort.version is None else _CALCULATED
    filled = Filled({"cohort": ast.Constant(cohort.id), "version": ast.Constant(cohort.version)})
    query = filled.visit(parse_select(text))
    assert isinstance(query, ast.SelectQuery)  # noqa: S101 - by the texts above
    return query
