"""AI events from the log to HogQL, through both workers and real engines."""

import json
import uuid
from datetime import timedelta
from typing import Any

from libs.hogql.compile import Project, compile_query
from libs.kit.clock import SystemClock
from libs.kit.contracts import topics
from libs.kit.eventlog import NewRecord
from libs.kit.runtime import Runtime
from tests.support.captured import captured_new
from tests.support.pipeline import QUICK_INGESTION, Workers, drained, prepare

SAID = [{"role": "user", "content": "hello"}]


def generation(days: float = 0, **more: Any) -> NewRecord:
    at = SystemClock().now() - timedelta(days=days)
    properties = {"$ai_trace_id": "t", "$ai_model": "m", "$ai_input_tokens": 3, "$ai_input": SAID, **more}
    return captured_new(
        event="$ai_generation", timestamp=at.isoformat(), properties=properties, uuid_=str(uuid.uuid4())
    )


async def asked(runtime: Runtime, text: str) -> list[list[Any]]:
    compiled = compile_query(text, Project(1, "UTC"))
    return [list(row) for row in (await runtime.clickhouse.query(compiled.sql, dict(compiled.values))).rows]


async def test_ai_events_answer_once_each(runtime: Runtime) -> None:
    await prepare(runtime)
    one, two, old = generation(), generation(**{"$ai_trace_id": "t2", "$ai_is_error": True}), generation(40)
    broken = NewRecord(b"k", b'{"uuid":"no"}')
    settings = QUICK_INGESTION.model_copy(update={"ai_stripped_teams": "1"})
    async with Workers(runtime, ingestion_settings=settings):
        await runtime.log.produce(topics.EVENTS.name, [one, two, old, captured_new(event="a")])
        await drained(runtime)
        # what is sent again is read again, and told again
        await runtime.log.produce(topics.EVENTS.name, [one, two])
        await runtime.log.produce(topics.AI_EVENTS.name, [broken])
        await drained(runtime)
    everything = "select trace_id, model, input_tokens, is_error, input.1.content from ai_events order by trace_id"
    assert await asked(runtime, everything) == [["t", "m", 3, 0, "hello"], ["t2", "m", 3, 1, "hello"]]
    some = "select count(), uniq(person.id) from posthog.ai_events where timestamp > now() - interval 1 day"
    assert await asked(runtime, some) == [[2, 1]]
    [[first]] = await asked(
        runtime,
        "select properties from events where properties.$ai_trace_id = 't' and timestamp > now() - interval 9 day",
    )
    assert "$ai_input" not in json.loads(first)
    [[rest]] = await asked(runtime, "select properties from ai_events where trace_id = 't'")
    assert json.loads(rest) == json.loads(first)
    async with runtime.log.tail(topics.DEAD_LETTERS.name, last=10) as tail:
        [dead] = await tail.fetch(max_records=10, timeout=1)
    assert (dead.value, dict(dead.headers)["dlq_reason"]) == (broken.value, b"failed_parse_message")
