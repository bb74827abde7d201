"""Which words may be names, and where. Nearly all keywords may; what may not is listed here."""

import sys


def _words(text: str) -> frozenset[str]:
    return frozenset(map(sys.intern, text.split()))  # the parser compares words by identity, as literals are interned


# Never a name, not even after a dot: quote them.
HARD = _words("CATCH EXCEPT FINALLY FN FUN INTERSECT LET MATERIALIZED THROW TRY WHILE WITHIN NULL INF INFINITY NAN")
KEYWORDS = HARD | _words(
    "ALL AND ANTI ANY ARRAY AS ASC ASCENDING ASOF BETWEEN BOTH BY CASE CAST COHORT COLLATE COLUMNS CROSS CUBE CURRENT "
    "DATE DAY DESC DESCENDING DISTINCT ELSE END EXCLUDE EXTRACT FINAL FILL FILTER FIRST FOLLOWING FOR FROM FULL GROUP "
    "GROUPING HAVING HOUR ID IF IGNORE ILIKE IN INCLUDE INNER INTERPOLATE INTERVAL IS JOIN KEY LAMBDA LAST LEADING "
    "LEFT LIKE LIMIT LOCAL MINUTE MONTH NAME NATURAL NOT NULLS OFFSET ON OR ORDER OUTER OVER PARTITION PIVOT "
    "POSITIONAL PRECEDING PREWHERE QUALIFY QUARTER RANGE RECURSIVE REPLACE RETURN RIGHT ROLLUP ROW ROWS SAMPLE SECOND "
    "SELECT SEMI SETS SETTINGS STEP SUBSTRING THEN TIES TIME TIMESTAMP TO TOP TOTALS TRAILING TRIM TRUNCATE TRY_CAST "
    "UNBOUNDED UNION UNPIVOT USING VALUES WEEK WHEN WHERE WINDOW WITH YEAR YYYY ZONE"
)
# Not of the grammar's list, but asked for by the parser.
_ASKED_FOR = _words("TRUE FALSE INTO FORMAT")
#: As written, in small letters or in capitals -> in capitals, as the parser compares them. Other spellings take longer.
WORDS = {spelling: word for word in KEYWORDS | _ASKED_FOR for spelling in (word, word.lower())}
LONGEST_WORD = max(map(len, WORDS))
COLUMN_ALIAS_KEYWORDS = _words("ASC ASCENDING COHORT DATE DESCENDING FINAL ID RETURN TOP TOTALS")
TABLE_ALIAS_KEYWORDS = _words("DATE FIRST ID KEY")
RESERVED_ALIASES = frozenset(("true", "false", "team_id"))
UNITS = _words("SECOND MINUTE HOUR DAY WEEK MONTH QUARTER YEAR")

# Words that end an expression or a list rather than begin a value, unless what follows shows that a name is meant.
STOPPERS = _words(
    "FROM WHERE PREWHERE HAVING QUALIFY GROUP ORDER LIMIT OFFSET UNION WINDOW USING ON WHEN THEN ELSE END AS AND OR IN "
    "LIKE ILIKE BETWEEN IS JOIN SETTINGS ASC DESC ASCENDING DESCENDING"
)
AFTER_A_LIMIT = _words("WITH OFFSET BY UNION INTERSECT EXCEPT SETTINGS ORDER LIMIT")
AFTER_A_NAME = _words(", ) ] } . = == != <> < <= > >= + - / % ::")

# A word here is not the alias of what stands before it, unless AS says so.
NO_COLUMN_ALIAS = KEYWORDS - COLUMN_ALIAS_KEYWORDS
NO_TABLE_ALIAS = KEYWORDS - TABLE_ALIAS_KEYWORDS
