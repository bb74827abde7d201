"""Events -> raw_sessions: one SELECT for the view that feeds the table and for whoever must feed it again.

Every column is a state that does not change when the same event comes twice. What a session began with is taken from
the first of its events in the block: its properties are read once a session, not once an event. Nothing in it can
fail, whatever a project sends: an error here would refuse the events themselves.
"""

from libs.kit.contracts.campaign import OF_SESSIONS

# column, property, type: what the first event of the session says
INITIAL = (
    ("entry_url", "$current_url", "String"),
    ("initial_referring_domain", "$referring_domain", "String"),
    ("initial_referrer", "$referrer", "String"),
    *((f"initial_{name}", name, "String") for name in OF_SESSIONS),
    ("initial_browser", "$browser", "String"),
    ("initial_browser_version", "$browser_version", "String"),
    ("initial_os", "$os", "String"),
    ("initial_os_version", "$os_version", "String"),
    ("initial_device_type", "$device_type", "String"),
    ("initial_viewport_width", "$viewport_width", "Int64"),
    ("initial_viewport_height", "$viewport_height", "Int64"),
    ("initial_geoip_country_code", "$geoip_country_code", "String"),
    ("initial_geoip_subdivision_1_code", "$geoip_subdivision_1_code", "String"),
    ("initial_geoip_subdivision_1_name", "$geoip_subdivision_1_name", "String"),
    ("initial_geoip_subdivision_city_name", "$geoip_city_name", "String"),
    ("initial_geoip_time_zone", "$geoip_time_zone", "String"),
)
_AT = "DateTime64(6, 'UTC')"
COLUMNS = (
    "team_id Int64",
    "session_id_v7 UInt128",
    f"distinct_id AggregateFunction(argMax, String, {_AT})",
    f"person_id AggregateFunction(argMax, UUID, {_AT})",
    f"min_timestamp SimpleAggregateFunction(min, {_AT})",
    f"max_timestamp SimpleAggregateFunction(max, {_AT})",
    f"max_inserted_at SimpleAggregateFunction(max, {_AT})",
    "urls SimpleAggregateFunction(groupUniqArrayArray, Array(String))",
    f"end_url AggregateFunction(argMax, String, {_AT})",
    f"last_external_click_url AggregateFunction(argMax, Nullable(String), {_AT})",
    *(f"{column} AggregateFunction(argMin, {kind}, {_AT})" for column, _, kind in INITIAL),
    "pageview_uniq AggregateFunction(uniq, Nullable(UUID))",
    "autocapture_uniq AggregateFunction(uniq, Nullable(UUID))",
    "screen_uniq AggregateFunction(uniq, Nullable(UUID))",
    "page_screen_autocapture_uniq_up_to AggregateFunction(uniqUpTo(1), Nullable(UUID))",
    f"vitals_lcp AggregateFunction(argMin, Nullable(Float64), {_AT})",
)

# Milliseconds since 1970 in a UUIDv7.
STARTED_AT = "toDateTime(intDiv(toUInt64(bitShiftRight(session_id_v7, 80)), 1000), 'UTC')"

# The session an event is of: what is no uuid is 0, and `IS_SESSION` says whether it is one.
SESSION = "toUInt128(accurateCastOrDefault(ifNull(properties.`$session_id`, ''), 'UUID'))"
IS_SESSION = "bitAnd(bitShiftRight(session_id_v7, 76), 15) = 7 AND bitAnd(bitShiftRight(session_id_v7, 62), 3) = 2"
_FIRST = ", ".join(f"`{name}` {kind}" for _, name, kind in INITIAL)
_URL = "ifNull(properties.`$current_url`, '')"


def _when(*names: str) -> str:
    return f"if(event IN ({', '.join(repr(name) for name in names)}), uuid, NULL)"


def _text(name: str) -> str:
    return f"nullIf(CAST(properties.`{name}`, 'Nullable(String)'), '')"


def select(source: str = "{source}", condition: str = "1") -> str:
    """The SELECT over the events of `source` for which a condition holds. Both are ours, never a user's text."""
    initial = ",\n    ".join(
        f"initializeAggregation('argMinState', tupleElement(said, '{name}'), first_at) AS {column}"
        for column, name, _ in INITIAL
    )
    # every part is a constant of this module, or handed in by our own code
    return f"""SELECT
    team_id, session_id_v7, distinct_id, person_id, min_timestamp, max_timestamp, max_inserted_at, urls, end_url,
    last_external_click_url,
    {initial},
    pageview_uniq, autocapture_uniq, screen_uniq, page_screen_autocapture_uniq_up_to, vitals_lcp
FROM
(
    SELECT
        events.team_id AS team_id,
        {SESSION} AS session_id_v7,
        argMaxState(events.distinct_id, events.timestamp) AS distinct_id,
        argMaxState(events.person_id, events.timestamp) AS person_id,
        min(events.timestamp) AS first_at,
        minSimpleState(events.timestamp) AS min_timestamp,
        maxSimpleState(events.timestamp) AS max_timestamp,
        maxSimpleState(events.inserted_at) AS max_inserted_at,
        groupUniqArrayArraySimpleState(if({_URL} = '', [], [{_URL}])) AS urls,
        argMaxState({_URL}, events.timestamp) AS end_url,
        argMaxState({_text("$external_click_url")}, events.timestamp) AS last_external_click_url,
        uniqState({_when("$pageview")}) AS pageview_uniq,
        uniqState({_when("$autocapture")}) AS autocapture_uniq,
        uniqState({_when("$screen")}) AS screen_uniq,
        uniqUpToState(1)({_when("$pageview", "$screen", "$autocapture")}) AS page_screen_autocapture_uniq_up_to,
        argMinState(accurateCastOrNull({_text("$web_vitals_LCP_value")}, 'Float64'), events.timestamp) AS vitals_lcp,
        JSONExtract(argMin(properties_raw, events.timestamp), 'Tuple({_FIRST})') AS said
    FROM {source} AS events
    WHERE {IS_SESSION} AND {condition}
    GROUP BY team_id, session_id_v7
)"""  # noqa: S608
