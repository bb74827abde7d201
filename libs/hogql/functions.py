"""The functions that may be called, how many arguments each takes, and what it is in ClickHouse.

What is not on the list (function_list.py) cannot be called.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from libs.hogql.function_list import (
    AGGREGATE_RULES,
    AGGREGATES,
    COMBINED,
    ENDINGS,
    EXPANDED,
    FIRST_SUFFIXES,
    OPTIONAL_PARAMETERS,
    PARAMETRIC,
    REFUSED,
    RULES,
    SCALARS,
    SEARCH_SUFFIXES,
    WINDOW_ONLY,
    WITH_SUFFIXES,
)

_MANY = 1_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALWAYS_NULLABLE = frozenset(("nullIf", "toNullable"))
_NEVER_NULLABLE = _words(
    "assumeNotNull isNull isNotNull empty notEmpty count uniq uniqExact uniqHLL12 countIf uniqIf "
    "uniqExactIf now64 today yesterday concat tuple array groupArray groupUniqArray row_number rank "
    "dense_rank"
)
_KINDS = {
    "datetime": "now64 toStartOfHour toStartOfMinute toStartOfSecond toStartOfFiveMinutes toStartOfTenMinutes "
    "toStartOfFifteenMinutes toStartOfDay toDateTime toDateTime64 parseDateTime64BestEffort toTimeZone timeSlot "
    "parseDateTime64BestEffortOrNull parseDateTime64BestEffortUSOrNull parseDateTimeOrNull fromUnixTimestamp",
    "date": "today yesterday toDate toDateOrNull toMonday toStartOfWeek toStartOfMonth toStartOfQuarter toStartOfYear "
    "toStartOfISOYear toLastDayOfMonth toLastDayOfWeek makeDate",
    "integer": "count countIf uniq uniqExact uniqHLL12 uniqIf uniqExactIf length lengthUTF8 toYear toMonth toHour "
    "intDiv toUnixTimestamp dateDiff age toDayOfMonth toDayOfWeek toDayOfYear row_number rank dense_rank position "
    "cityHash64",
    "float": "avg divide exp log ln sqrt avgIf quantile median stddevPop stddevSamp",
    "string": "toString lower upper concat substring trim replaceAll replaceOne replaceRegexpAll replaceRegexpOne "
    "domain path extract formatDateTime JSONExtractString JSONExtractRaw toJSONString toTypeName lowerUTF8 upperUTF8 "
    "leftUTF8 "
    "rightUTF8 repeat base64Encode base64Decode monthName dateName",
    "boolean": "not and or xor empty notEmpty isNull isNotNull match startsWith endsWith has hasAny hasAll toBool",
    "array": "array arrayMap arrayFilter groupArray groupUniqArray splitByChar splitByString range arraySort "
    "arrayDistinct extractAll arrayConcat arrayReverse topK arrayZip",
    "tuple": "tuple",
}
KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}
_SAME_AS_ARGUMENT = _words("min max any anyLast anyHeavy argMin argMax minIf maxIf anyIf assumeNotNull abs")


@dataclass(frozen=True, slots=True)
class FunctionDef:
    """One entry of the list."""

    name: str
    target: str
    least: int
    most: int
    group: str
    zoned: bool = False
    least_params: int = 0
    most_params: int = 0

    @property
    def aggregate(self) -> bool:
        """Whether it folds rows."""
        return self.group == "aggregate"


def _range(text: str) -> tuple[int, int]:
    if text.endswith("+"):
        return int(text[:-1]), _MANY
    least, _, most = text.partition("-")
    return int(least), int(most or least)


def _entries(table: str, group: str) -> Iterator[tuple[FunctionDef, bool]]:
    for line in table.strip().splitlines():
        arity, _, names = line.partition(": ")
        least, most = _range(arity)
        for entry in names.split():
            written, _, target = entry.partition("=")
            name = written.rstrip("*@")
            params = _MANY if name in OPTIONAL_PARAMETERS else 0
            yield (
                FunctionDef(name, target or name, least, most, group, written.endswith("@"), 0, params),
                written.endswith("*"),
            )


def _load() -> tuple[dict[str, FunctionDef], dict[str, FunctionDef]]:
    exact: dict[str, FunctionDef] = {}
    folded: dict[str, FunctionDef] = {}
    tables = (
        (SCALARS, "scalar"),
        (WINDOW_ONLY, "window"),
        (RULES, "rule"),
        (AGGREGATES, "aggregate"),
        (AGGREGATE_RULES, "aggregate"),
        (EXPANDED, "expanded"),
    )
    for table, group in tables:
        for definition, any_case in _entries(table, group):
            exact[definition.name] = definition
            if any_case:
                folded[definition.name.lower()] = definition
    for line in PARAMETRIC.strip().splitlines():
        name, params, args = line.split()
        exact[name] = FunctionDef(name, name, *_range(args), "aggregate", False, *_range(params))
    for number, names in WITH_SUFFIXES.items():
        for name in (name + suffix for name in names for suffix in SEARCH_SUFFIXES):
            exact[name] = FunctionDef(name, name, number, number, "scalar")
    for definition in _combined():
        exact.setdefault(definition.name, definition)
    return exact, folded


def _combined() -> Iterator[FunctionDef]:
    """The aggregations that suffixes make of the plain ones: at most one of FIRST_SUFFIXES, then a default, then If."""
    for base, least in COMBINED.items():
        for first in ("", *FIRST_SUFFIXES):
            for default in ("", *ENDINGS[1:]):
                for last in ("", ENDINGS[0]):
                    name = base + first + default + last
                    more = first.startswith("Arg") + bool(last)
                    yield FunctionDef(name, name, least + more, 1 + more, "aggregate")


def refusal(name: str) -> str | None:
    """Why a function of PostHog's list cannot be called."""
    return REFUSED.get(name)


_EXACT, _FOLDED = _load()


def find(name: str) -> FunctionDef | None:
    """The function of this name, if it may be called."""
    return _EXACT.get(name) or _FOLDED.get(name.lower())


def known(name: str) -> FunctionDef:
    """The function of a name that is on the list for certain."""
    return _EXACT[name]


def is_aggregate(name: str) -> bool:
    """Whether it folds rows, or is one of a window's."""
    definition = find(name)
    return definition is not None and definition.group in ("aggregate", "window")


def every() -> list[FunctionDef]:
    """The whole list."""
    return list(_EXACT.values())


def closest(name: str) -> str | None:
    """The name that was perhaps meant."""
    candidates = [known for known in _EXACT if not known.startswith("_")]
    found = difflib.get_close_matches(name[:60], candidates, n=1, cutoff=0.6)
    return found[0] if found else None


def kind_of(target: str, first_argument: str) -> str:
    """What kind of value a ClickHouse function gives; `unknown` when the list does not say."""
    return first_argument if target in _SAME_AS_ARGUMENT else KIND_OF.get(target, "unknown")


def nullable(target: str, any_argument_nullable: bool) -> bool:
    """Whether a ClickHouse function may give NULL."""
    if target in _NEVER_NULLABLE:
        return False
    return any_argument_nullable or target in _ALWAYS_NULLABLE or target.endswith(("OrNull", "Merge"))
