"""The functions that may be called, as tables: what functions.py reads.

Each line is `arity: names`; an arity is a number, `least-most` or `least+`. `name*` also matches in other cases,
`name=target` is another function in ClickHouse, `name@` takes the project's time zone as its last argument.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SCALARS = """
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
1: reinterpretAsUInt8 reinterpretAsUInt16 reinterpretAsUInt32 reinterpretAsUInt64 reinterpretAsUInt128
1: reinterpretAsUInt256 reinterpretAsInt8 reinterpretAsInt16 reinterpretAsInt32 reinterpretAsInt64
1: reinterpretAsInt128 reinterpretAsInt256 reinterpretAsFloat32 reinterpretAsFloat64 reinterpretAsUUID
1: _toInt8=toInt8 _toInt16=toInt16 _toInt32=toInt32 _toUInt128=toUInt128 UUIDv7ToDateTime
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
1: fromUnixTimestamp toModifiedJulianDay=toModifiedJulianDayOrNull
1: fromModifiedJulianDay=fromModifiedJulianDayOrNull
0-1: nowInBlock
1-2: toUnixTimestamp toStartOfWeek toStartOfDay toLastDayOfWeek
1-2: toTimeZone@
2-3: timeSlots to_char@=formatDateTime
6-7: make_timestamp@=makeDateTime
1-3: toDayOfWeek toWeek toYearWeek
2: addYears addMonths addWeeks addDays addHours addMinutes addSeconds addQuarters subtractYears subtractMonths
2: subtractWeeks subtractDays subtractHours subtractMinutes subtractSeconds subtractQuarters dateName
2-3: toStartOfInterval formatDateTime@ dateTrunc date_trunc=dateTrunc
3: age dateDiff date_diff=dateDiff makeDate make_date=makeDate
1: toIntervalSecond toIntervalMinute toIntervalHour toIntervalDay toIntervalWeek toIntervalMonth toIntervalQuarter
1: toIntervalYear
1: lengthUTF8 lower* upper* lowerUTF8 upperUTF8 isValidUTF8 toValidUTF8 reverseUTF8 base58Encode base58Decode
1: tryBase58Decode base64Encode base64Decode tryBase64Decode encodeXMLComponent decodeXMLComponent
1: extractTextFromHTML ascii* initcap
1-2: trim*=trimBoth btrim=trimBoth trimLeft ltrim=trimLeft trimRight rtrim=trimRight
3: convertCharset lpad=leftPad rpad=rightPad
2: left=leftUTF8 right=rightUTF8 appendTrailingCharIfAbsent endsWith startsWith repeat
2-3: leftPad rightPad leftPadUTF8 rightPadUTF8 substring* substringUTF8
2+: format concatWithSeparator
2: match multiMatchAny multiMatchAnyIndex multiMatchAllIndices extract* extractAll
3: multiFuzzyMatchAny multiFuzzyMatchAnyIndex multiFuzzyMatchAllIndices
2: extractAllGroupsHorizontal extractAllGroupsVertical extractGroups countMatches
2: countMatchesCaseInsensitive hasToken hasTokenCaseInsensitive hasTokenOrNull hasTokenCaseInsensitiveOrNull
2: hasAllTokens hasAnyTokens
2-3: position* positionCaseInsensitive positionUTF8 positionCaseInsensitiveUTF8 countSubstrings
2-3: countSubstringsCaseInsensitive countSubstringsCaseInsensitiveUTF8 regexpExtract locate
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
1-3: mapPopulateSeries
2: mapFromArrays mapContains mapContainsKeyLike mapExtractKeyLike mapApply mapFilter mapUpdate
2+: mapAdd mapSubtract
1: bitNot bitCount bitmapBuild bitmapToArray bitmapCardinality bitmapMin bitmapMax
2: bitAnd bitOr bitXor bitShiftLeft bitShiftRight bitRotateLeft bitRotateRight bitTest bitHammingDistance
2: bitmapContains bitmapHasAny bitmapHasAll bitmapAnd bitmapOr bitmapXor bitmapAndnot bitmapAndCardinality
2: bitmapOrCardinality bitmapXorCardinality bitmapAndnotCardinality
3: bitSlice bitmapSubsetInRange bitmapSubsetLimit subBitmap bitmapTransform
3+: bitTestAll bitTestAny
1: protocol domain domainWithoutWWW topLevelDomain firstSignificantSubdomain cutToFirstSignificantSubdomain
1: cutToFirstSignificantSubdomainWithWWW path pathFull queryString fragment queryStringAndFragment
1: extractURLParameters extractURLParameterNames URLHierarchy URLPathHierarchy encodeURLComponent decodeURLComponent
1: tryDecodeURLComponent=decodeURLComponent
1: encodeURLFormComponent decodeURLFormComponent netloc cutWWW cutQueryString cutFragment cutQueryStringAndFragment
1-2: port
2: extractURLParameter cutURLParameter
1: isValidJSON
1-3: JSONExtractKeysAndValues
1+: JSONHas JSONLength JSONArrayLength JSONType JSONExtractUInt JSONExtractInt JSONExtractFloat JSONExtractBool
1+: JSONExtractString JSONExtractKeys JSONExtractRaw JSONExtractArrayRaw JSONExtractKeysAndValuesRaw
2+: JSONExtract JSON_VALUE
2-3: tupleElement
1: tupleToNameValuePairs tupleNegate L1Norm L2Norm LinfNorm L1Normalize L2Normalize LinfNormalize
2: tupleHammingDistance tuplePlus tupleMinus tupleMultiply tupleDivide tupleMultiplyByNumber tupleDivideByNumber
2: dotProduct cosineDistance LpNorm L1Distance L2Distance LinfDistance LpNormalize
3: LpDistance
1: isFinite isInfinite isNaN formatReadableDecimalSize formatReadableSize formatReadableQuantity
2: ifNotFinite
1-2: formatReadableTimeDelta
2: least* greatest*
3-4: transform
1: indexHint
4: bar greatCircleDistance geoDistance greatCircleAngle
6+: pointInEllipses
2+: pointInPolygon
2-3: geohashEncode
1: geohashDecode
5: geohashesInBox
0: h3GetRes0Indexes
1: h3IsValid h3GetResolution h3GetBaseCell h3EdgeAngle h3EdgeLengthM h3EdgeLengthKm h3ToGeo h3ToGeoBoundary
1: h3HexAreaM2 h3HexAreaKm2 h3ToString stringToH3 h3IsResClassIII h3IsPentagon h3GetFaces h3CellAreaM2
1: h3CellAreaRads2 h3ExactEdgeLengthM h3ExactEdgeLengthKm h3ExactEdgeLengthRads h3NumHexagons h3GetPentagonIndexes
1: h3UnidirectionalEdgeIsValid h3GetOriginIndexFromUnidirectionalEdge h3GetDestinationIndexFromUnidirectionalEdge
1: h3GetIndexesFromUnidirectionalEdge h3GetUnidirectionalEdgesFromHexagon h3GetUnidirectionalEdgeBoundary
2: h3kRing h3IndexesAreNeighbors h3ToChildren h3ToParent h3ToCenterChild h3Line h3Distance h3HexRing
2: h3GetUnidirectionalEdge
3: geoToH3
4: h3PointDistM h3PointDistKm h3PointDistRads
"""

WINDOW_ONLY = """
0: rank dense_rank row_number
1: first_value last_value
2: nth_value
1-3: lagInFrame leadInFrame lag=lagInFrame lead=leadInFrame
"""

AGGREGATES = """
0-1: count* countState
1: min* max* sum* avg* any countMerge countDistinct stddevPop stddevSamp varPop varSamp array_agg=groupArray
1: groupArray anyHeavy anyLast avgState avgMerge sumMerge sumState uniqMerge uniqState groupUniqArray groupBitAnd
1: groupBitOr groupBitXor groupBitmap sumWithOverflow deltaSum skewSamp skewPop kurtSamp kurtPop median medianExact
1: medianExactLow medianExactHigh medianTiming medianTDigest medianBFloat16 sumForEach minForEach maxForEach
1: avgArray=avgArrayOrNull
1: sumArray minArray maxArray argMinMerge argMaxMerge sumForEachState sumForEachMerge avgMap avgMapMerge
1: medianArray=medianArrayOrNull groupUniqArrayArray groupArrayMovingAvg groupArrayMovingSum groupBitmapState
1: groupBitmapAnd groupBitmapAndState groupBitmapOr groupBitmapOrState groupBitmapXor sumMapMerge uniqMap
1: uniqMapMerge medianDeterministic medianExactWeighted medianTimingWeighted medianTDigestWeighted
1-2: sumMap minMap maxMap
1-2: countIf countStateIf countDistinctIf
1+: uniq uniqExact uniqExactState uniqExactMerge uniqHLL12
2: minIf maxIf sumIf avgIf anyIf stddevPopIf stddevSampIf varPopIf varSampIf covarPop covarSamp corr anyHeavyIf
2: anyLastIf argMin argMax avgWeighted groupArrayIf groupUniqArrayIf medianIf medianExactIf medianTDigestIf
2: medianTimingIf medianBFloat16If medianExactLowIf medianExactHighIf sumStateIf uniqStateIf avgStateIf avgMergeIf
2: argMinState argMaxState avgMapMergeIf groupUniqArrayArrayIf groupArrayInsertAt groupArrayMovingAvgIf
2: groupArrayMovingSumIf groupBitAndIf groupBitOrIf groupBitXorIf groupBitmapIf groupBitmapAndIf groupBitmapOrIf
2: groupBitmapXorIf sumWithOverflowIf deltaSumIf deltaSumTimestamp sumMapMergeIf sumMergeIf skewSampIf skewPopIf
2: kurtSampIf kurtPopIf uniqMergeIf uniqMapMergeIf simpleLinearRegression contingency cramersV
2: cramersVBiasCorrected theilsU maxIntersections maxIntersectionsPosition
2: medianExactWeightedIf medianTimingWeightedIf medianDeterministicIf medianTDigestWeightedIf
2-3: countMapIf avgMapIf avgMapState sumMapIf minMapIf maxMapIf
2+: uniqIf uniqExactIf uniqHLL12If
3: argMinIf argMaxIf avgWeightedIf corrIf covarPopIf covarSampIf groupArrayInsertAtIf deltaSumTimestampIf
3: simpleLinearRegressionIf contingencyIf cramersVIf cramersVBiasCorrectedIf theilsUIf maxIntersectionsIf
3: maxIntersectionsPositionIf
"""

# name: parameters, arguments
PARAMETRIC = """
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
groupArraySampleIf 1-2 2
quantilesState 1+ 1
quantilesStateIf 1+ 2
quantilesMerge 1+ 1
quantilesMergeIf 1+ 2
uniqUpTo 1 1+
uniqUpToMerge 1 1
windowFunnel 1+ 1-99
"""

# Functions that may take parameters, but need not.
OPTIONAL_PARAMETERS = frozenset(("groupArray", "groupUniqArray", "groupArrayIf", "groupUniqArrayIf"))

# Handled by a rule of the resolver, which also says what they become.
RULES = """
0-1: now*
0: current_timestamp
1-2: toDateTime
1: toDate to_date toInt toFloat toUUID
2: toDecimal
2: equals notEquals less greater lessOrEquals greaterOrEquals in notIn like ilike notLike notILike
2+: concat*
2-3: dateAdd dateSub date_add date_subtract
2: timezone date_part timeStampAdd timeStampSub
2+: arrayReduce
3: date_bin split_part generateSeries
1-2: to_timestamp
6: make_interval
7: make_timestamptz
2: tumble
3: hop
1-3: tumbleStart tumbleEnd hopStart hopEnd
1: languageCodeToName sortablesemver* explainCSPReport
1: lookupDomainType lookupPaidSourceType lookupPaidMediumType lookupOrganicSourceType lookupOrganicMediumType
1: getTrafficType getTrafficCategory isLikelyBot getBotType getBotName getBotOperator
1-2: sparkline
3-4: convertCurrency
"""

# Aggregations that a rule rewrites.
AGGREGATE_RULES = """
1: json_agg every md5
2: string_agg
"""

# Rewritten as other HogQL before it is resolved (posthog_functions.py).
EXPANDED = """
1: matchesAction
1-2: recordingButton
1-3: getSurveyResponse uniqueSurveySubmissionsFilter
"""

# On PostHog's list, but not here: said by name, with what to do instead.
REFUSED = {
    "JSONExtractKey": "ClickHouse has no such function. Use JSONExtractKeys.",
    "extractIPv4Substrings": "ClickHouse has no such function. Use extractAll.",
    "uniqTheta": "This ClickHouse is built without it. Use uniqHLL12.",
    "uniqThetaIf": "This ClickHouse is built without it. Use uniqHLL12If.",
    "untuple": "It makes several columns of one. Name the elements instead, as in x.1.",
    "embedText": "There is no model to ask.",
    "percentile_cont": "It needs WITHIN GROUP, which ClickHouse does not have. Use quantile(0.5)(x).",
    "percentile_disc": "It needs WITHIN GROUP, which ClickHouse does not have. Use quantileExact(0.5)(x).",
    **dict.fromkeys(
        _words(
            "aggregate_funnel aggregate_funnel_array aggregate_funnel_cohort aggregate_funnel_test "
            "aggregate_funnel_trends aggregate_funnel_array_trends aggregate_funnel_cohort_trends "
            "aggregate_funnel_array_trends_test"
        ),
        "It is a program on PostHog's own servers. Use windowFunnel.",
    ),
}

WITH_SUFFIXES = {
    2: _words(
        "multiSearchAllPositions multiSearchFirstPosition multiSearchFirstIndex multiSearchAny ngramDistance "
        "ngramSearch hasSubsequence"
    )
}
SEARCH_SUFFIXES = ("", "CaseInsensitive", "UTF8", "CaseInsensitiveUTF8")

# What may follow an aggregation, and what may follow that.
COMBINED = {"avg": 1, "sum": 1, "min": 1, "max": 1, "count": 0, "countDistinct": 1, "median": 1}
ENDINGS = ("If", "OrDefault", "OrNull")
FIRST_SUFFIXES = ("Array", "Map", "State", "Merge", "ForEach", "ArgMin", "ArgMax")
