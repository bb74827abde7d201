"""The functions that may be called, how many arguments each takes, and what it is in ClickHouse.

What is not here cannot be called. Each line of a table is `arity: names`; an arity is a number, `least-most` or
`least+`. `name*` also matches in other cases,
`name=target` is another function in ClickHouse, `name@` takes the project's
time zone as its last argument.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

_MANY = 1_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SCALARS = """
1: negate abs* empty notEmpty isEmpty=empty isNotEmpty=notEmpty length* reverse*
2: plus minus multiply divide intDiv intDivOrZero modulo moduloOrZero positiveModulo gcd lcm max2* min2*
2-3: multiplyDecimal divideDecimal
0+: array
1: arrayEnumerate arrayPopBack arrayPopFront arrayJoin arrayDifference arrayDistinct arrayEnumerateDense arrayReverse
1: arrayFlatten arrayCompact arrayProduct
1-2: arrayMin arrayMax arraySum arrayAvg arrayStringConcat
1-3: range
1+: arrayCount arraySort arrayReverseSort arrayUniq arrayIntersect arrayExists arrayAll arrayCumSum
1+: arrayCumSumNonNegative
2: arrayElement has hasAll hasAny hasSubstr indexOf countEqual arrayPushBack arrayPushFront arrayWithConstant
2: arrayRotateLeft arrayRotateRight arrayAUC
2-3: arrayResize arraySlice
2+: arrayConcat arrayEnumerateUniq arrayFilter arrayZip arrayMap arrayFill arraySplit arrayReverseFill
2+: arrayReverseSplit arrayFirst arrayLast arrayFirstIndex arrayLastIndex
3+: arrayFold
1: not*
2+: and or xor
3: if*
3+: multiIf
1: hex unhex toIntOrZero=toInt64OrZero toFloatOrZero=toFloat64OrZero _toInt64=toInt64 _toUInt64=toUInt64
1: _toDate=toDate toBool toJSONString toTypeName cityHash64
1-2: toFloatOrDefault=toFloat64OrDefault toString
1-2: parseDateTimeBestEffort@=parseDateTime64BestEffortOrNull
2-3: parseDateTime@=parseDateTimeOrNull
1-3: toDateTime64@
1-2: toDateTimeUS@=parseDateTime64BestEffortUSOrNull
1: isnull*=isNull isNotNull assumeNotNull toNullable
1+: coalesce*
2: ifnull*=ifNull nullif*=nullIf
0: yesterday today current_date=today rowNumberInBlock rowNumberInAllBlocks
1: timeZoneOf timeZoneOffset toYear toQuarter toMonth toDayOfYear toDayOfMonth toHour toMinute toSecond
1: toUnixTimestamp64Milli fromUnixTimestamp64Milli toStartOfYear toStartOfISOYear toStartOfQuarter toStartOfMonth
1: toLastDayOfMonth toMonday toStartOfHour toStartOfMinute toStartOfSecond toStartOfFiveMinutes toStartOfTenMinutes
1: toStartOfFifteenMinutes toTime toISOYear toISOWeek timeSlot toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss monthName
1: fromUnixTimestamp
1-2: toUnixTimestamp toStartOfWeek toStartOfDay toLastDayOfWeek
2: toTimeZone
1-3: toDayOfWeek toWeek toYearWeek
2: addYears addMonths addWeeks addDays addHours addMinutes addSeconds addQuarters subtractYears subtractMonths
2: subtractWeeks subtractDays subtractHours subtractMinutes subtractSeconds subtractQuarters dateName
2-3: toStartOfInterval formatDateTime dateTrunc date_trunc=dateTrunc
3: age dateDiff date_diff=dateDiff makeDate make_date=makeDate
1: toIntervalSecond toIntervalMinute toIntervalHour toIntervalDay toIntervalWeek toIntervalMonth toIntervalQuarter
1: toIntervalYear
1: lengthUTF8 lower* upper* lowerUTF8 upperUTF8 isValidUTF8 toValidUTF8 reverseUTF8 base58Encode base58Decode
1: tryBase58Decode base64Encode base64Decode tryBase64Decode encodeXMLComponent decodeXMLComponent
1: extractTextFromHTML ascii* initcap
1: trim* btrim=trim trimLeft ltrim=trimLeft trimRight rtrim=trimRight
2: left=leftUTF8 right=rightUTF8 appendTrailingCharIfAbsent endsWith startsWith repeat
2-3: leftPad rightPad leftPadUTF8 rightPadUTF8 substring* substringUTF8
2+: format concatWithSeparator
2: multiSearchAllPositions multiSearchFirstPosition multiSearchFirstIndex multiSearchAny
2: multiSearchAnyCaseInsensitive match multiMatchAny multiMatchAnyIndex extract* extractAll
2: extractAllGroupsHorizontal extractAllGroupsVertical extractGroups ngramDistance ngramSearch countMatches
2: countMatchesCaseInsensitive hasSubsequence hasToken hasTokenCaseInsensitive
2-3: position* positionCaseInsensitive positionUTF8 positionCaseInsensitiveUTF8 countSubstrings
2-3: countSubstringsCaseInsensitive regexpExtract locate
1: regexpQuoteMeta tokens
1-2: splitByWhitespace splitByNonAlpha alphaTokens
2: extractAllGroups ngrams
2-3: splitByChar splitByString splitByRegexp
3: replace* replaceAll replaceOne replaceRegexpAll replaceRegexpOne translate translateUTF8
0: e pi rand
1: exp* log* ln* exp2 log2* exp10 log10* sqrt* cbrt erf erfc lgamma tgamma sin* cos* tan* asin* acos* atan* intExp2
1: intExp10 cosh acosh sinh asinh atanh log1p sign* degrees* radians* factorial* roundToExp2 roundDuration roundAge
1-2: floor* ceil* trunc* round* roundBankers
2: pow* power* atan2 hypot roundDown
4: width_bucket
0+: map tuple
1: mapKeys mapValues
2: mapFromArrays mapContains mapApply mapFilter mapUpdate
1: bitNot bitCount
2: bitAnd bitOr bitXor bitShiftLeft bitShiftRight bitTest bitHammingDistance
1: protocol domain domainWithoutWWW topLevelDomain firstSignificantSubdomain cutToFirstSignificantSubdomain
1: cutToFirstSignificantSubdomainWithWWW path pathFull queryString fragment queryStringAndFragment
1: extractURLParameters extractURLParameterNames URLHierarchy URLPathHierarchy encodeURLComponent decodeURLComponent
1: encodeURLFormComponent decodeURLFormComponent netloc cutWWW cutQueryString cutFragment cutQueryStringAndFragment
1-2: port
2: extractURLParameter cutURLParameter
1: isValidJSON
1-3: JSONExtractKeysAndValues
1+: JSONHas JSONLength JSONArrayLength JSONType JSONExtractUInt JSONExtractInt JSONExtractFloat JSONExtractBool
1+: JSONExtractString JSONExtractKeys JSONExtractRaw JSONExtractArrayRaw JSONExtractKeysAndValuesRaw
2+: JSONExtract JSON_VALUE
2-3: tupleElement
2: tuplePlus tupleMinus tupleMultiply tupleDivide dotProduct cosineDistance L1Distance L2Distance
1: isFinite isInfinite isNaN formatReadableDecimalSize formatReadableSize formatReadableQuantity
2: ifNotFinite
1-2: formatReadableTimeDelta
2: least* greatest*
3-4: transform
4: bar greatCircleDistance geoDistance
2-3: geohashEncode
1: geohashDecode
"""

_WINDOW_ONLY = """
0: rank dense_rank row_number
1: first_value last_value
2: nth_value
1-3: lagInFrame leadInFrame lag=lagInFrame lead=leadInFrame
"""

_AGGREGATES = """
0-1: count* countState
1: min* max* sum* avg* any countMerge countDistinct stddevPop stddevSamp varPop varSamp array_agg=groupArray
1: groupArray anyHeavy anyLast avgState avgMerge sumMerge sumState uniqMerge uniqState groupUniqArray groupBitAnd
1: groupBitOr groupBitXor groupBitmap sumWithOverflow deltaSum skewSamp skewPop kurtSamp kurtPop median medianExact
1: medianExactLow medianExactHigh medianTiming medianTDigest medianBFloat16 sumForEach minForEach maxForEach avgArray
1: sumArray minArray maxArray sumMap minMap maxMap
1-2: countIf countStateIf countDistinctIf
1+: uniq uniqExact uniqExactState uniqExactMerge uniqHLL12
2: minIf maxIf sumIf avgIf anyIf stddevPopIf stddevSampIf varPopIf varSampIf covarPop covarSamp corr anyHeavyIf
2: anyLastIf argMin argMax avgWeighted groupArrayIf groupUniqArrayIf medianIf medianExactIf medianTDigestIf
2: medianTimingIf medianBFloat16If sumStateIf uniqStateIf avgStateIf simpleLinearRegression cramersV theilsU
2+: uniqIf uniqExactIf uniqHLL12If
3: argMinIf argMaxIf avgWeightedIf corrIf covarPopIf covarSampIf
"""

# name: parameters, arguments
_PARAMETRIC = """
topK 1 1
topKIf 1 2
quantile 1 1
quantileIf 1 2
quantileExact 1 1
quantileExactIf 1 2
quantileTDigest 1 1
quantileTiming 1 1
quantiles 1+ 1
quantilesIf 1+ 2
groupArraySample 1-2 1
uniqUpTo 1 1+
windowFunnel 1+ 2+
"""

# Functions that may take parameters, but need not.
_OPTIONAL_PARAMETERS = frozenset(("groupArray", "groupUniqArray", "groupArrayIf", "groupUniqArrayIf"))

# Handled by a rule of the resolver, which also says what they become.
_RULES = """
0-1: now*
0: current_timestamp
1-2: toDateTime
1: toDate to_date toInt toFloat toUUID
2: toDecimal
2: equals notEquals less greater lessOrEquals greaterOrEquals in notIn like ilike notLike notILike
2+: concat*
2-3: dateAdd dateSub date_add date_subtract
2: timezone date_part
2+: arrayReduce
"""

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
            params = _MANY if name in _OPTIONAL_PARAMETERS else 0
            yield (
                FunctionDef(name, target or name, least, most, group, written.endswith("@"), 0, params),
                written.endswith("*"),
            )


def _load() -> tuple[dict[str, FunctionDef], dict[str, FunctionDef]]:
    exact: dict[str, FunctionDef] = {}
    folded: dict[str, FunctionDef] = {}
    tables = ((_SCALARS, "scalar"), (_WINDOW_ONLY, "window"), (_RULES, "rule"), (_AGGREGATES, "aggregate"))
    for table, group in tables:
        for definition, any_case in _entries(table, group):
            exact[definition.name] = definition
            if any_case:
                folded[definition.name.lower()] = definition
    for line in _PARAMETRIC.strip().splitlines():
        name, params, args = line.split()
        exact[name] = FunctionDef(name, name, *_range(args), "aggregate", False, *_range(params))
    return exact, folded


_EXACT, _FOLDED = _load()


def find(name: str) -> FunctionDef | None:
    """The function of this name, if it may be called."""
    return _EXACT.get(name) or _FOLDED.get(name.lower())


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
