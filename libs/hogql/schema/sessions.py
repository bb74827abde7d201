"""Sessions: what ClickHouse's view makes of the events of each, put together."""

from types import MappingProxyType

from libs.hogql.schema.channel import channel_type
from libs.hogql.schema.fields import ColumnField, Field, LazyTable, Table

BOUNCE_SECONDS = 10
# How far apart the time in a session's id and the times of its events may be.
MARGIN_DAYS = 3

_UTM = ("source", "campaign", "medium", "term", "content")
_AD_IDS = (
    "gclid gad_source gclsrc dclid gbraid wbraid fbclid msclkid twclid li_fat_id mc_cid igshid ttclid epik qclid sccid "
    "_kx irclid"
).split()
_INITIAL = (
    *(f"utm_{word}" for word in _UTM), *_AD_IDS, "referring_domain", "referrer", "browser", "browser_version", "os",
    "os_version", "device_type", "viewport_width", "viewport_height", "geoip_country_code",
    "geoip_subdivision_1_code", "geoip_subdivision_1_name", "geoip_subdivision_city_name", "geoip_time_zone",
)  # fmt: skip
_STATES = (
    "distinct_id", "person_id", "entry_url", "end_url", "last_external_click_url", "pageview_uniq", "autocapture_uniq",
    "screen_uniq", "page_screen_autocapture_uniq_up_to", "vitals_lcp", *(f"initial_{name}" for name in _INITIAL),
)  # fmt: skip

RAW_SESSIONS = Table(
    name="raw_sessions",
    team_column="team_id",
    fields=MappingProxyType(
        {
            "session_id_v7": ColumnField("session_id_v7", "integer"),
            "min_timestamp": ColumnField("min_timestamp", "datetime"),
            "max_timestamp": ColumnField("max_timestamp", "datetime"),
            "max_inserted_at": ColumnField("max_inserted_at", "datetime"),
            "urls": ColumnField("urls", "array"),
            **{name: ColumnField(name, "unknown", nullable=True) for name in _STATES},
            "team_id": ColumnField("team_id", "integer"),
        }
    ),
    star=("session_id_v7", "min_timestamp", "max_timestamp", "max_inserted_at", "urls"),
    sample_column="session_id_v7",
)


def _known(state: str) -> str:
    """A text of the session's first event; NULL when it said nothing."""
    return f"nullIf(nullIf(argMinMerge({state}), 'null'), '')"


_SESSION_ID = "toString(reinterpretAsUUID(bitOr(bitShiftLeft(session_id_v7, 64), bitShiftRight(session_id_v7, 64))))"
_DURATION = "dateDiff('second', min(min_timestamp), max(max_timestamp))"
_SEEN = "uniqUpToMerge(1)(page_screen_autocapture_uniq_up_to)"
_ENTRY, _END = "nullIf(argMinMerge(entry_url), '')", "nullIf(argMaxMerge(end_url), '')"

_TEXTS = {
    "$entry_current_url": _ENTRY,
    "$entry_pathname": f"path({_ENTRY})",
    "$entry_hostname": f"domain({_ENTRY})",
    "$end_current_url": _END,
    "$end_pathname": f"path({_END})",
    "$end_hostname": f"domain({_END})",
    "$exit_current_url": _END,
    "$exit_pathname": f"path({_END})",
    "$last_external_click_url": "nullIf(argMaxMerge(last_external_click_url), '')",
    **{f"$entry_{name}": _known(f"initial_{name}") for name in _INITIAL if not name.startswith("viewport")},
    "$channel_type": channel_type(
        campaign=_known("initial_utm_campaign"),
        medium=_known("initial_utm_medium"),
        source=_known("initial_utm_source"),
        domain=_known("initial_referring_domain"),
        gclid=_known("initial_gclid"),
        gad_source=_known("initial_gad_source"),
        fbclid=_known("initial_fbclid"),
    ),
}
_MADE = {
    "session_id": _SESSION_ID,
    "id": _SESSION_ID,
    "distinct_id": "argMaxMerge(distinct_id)",
    "person_id": "argMaxMerge(person_id)",
    "$start_timestamp": "min(min_timestamp)",
    "$end_timestamp": "max(max_timestamp)",
    "max_inserted_at": "max(max_inserted_at)",
    "$urls": "arrayDistinct(arrayFlatten(groupArray(urls)))",
    "$num_uniq_urls": "length(arrayDistinct(arrayFlatten(groupArray(urls))))",
    **_TEXTS,
    "$entry_viewport_width": "argMinMerge(initial_viewport_width)",
    "$entry_viewport_height": "argMinMerge(initial_viewport_height)",
    "$pageview_count": "uniqMerge(pageview_uniq)",
    "$autocapture_count": "uniqMerge(autocapture_uniq)",
    "$screen_count": "uniqMerge(screen_uniq)",
    "$session_duration": _DURATION,
    "duration": _DURATION,
    "$is_bounce": f"if({_SEEN} = 0, null, not ({_SEEN} > 1 or {_DURATION} >= {BOUNCE_SECONDS}))",
    "$page_screen_autocapture_count_up_to": _SEEN,
    "$vitals_lcp": "argMinMerge(vitals_lcp)",
}
_KINDS = {
    "$start_timestamp": "datetime", "$end_timestamp": "datetime", "max_inserted_at": "datetime", "$urls": "array",
    "person_id": "uuid", "session_id": "string", "id": "string", "distinct_id": "string", "$is_bounce": "boolean",
    "$vitals_lcp": "float", **dict.fromkeys(_TEXTS, "string"),
}  # fmt: skip
_NULLABLE = frozenset((*_TEXTS, "$is_bounce", "$vitals_lcp"))

_FIELDS: dict[str, Field] = {
    "session_id": ColumnField("session_id", "string"),
    "session_id_v7": ColumnField("session_id_v7", "integer"),
    **{name: ColumnField(name, _KINDS.get(name, "integer"), name in _NULLABLE) for name in _MADE},
    "team_id": ColumnField("team_id", "integer"),
}
_ID_TIME = "toDateTime(intDiv(_toUInt64(bitShiftRight(session_id_v7, 80)), 1000), 'UTC')"

SESSIONS = LazyTable(
    name="sessions",
    stored="raw_sessions",
    fields=MappingProxyType(_FIELDS),
    star=("session_id", *(name for name in _MADE if name not in ("session_id", "id", "duration"))),
    keys=("session_id_v7",),
    made=MappingProxyType(_MADE),
    bounds=MappingProxyType({"$start_timestamp": _ID_TIME, "$end_timestamp": _ID_TIME}),
    margin_days=MARGIN_DAYS,
    sample_column="session_id_v7",
)
