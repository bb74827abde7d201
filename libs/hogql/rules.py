"""Functions that are not simply a function of the same name in ClickHouse: what each becomes.

Times: an instant compares the same in every zone, so columns stay as they are; what depends on a calendar (a day, an
hour, text) takes the project's zone.
"""

import re
from collections.abc import Callable, Mapping
from typing import cast

from libs.hogql import functions
from libs.hogql import resolved as r
from libs.hogql.known_values import (
    BOTS,
    DOMAIN_TYPES,
    LANGUAGES,
    ORGANIC_MEDIUMS,
    ORGANIC_SOURCES,
    PAID_MEDIUMS,
    PAID_SOURCES,
)

_PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")
_FRACTION = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,6}")

Args = tuple[r.RExpr, ...]


def call(target: str, *args: r.RNode, params: Args = (), distinct: bool = False) -> r.Function:
    """A ClickHouse function with the type that follows from its arguments."""
    types = [arg.type for arg in args if isinstance(arg, r.RExpr) and not isinstance(arg, r.Word)]
    first = types[0].kind if types else "unknown"
    null = functions.nullable(target, any(t.nullable for t in types))
    kind = cast(r.Kind, functions.kind_of(target, first))
    return r.Function(target, args, params, distinct, None, r.Type(kind, null))


def text(value: str) -> r.Value:
    """A bound string."""
    return r.Value(value, r.Type("string", nullable=False))


def instant(value: str, zone: str) -> r.RExpr:
    """A time given as text, read in `zone` unless the text has its own."""
    if _PLAIN_TIME.fullmatch(value) or _FRACTION.fullmatch(value):
        return call("toDateTime64", text(value), r.Word("6"), text(zone))
    return call("parseDateTime64BestEffort", text(value), r.Word("6"), text(zone))


def _now(args: Args, zone: str) -> r.RExpr:
    return call("now64", r.Word("6"), args[0] if args else text(zone))


def _to_date_time(args: Args, zone: str) -> r.RExpr:
    value = args[0]
    where = args[1] if len(args) > 1 else text(zone)
    if isinstance(value, r.Value) and isinstance(value.value, str):
        if _PLAIN_TIME.fullmatch(value.value):
            return call("toDateTime", value, where)
        if _FRACTION.fullmatch(value.value):
            return call("toDateTime64", value, r.Word("6"), where)
        return call("parseDateTime64BestEffort", value, r.Word("6"), where)
    if value.type.kind in ("datetime", "date", "integer"):
        return call("toDateTime", value, where)
    return call("parseDateTime64BestEffortOrNull", call("toString", value), r.Word("6"), where)


def _to_date(args: Args, zone: str) -> r.RExpr:
    known = args[0].type.kind in ("datetime", "date")
    return call("toDate" if known else "toDateOrNull", args[0])


def _cast(type_name: str, kind: r.Kind) -> Callable[[Args, str], r.RExpr]:
    def rule(args: Args, zone: str) -> r.RExpr:
        return accurate_cast(args[0], type_name, kind)

    return rule


def accurate_cast(value: r.RExpr, type_name: str, kind: r.Kind) -> r.RExpr:
    """The value as another type, or NULL."""
    return r.Function("accurateCastOrNull", (value, r.Word(f"'{type_name}'")), type=r.Type(kind, nullable=True))


def concat(args: Args) -> r.RExpr:
    """Text of everything, NULL as nothing."""
    parts: list[r.RExpr] = []
    for arg in args:
        if isinstance(arg, r.Value) and arg.value is None:
            continue
        if isinstance(arg, r.Value) and isinstance(arg.value, str):
            parts.append(arg)
        elif isinstance(arg, r.Value):
            parts.append(call("toString", arg))
        else:
            parts.append(call("ifNull", call("toString", arg), r.Word("''")))
    if not parts:
        return text("")
    return call("concat", *parts) if len(parts) > 1 else parts[0]


def _concat(args: Args, zone: str) -> r.RExpr:
    return concat(args)


_UNITS = frozenset(["second", "minute", "hour", "day", "week", "month", "quarter", "year"])


def _shift(target: str) -> Callable[[Args, str], r.RExpr]:
    def rule(args: Args, zone: str) -> r.RExpr:
        if len(args) == 2:
            return call(target, args[0], args[1])
        unit = args[0].value if isinstance(args[0], r.Value) else None
        word = str(unit).lower().rstrip("s")
        if word not in _UNITS:
            raise ValueError("the unit must be one of " + ", ".join(sorted(_UNITS)))
        return call(target, args[2], call(f"toInterval{word.title()}", args[1]))

    return rule


_PARTS = {
    "year": "toYear", "month": "toMonth", "day": "toDayOfMonth", "hour": "toHour", "minute": "toMinute",
    "second": "toSecond", "dow": "toDayOfWeek", "doy": "toDayOfYear", "quarter": "toQuarter", "week": "toISOWeek",
}  # fmt: skip


def _date_part(args: Args, zone: str) -> r.RExpr:
    unit = str(args[0].value).lower() if isinstance(args[0], r.Value) else ""
    if unit not in _PARTS:
        raise ValueError("the part must be one of " + ", ".join(_PARTS))
    return call(_PARTS[unit], args[1])


def _moved(target: str) -> Callable[[Args, str], r.RExpr]:
    def rule(args: Args, zone: str) -> r.RExpr:
        return call(target, *args)

    return rule


def _timezone(args: Args, zone: str) -> r.RExpr:
    return call("toTimeZone", args[1], args[0])


def _to_decimal(args: Args, zone: str) -> r.RExpr:
    scale = args[1].value if isinstance(args[1], r.Value) else None
    if not isinstance(scale, int) or not 0 <= scale <= 18:
        raise ValueError("the scale must be a number from 0 to 18")
    return accurate_cast(args[0], f"Decimal64({scale})", "unknown")


_REDUCERS = frozenset(
    "count countMap countMapState sum sumMap sumMapState min minMap minMapState max maxMap maxMapState avg avgState "
    "avgMap avgMapState median uniq uniqState uniqMap uniqMapState".split()
)


def _array_reduce(args: Args, zone: str) -> r.RExpr:
    name = args[0].value if isinstance(args[0], r.Value) else None
    if name not in _REDUCERS:
        raise ValueError(f"Invalid parametric function in 'arrayReduce', '{name}' is not supported.")
    return call("arrayReduce", r.Word(f"'{name}'"), *args[1:])


def _date_bin(args: Args, zone: str) -> r.RExpr:
    # both of one type, or ClickHouse will not have them
    time, origin = (call("toDateTime64", arg, r.Word("6"), text(zone)) for arg in (args[1], args[2]))
    return call("toStartOfInterval", time, args[0], origin)


def _to_timestamp(args: Args, zone: str) -> r.RExpr:
    return call("toDateTime", call("fromUnixTimestamp", args[0]), *(args[1:] or (text(zone),)))


def _make_interval(args: Args, zone: str) -> r.RExpr:
    units = ("Year", "Month", "Day", "Hour", "Minute", "Second")
    total = call(f"toInterval{units[0]}", args[0])
    for unit, value in zip(units[1:], args[1:], strict=True):
        total = call("plus", total, call(f"toInterval{unit}", value))
    return r.Function(total.name, total.args, type=r.Type("interval", total.type.nullable))


def _make_timestamptz(args: Args, zone: str) -> r.RExpr:
    return call("makeDateTime", *args)


def _split_part(args: Args, zone: str) -> r.RExpr:
    parts = call("splitByString", args[1], args[0])
    there = call(
        "and", call("greaterOrEquals", args[2], r.Word("1")), call("lessOrEquals", args[2], call("length", parts))
    )
    return call("if", there, call("arrayElement", parts, args[2]), r.Word("''"))


def _generate_series(args: Args, zone: str) -> r.RExpr:
    return call("range", args[0], call("plus", args[1], r.Word("1")), args[2])


def _window(name: str) -> Callable[[Args, str], r.RExpr]:
    """These take a DateTime, and no other kind of time."""

    def rule(args: Args, zone: str) -> r.RExpr:
        if name not in ("tumble", "hop") and len(args) == 1:
            return call(name, args[0])
        made = isinstance(args[0], r.Function) and args[0].name.startswith(("toDateTime", "parseDateTime"))
        first = call("assumeNotNull", call("toDateTime", args[0])) if made else call("toDateTime", args[0], text("UTC"))
        return call(name, first, *args[1:])

    return rule


def _aggregated(*targets: str) -> Callable[[Args, str], r.RExpr]:
    def rule(args: Args, zone: str) -> r.RExpr:
        value = call(targets[-1], args[0])
        for target in reversed(targets[:-1]):
            value = call(target, value, *args[1:])
        return value

    return rule


def _sparkline(args: Args, zone: str) -> r.RExpr:
    labels = (text("labels"), args[1]) if len(args) > 1 else ()
    return call("tuple", text("__hx_tag"), text("Sparkline"), text("data"), args[0], *labels)


def _csp_report(args: Args, zone: str) -> r.RExpr:
    return call("tuple", text("__hx_tag"), text("ExplainCSPReport"), text("properties"), args[0])


_VERSION = r"^\s*v?((?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))(?:[-+].*)?\s*$"


def _sortable_version(args: Args, zone: str) -> r.RExpr:
    found = call("extract", call("assumeNotNull", call("toString", args[0])), text(_VERSION))
    parts = call("splitByChar", text("."), call("coalesce", call("nullIf", found, r.Word("''")), text("_")))
    number = r.LambdaExpr(("_arg0",), call("toInt64OrNull", r.Argument("_arg0")))
    return r.Function("arrayMap", (number, parts), type=r.Type("array", nullable=False))


def _looked_up(table: Mapping[str, str], otherwise: str | None = None) -> Callable[[Args, str], r.RExpr]:
    """A value of a fixed table of ours."""

    def rule(args: Args, zone: str) -> r.RExpr:
        keys, values = (call("array", *[text(word) for word in words]) for words in (table.keys(), table.values()))
        missing = r.Word("NULL") if otherwise is None else text(otherwise)
        key = call("lower", call("ifNull", call("toString", args[0]), r.Word("''")))
        kind = r.Type("string", nullable=otherwise is None)
        return r.Function("transform", (key, keys, values, missing), type=kind)

    return rule


def _bot(column: int, otherwise: str) -> Callable[[Args, str], r.RExpr]:
    """What is known of the program behind a user agent: the first pattern that it holds."""

    def rule(args: Args, zone: str) -> r.RExpr:
        agent = call("ifNull", call("toString", args[0]), r.Word("''"))
        patterns = call("array", *[text(f"(?i){bot[0]}") for bot in BOTS])
        values = call("array", text(otherwise), *[text(bot[column]) for bot in BOTS])
        first = call("plus", call("multiMatchAnyIndex", agent, patterns), r.Word("1"))
        return r.Function("arrayElement", (values, first), type=r.Type("string", nullable=False))

    return rule


def _is_bot(args: Args, zone: str) -> r.RExpr:
    agent = call("ifNull", call("toString", args[0]), r.Word("''"))
    patterns = call("array", *[text(f"(?i){bot[0]}") for bot in BOTS])
    return r.Function("toBool", (call("multiMatchAny", agent, patterns),), type=r.BOOLEAN)


def _convert_currency(args: Args, zone: str) -> r.RExpr:
    """There are no rates, so only what needs none has a value: PostHog, too, says 0 where a rate is missing."""
    same = call("equals", args[0], args[1])
    amount = call("toDecimal64", args[2], r.Word("10"))
    return call("if", same, amount, call("toDecimal64", r.Word("0"), r.Word("10")))


RULES: dict[str, Callable[[Args, str], r.RExpr]] = {
    "now": _now,
    "current_timestamp": _now,
    "toDateTime": _to_date_time,
    "toDate": _to_date,
    "to_date": _to_date,
    "toInt": _cast("Int64", "integer"),
    "toFloat": _cast("Float64", "float"),
    "toUUID": _cast("UUID", "uuid"),
    "toDecimal": _to_decimal,
    "concat": _concat,
    "dateAdd": _shift("plus"),
    "dateSub": _shift("minus"),
    "date_add": _shift("plus"),
    "date_subtract": _shift("minus"),
    "timezone": _timezone,
    "date_part": _date_part,
    "arrayReduce": _array_reduce,
    "timeStampAdd": _moved("plus"),
    "timeStampSub": _moved("minus"),
    "date_bin": _date_bin,
    "to_timestamp": _to_timestamp,
    "make_interval": _make_interval,
    "make_timestamptz": _make_timestamptz,
    "split_part": _split_part,
    "generateSeries": _generate_series,
    **{name: _window(name) for name in ("tumble", "hop", "tumbleStart", "tumbleEnd", "hopStart", "hopEnd")},
    "json_agg": _aggregated("toJSONString", "groupArray"),
    "every": _aggregated("toBool", "min"),
    "md5": _aggregated("hex", "MD5"),
    "string_agg": _aggregated("arrayStringConcat", "groupArray"),
    "sparkline": _sparkline,
    "explainCSPReport": _csp_report,
    "sortablesemver": _sortable_version,
    "languageCodeToName": _looked_up(LANGUAGES, "Unknown"),
    "lookupDomainType": _looked_up(DOMAIN_TYPES),
    "lookupPaidSourceType": _looked_up(PAID_SOURCES),
    "lookupPaidMediumType": _looked_up(PAID_MEDIUMS),
    "lookupOrganicSourceType": _looked_up(ORGANIC_SOURCES),
    "lookupOrganicMediumType": _looked_up(ORGANIC_MEDIUMS),
    "isLikelyBot": _is_bot,
    "getTrafficType": _bot(1, "Regular"),
    "getTrafficCategory": _bot(2, "regular"),
    "getBotType": _bot(2, ""),
    "getBotName": _bot(3, ""),
    "getBotOperator": _bot(4, ""),
    "convertCurrency": _convert_currency,
}

COMPARISONS = {
    "equals": "=", "notEquals": "!=", "less": "<", "greater": ">", "lessOrEquals": "<=", "greaterOrEquals": ">=",
    "in": "in", "notIn": "not in", "like": "like", "ilike": "ilike", "notLike": "not like", "notILike": "not ilike",
}  # fmt: skip

CASTS: dict[str, tuple[str, r.Kind]] = {
    **dict.fromkeys(("int", "integer"), ("toInt64", "integer")),
    **dict.fromkeys(("float", "double", "double precision", "real"), ("toFloat64", "float")),
    **dict.fromkeys(("text", "varchar", "char", "string"), ("toString", "string")),
    **dict.fromkeys(("boolean", "bool"), ("toBool", "boolean")),
    "date": ("toDate", "date"),
    **dict.fromkeys(
        ("datetime", "timestamp", "timestamptz", "timestamp with time zone", "timestamp with local time zone"),
        ("toDateTime", "datetime"),
    ),
}  # fmt: skip
