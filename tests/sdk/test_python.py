"""posthog-python, unmodified, against a running Hedgerow."""

from datetime import UTC, datetime, timedelta

import posthog
import pytest

from tests.sdk.conftest import rows_within
from tests.support.instance import Instance

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("gzip", [False, True])
async def test_capture(hedgerow: Instance, mark: str, gzip: bool) -> None:
    errors: list[object] = []
    client = posthog.Posthog(
        hedgerow.info["project_api_key"],
        host=hedgerow.url,
        gzip=gzip,
        on_error=lambda error, _items: errors.append(error),
    )
    when = datetime.now(UTC) - timedelta(days=40)
    client.capture("ordered", distinct_id=mark, properties={"amount": 12.5, "note": 'naïve "quotes" \\ 日本 😀'})
    client.capture("ordered", distinct_id=mark, properties={"amount": 7}, timestamp=when)
    client.set(distinct_id=mark, properties={"plan": "pro"})
    client.flush()
    client.shutdown()
    assert errors == []
    rows = await rows_within(
        hedgerow,
        "select properties.amount, properties.note, properties.$lib, timestamp, person.properties.plan "
        f"from events where distinct_id = '{mark}' and event = 'ordered' order by timestamp",
        2,
    )
    assert [float(row[0]) for row in rows] == [7.0, 12.5]
    assert rows[1][1] == 'naïve "quotes" \\ 日本 😀'
    assert rows[0][2] == "posthog-python"
    assert datetime.fromisoformat(rows[0][3]) == pytest.approx(when, abs=timedelta(seconds=2))


async def test_the_query_of_the_readme(hedgerow: Instance, mark: str) -> None:
    client = posthog.Posthog(hedgerow.info["project_api_key"], host=hedgerow.url)
    for person in range(3):
        for _ in range(2):
            client.capture("seen", distinct_id=f"{mark}-{person}", properties={"$browser": f"Browser {mark}"})
    client.shutdown()
    query = """
        select properties.$browser as browser, count() as event_count, count(distinct distinct_id) as unique_users
        from events where timestamp > now() - interval 7 day group by browser order by event_count desc
    """
    await rows_within(hedgerow, f"select uuid from events where properties.$browser = 'Browser {mark}'", 6)
    assert [f"Browser {mark}", 6, 3] in await hedgerow.query(query)
