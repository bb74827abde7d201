"""Queries of the sizes by which parsers of this language are compared: one line to 126, wide and deep."""

README = """select properties.$browser as browser, count() as event_count, count(distinct distinct_id) as unique_users
from events
where timestamp > now() - interval 7 day
group by browser
order by event_count desc
limit 10
"""

ONE_LINE = (
    "select event, count() as total from events "
    "where event != '$feature_flag_called' group by event order by total desc"
)

SIX_LINES = """select properties.$browser as browser, properties.$os as os, count() as views,
  count(distinct distinct_id) as people from events
where event = '$pageview' and timestamp > now() - interval 30 day
  and properties.$current_url like '%/pricing%' and person.properties.email is not null
group by browser, os having views > 10
order by views desc limit 100
"""

_STEP = """  select
    person_id,
    min(timestamp) as first_at,
    any(properties.$browser) as browser,
    countIf(properties.plan = 'pro') as pro
  from events
  where event = '{0}'
    and timestamp >= now() - interval 30 day
    and timestamp < now()
    and properties.$host = 'app.example.com'
    and not (properties.$browser in ('Bot', 'Headless'))
  group by person_id
"""
FUNNEL = f"""with signed_up as (
{_STEP.format("signed_up")}), bought as (
{_STEP.format("purchase")})
select s.browser, count() as entered, countIf(b.first_at > s.first_at) as converted
from signed_up s left join bought b on s.person_id = b.person_id
group by s.browser order by entered desc
"""

_BRANCH = """select '{0}' as name, browser, total from (
  select properties.$browser as browser, count() as total from events
  where event = '{0}' and timestamp > now() - interval {1} day and properties.price >= {1} group by browser
) where total > {1} and browser != 'Other'"""
UNION = "\nunion all\n".join(_BRANCH.format(f"event {number}", number + 1) for number in range(25))

_THOUSAND = ", ".join([f"'event {number}'" for number in range(1000)])
IN_LIST = f"select count() from events where event in ({_THOUSAND})"
NESTED_CALLS = "select " + "toString(" * 100 + "1" + ")" * 100
AND_CHAIN = "select 1 from events where " + " and ".join(f"event != 'e{number}'" for number in range(2000))

TEXTS = {
    "the README's, 6 lines": README,
    "one line": ONE_LINE,
    "6 lines, properties": SIX_LINES,
    "30-line funnel": FUNNEL,
    "124-line union of 25": UNION,
    "1,000 strings in IN": IN_LIST,
    "100 nested calls": NESTED_CALLS,
    "2,000 terms of AND": AND_CHAIN,
}
