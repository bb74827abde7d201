"""Sessions hold every stored event, also when an insert was cut off between the event and what the view makes of it."""

from libs.kit.contracts import topics
from libs.kit.runtime import Runtime
from tests.support.captured import captured_new
from tests.support.cdp_process import Forks
from tests.support.pipeline import Workers, drained, prepare, stored

SESSION = "0193f2f0-0000-7abc-9abc-000000000001"
PAGES = "SELECT uniqMerge(pageview_uniq), arraySort(groupUniqArrayArray(urls)) FROM raw_sessions GROUP BY session_id_v7"


async def test_what_a_view_lost_is_fed_again(runtime: Runtime) -> None:
    await prepare(runtime)
    visits = [
        captured_new(event="$pageview", properties={"$session_id": SESSION, "$current_url": f"/{page}"})
        for page in "ab"
    ]
    await runtime.log.produce(topics.EVENTS.name, visits)
    async with Forks(runtime.settings.model_copy(update={"log_lease_seconds": 1.1})) as forks:
        await forks.start(crash_at="writer.after_insert")
        await forks.ended()
    assert await stored(runtime) == (2, 2)
    await runtime.clickhouse.execute("TRUNCATE TABLE raw_sessions")
    async with Workers(runtime):
        await drained(runtime)
    assert await stored(runtime) == (2, 2)
    assert (await runtime.clickhouse.query(PAGES)).rows == [[2, ["/a", "/b"]]]
