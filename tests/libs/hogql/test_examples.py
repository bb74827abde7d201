"""HogQL beside ClickHouse SQL that means the same, written by hand over the stored text of properties: both agree.

The SQL is PostHog's shape, so these are the results that a query had there.
"""

import re

import pytest

from libs.hogql.compile import Project, compile_query
from libs.hogql.resolver import Cohort
from tests.support.hogql import TEAM, Engine

TYPES = {"event": {"price": "Numeric", "vip": "Boolean", "due": "DateTime"}}
COHORTS = (Cohort(5, "vip", version=2),)


def px(*keys: str | int, column: str = "properties_raw") -> str:
    """A property as PostHog reads it, but for escapes in strings, which are undone here."""
    path = ", ".join([column, *[repr(key) for key in keys]])
    raw = f"nullIf(nullIf(JSONExtractRaw({path}), ''), 'null')"
    return f"if(startsWith({raw}, '\"'), JSONExtractString({path}), {raw})"


NUMBER = f"accurateCastOrNull({px('price')}, 'Float64')"
TRUTH = f"toBool(transform(toString({px('vip')}), ['true','false'], [1,0], NULL))"
DUE = f"parseDateTime64BestEffortOrNull({px('due')}, 6, 'UTC')"
PERSONS = (
    f"(SELECT id, argMax({px('email')}, version) AS email FROM person WHERE team_id = 1 GROUP BY id "
    "HAVING argMax(is_deleted, version) = 0)"
)
PDI = (
    "(SELECT distinct_id, argMax(person_id, version) AS person FROM person_distinct_id2 WHERE team_id = 1 "
    "GROUP BY distinct_id HAVING argMax(is_deleted, version) = 0)"
)
OVERRIDES = PDI.replace("person_distinct_id2", "person_distinct_id_overrides")
PERSON_ID = "if(not(empty(o.distinct_id)), o.person, e.person_id)"
OVERRIDDEN = f"(SELECT e.*, {PERSON_ID} AS person FROM events AS e LEFT JOIN {OVERRIDES} AS o USING (distinct_id))"
GROUPS = (
    f"(SELECT group_key, argMax({px('name', column='group_properties_raw')}, version) AS name FROM groups "
    "WHERE team_id = 1 AND group_type_index = 0 GROUP BY group_key)"
)
SESSIONS = (
    "(SELECT session_id_v7, dateDiff('second', min(min_timestamp), max(max_timestamp)) AS duration FROM raw_sessions "
    "WHERE team_id = 1 GROUP BY session_id_v7)"
)
MEMBERS = (
    "(SELECT person_id FROM cohortpeople WHERE team_id = 1 AND cohort_id = 5 AND version = 2 GROUP BY 1 "
    "HAVING sum(sign) > 0)"
)

# number, HogQL, SQL; `E` is the team's events. Queries with LIMIT or the present time are looked at elsewhere.
PAIRS = [
    ("X01", "select event from events", "SELECT event FROM E"),
    ("X02", "select count() from events where event = 'signup'", "SELECT count() FROM E AND event = 'signup'"),
    ("X03", "select * from groups",
     "SELECT group_type_index, group_key, argMax(created_at, version), argMax(_timestamp, version), "
     "argMax(group_properties_raw, version) FROM groups WHERE team_id = 1 GROUP BY 1, 2"),
    ("X04", "select properties.$browser from events", f"SELECT {px('$browser')} FROM E"),
    ("X05", "select properties.items.1.sku from events", f"SELECT {px('items', 1, 'sku')} FROM E"),
    ("X06", "select uuid from events where properties.plan = 'pro'",
     f"SELECT uuid FROM E AND ifNull(equals({px('plan')}, 'pro'), 0)"),
    ("X07", "select uuid from events where properties.plan != 'pro'",
     f"SELECT uuid FROM E AND ifNull(notEquals({px('plan')}, 'pro'), 1)"),
    ("X08", "select uuid from events where properties.plan is null", f"SELECT uuid FROM E AND isNull({px('plan')})"),
    ("X09", "select uuid from events where properties.plan = properties.$browser",
     f"SELECT uuid FROM E AND ifNull({px('plan')} = {px('$browser')}, "
     f"isNull({px('plan')}) AND isNull({px('$browser')}))"),
    ("X10", "select uuid, properties.price from events where properties.price > 9",
     f"SELECT uuid, {NUMBER} FROM E AND ifNull(greater({NUMBER}, 9), 0)"),
    ("X11", "select uuid from events where properties.vip = true", f"SELECT uuid FROM E AND ifNull({TRUTH} = 1, 0)"),
    ("X12", "select uuid, properties.due from events where properties.due < now()",
     f"SELECT uuid, {DUE} FROM E AND ifNull({DUE} < now64(6, 'UTC'), 0)"),
    ("X13", "select uuid from events where timestamp >= now() - interval 7 day",
     "SELECT uuid FROM E AND timestamp >= now64(6, 'UTC') - toIntervalDay(7)"),
    ("X14", "select toDateTime('2024-05-01 10:00:00'), toDateTime('2024-05-01 10:00:00.5')",
     "SELECT toDateTime('2024-05-01 10:00:00', 'UTC'), toDateTime64('2024-05-01 10:00:00.5', 6, 'UTC')"),
    ("X15", "select toStartOfWeek(timestamp) from events", "SELECT toStartOfWeek(timestamp, 0) FROM E"),
    ("X16", "select person.properties.email from events",
     f"SELECT {px('email', column='person_properties_raw')} FROM E"),
    ("X17", "select pdi.person.properties.email from events",
     f"SELECT p.email FROM events AS e JOIN {PDI} AS d ON e.distinct_id = d.distinct_id LEFT JOIN {PERSONS} AS p "
     "ON d.person = p.id WHERE e.team_id = 1"),
    ("X18", "select person_id from events",
     f"SELECT {PERSON_ID} FROM events AS e LEFT JOIN {OVERRIDES} AS o ON e.distinct_id = o.distinct_id "
     "WHERE e.team_id = 1"),
    ("X19", "select group_0.properties.name from events",
     f"SELECT g.name FROM events AS e LEFT JOIN {GROUPS} AS g ON ifNull({px('$group_0')}, '') = g.group_key "
     "WHERE e.team_id = 1"),
    ("X20", "select session.$session_duration from events",
     f"SELECT s.duration FROM events AS e LEFT JOIN {SESSIONS} AS s "
     f"ON toUInt128(accurateCastOrNull({px('$session_id')}, 'UUID')) = s.session_id_v7 WHERE e.team_id = 1"),
    ("X21", "select uuid from events where person_id in cohort 5",
     f"SELECT uuid FROM {OVERRIDDEN} WHERE team_id = 1 AND person IN {MEMBERS}"),
    ("X22", "select uuid from events where event in ('signup', 'b')",
     "SELECT uuid FROM E AND event IN ('signup', 'b')"),
    ("X23", "select f'{event}: {properties.plan}' from events",
     f"SELECT concat(event, ': ', ifNull({px('plan')}, '')) FROM E"),
    ("X24", "select properties.plan ?? 'x' from events", f"SELECT ifNull({px('plan')}, 'x') FROM E"),
    ("X25", "select event from events where event =~* '^SIGN'", "SELECT event FROM E AND match(event, '(?i)^SIGN')"),
    ("X26", "select event from events where not event like '%n%'", "SELECT event FROM E AND not(event LIKE '%n%')"),
    ("X27", "select event from events where 1 = 1 and event = 'signup'", "SELECT event FROM E AND event = 'signup'"),
    ("X27b", "select event from events where 1 = 2 and event = 'signup'", "SELECT event FROM E AND 0"),
    ("X28", "select case when event = 'signup' then 1 else 2 end from events",
     "SELECT if(event = 'signup', 1, 2) FROM E"),
    ("X29", "select number from numbers(3)", "SELECT number FROM numbers(3)"),
    ("X30", "select e.event, g.key from events e left join raw_groups g on g.key = e.$group_0 and g.index = 1",
     "SELECT e.event, g.group_key FROM events AS e LEFT JOIN (SELECT * FROM groups WHERE team_id = 1) AS g "
     f"ON g.group_type_index = 1 AND g.group_key = {px('$group_0')} WHERE e.team_id = 1"),
    ("X31", "select 1 union all select 2", "SELECT 1 UNION ALL SELECT 2"),
    ("X32", "with t as (select event from events) select count() from t", "SELECT count() FROM E"),
    ("X33", "select lag(timestamp) over (partition by distinct_id order by timestamp) from events",
     "SELECT lagInFrame(toNullable(timestamp)) OVER (PARTITION BY distinct_id ORDER BY timestamp ROWS BETWEEN "
     "UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM E"),
    ("X34", "select quantile(0.9)(properties.price), count(distinct event) from events",
     f"SELECT quantile(0.9)({NUMBER}), count(DISTINCT event) FROM E"),
    ("X35", "select {'a': event} from events", "SELECT tuple('__hx_tag', '__hx_obj', 'a', event) FROM E"),
    ("X36", "select sparkline([1, 2])", "SELECT tuple('__hx_tag', 'Sparkline', 'data', [1, 2])"),
    ("X37", "select toDecimal(properties.price, 2) from events",
     f"SELECT accurateCastOrNull({NUMBER}, 'Decimal64(2)') FROM E"),
    ("X39", "select uuid from events where event = 'a''b'", "SELECT uuid FROM E AND event = 'a\\'b'"),
    ("X40", "select uuid from events where timestamp between '2024-05-01 12:00:00' and '2024-05-03'",
     "SELECT uuid FROM E AND timestamp BETWEEN '2024-05-01 12:00:00' AND '2024-05-03'"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "hogql", "sql"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_both_answer_alike(engine: Engine, number: str, hogql: str, sql: str) -> None:
    ours = engine.hogql(hogql, property_types=TYPES, cohorts=COHORTS)
    conditions = re.sub(r"FROM E\b(?= AND)", "FROM events WHERE team_id = 1", sql)
    theirs = engine.run(re.sub(r"FROM E\b", "FROM events WHERE team_id = 1", conditions))
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)


def test_most_pairs_find_something(engine: Engine) -> None:
    found = [engine.hogql(hogql, property_types=TYPES, cohorts=COHORTS) for _, hogql, _ in PAIRS]
    assert sum(not rows for rows in found) <= 4


@pytest.mark.parametrize(
    ("limit", "sql"), [("limit 999999", "LIMIT {v0:UInt16}"), ("limit 10%", "LIMIT {v0:Float64}")], ids=["X38", "X38b"]
)
def test_limits_have_a_most(limit: str, sql: str) -> None:
    assert compile_query(f"select event from events {limit}", Project(TEAM)).sql.endswith(sql)
