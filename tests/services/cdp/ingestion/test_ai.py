import json
from pathlib import Path
from typing import Any

import pytest

from libs.kit.contracts.ai_events import NAMES
from libs.kit.contracts.topics import AI_EVENTS
from services.cdp.ingestion.ai import Price, Prices, prices, with_ai
from services.cdp.ingestion.team_lists import Listed, TeamList
from services.cdp.raw_json import encode, object_of
from services.cdp.settings import IngestionSettings
from tests.support.ingested import Ingested

TABLE = Prices(
    {
        "openai/gpt-x": Price(input=2e-6, output=8e-6, cache_read=5e-7),
        "anthropic/claude-x": Price(input=3e-6, output=15e-6, cache_read=3e-7, cache_write=3.75e-6),
        "elsewhere/gpt-x": Price(input=1.0),
    }
)


def told(event: str = "$ai_generation", **said: Any) -> tuple[dict[str, Any], list[str]]:
    properties = object_of(bytes(encode({f"$ai_{name}": value for name, value in said.items()})))
    assert properties is not None
    warnings = with_ai(event, properties, TABLE)
    return {name.removeprefix("$ai_"): json.loads(bytes(raw)) for name, raw in properties.items()}, warnings


def costs(**said: Any) -> tuple[Any, ...]:
    found, _ = told(**said)
    return tuple(found.get(f"{part}_cost_usd") for part in ("input", "output", "total"))


def test_ids_are_text_and_objects_none() -> None:
    said = {"trace_id": 5, "parent_id": True, "span_id": "s", "generation_id": {"a": 1}, "session_id": None}
    expected = {"trace_id": "5", "parent_id": "true", "span_id": "s", "session_id": None}
    assert told("$ai_span", **said) == (expected, [])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"model": "gpt-x", "input_tokens": 1000, "output_tokens": 100}, (0.002, 0.0008, 0.0028)),
        ({"model": "openai/gpt-x-2026-01-31", "input_tokens": "1000"}, (0.002, 0.0, 0.002)),
        # among the input tokens, or beside them
        ({"model": "gpt-x", "input_tokens": 1000, "cache_read_input_tokens": 400}, (0.0014, 0.0, 0.0014)),
        (
            {
                "model": "claude-x",
                "input_tokens": 1000,
                "cache_read_input_tokens": 400,
                "cache_creation_input_tokens": 100,
            },
            (0.003495, 0.0, 0.003495),
        ),
        ({"model": "gpt-x", "provider": "elsewhere", "input_tokens": 2}, (2.0, 0.0, 2.0)),
        ({"model": "unheard of", "input_tokens": 1000}, (None, None, None)),
        ({"input_tokens": 1000}, (None, None, None)),
        ({"model": 5, "input_tokens": 1000}, (None, None, None)),
        (
            {"input_token_price": 0.5, "output_token_price": "2", "input_tokens": 2, "output_tokens": 3},
            (1.0, 6.0, 7.0),
        ),
        ({"model": "gpt-x", "input_cost_usd": 1, "output_cost_usd": 2}, (1, 2, 3.0)),
        ({"model": "gpt-x", "input_cost_usd": 1, "output_tokens": 1000}, (1, 0.008, 1.008)),
        ({"model": "gpt-x", "total_cost_usd": 9, "input_tokens": 1000}, (0.002, 0.0, 9)),
    ],
)
def test_what_a_generation_costs(said: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert costs(**said) == expected


def test_where_a_price_came_from() -> None:
    found, _ = told(model="gpt-x-latest", input_tokens=1)
    assert (found["model_cost_used"], found["cost_model_source"], found["cost_model_provider"]) == (
        "gpt-x",
        "list",
        "openai",
    )
    found, _ = told(input_token_price=1, output_token_price=1)
    assert found["cost_model_source"] == "custom"


def test_only_generations_and_embeddings_cost() -> None:
    assert told("$ai_trace", model="gpt-x", input_tokens=1) == ({"model": "gpt-x", "input_tokens": 1}, [])
    assert told("a", model="gpt-x", trace_id=5) == ({"model": "gpt-x", "trace_id": 5}, [])


@pytest.mark.parametrize("tokens", ["many", True, {"a": 1}, [1], "NaN"])
def test_counts_that_are_none(tokens: Any) -> None:
    found, warnings = told(model="gpt-x", input_tokens=tokens, output_tokens=None)
    assert (found["input_tokens"], found["input_cost_usd"]) == (None, 0.0)
    assert warnings == ["invalid_ai_token_property"]


def test_model_parameters() -> None:
    found, _ = told(model_parameters={"temperature": 0.5, "stream": True, "max_completion_tokens": 7})
    assert (found["temperature"], found["stream"], found["max_tokens"]) == (0.5, True, 7)
    assert "temperature" not in told(model_parameters="all")[0]


@pytest.mark.parametrize(
    "error",
    [
        "Request req_0123456789ab failed after 31 s",
        {"message": "Request req_abcdefghij failed after 7 s"},
        {"error": {"message": "Request  req_0000000000 failed after 1.5 s"}},
    ],
)
def test_one_error_is_one_text(error: Any) -> None:
    found, _ = told("$ai_span", is_error=True, error=error)
    assert found["error_normalized"] == "Request <ID> failed after <N> s"
    assert "error_normalized" not in told("$ai_span", is_error=False, error=error)[0]


def test_the_list_that_we_ship_and_an_operators(tmp_path: Path) -> None:
    shipped = prices(None)
    found = shipped.of("gpt-4o-mini-2024-07-18", None)
    assert found is not None
    assert found[:2] == ("openai", "gpt-4o-mini")
    assert all(0 <= price.input < 1e-3 and 0 <= price.output < 1e-3 for price in shipped.by_model.values())
    path = tmp_path / "prices.json"
    path.write_text('{"ours/model": {"input": 1e-06}}')
    assert prices(path).by_model == {"ours/model": Price(input=1e-6)}
    path = tmp_path / "broken.json"
    path.write_text('{"ours/model": {}}')
    with pytest.raises(ValueError, match="input"):
        prices(path)


LARGE = {"$ai_input": [{"role": "user"}], "$ai_output_choices": "said", "$ai_tools": None}
ELSEWHERE = f"s3://bucket/llma/{'0' * 16}/0190a1b2-0000-7000-8000-000000000001/{'0' * 32}?range=1-2"
STRIPPED = Listed(stripped=TeamList.of("7,1"))


def both(ingested: Ingested, event: str, **properties: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The properties in `events` and in `ai_events`."""
    row = ingested.event(event, properties=properties)
    [whole] = ingested.plan.updates[AI_EVENTS.name]
    [beside] = ingested.plan.rows
    assert row is not None
    assert (whole.key, whole.headers) == (beside.key, beside.headers)
    assert ("productTrack", b"llma") in whole.headers
    said = json.loads(whole.value)
    assert {**said, "properties": {}} == {**row, "properties": {}}
    return row["properties"], said["properties"]


@pytest.mark.parametrize("event", sorted(NAMES))
def test_an_ai_event_goes_into_the_log_twice(event: str) -> None:
    light, whole = both(Ingested(), event, a=1, **LARGE)
    assert light == whole
    assert {**LARGE, "a": 1}.items() <= whole.items()


def test_some_projects_keep_large_properties_out_of_events() -> None:
    light, whole = both(Ingested(listed=STRIPPED), "$ai_generation", a=1, **LARGE, **{"$ai_output": ELSEWHERE})
    assert {**LARGE, "a": 1, "$ai_output": ELSEWHERE}.items() <= whole.items()
    # what leads to a blob stays where deletions look for it
    assert light == {name: value for name, value in whole.items() if name not in LARGE}
    long = f"s3://{'x' * 600}"
    light, whole = both(Ingested(listed=STRIPPED), "$ai_generation", **{"$ai_output": long})
    assert (light.get("$ai_output"), whole["$ai_output"]) == (None, long)
    light, whole = both(Ingested(listed=Listed(stripped=TeamList.of("7"))), "$ai_generation", **LARGE)
    assert light == whole


@pytest.mark.parametrize("event", ["a", "$ai", "$ai_", "$ai_something", "$AI_trace"])
def test_other_events_go_once_and_whole(event: str) -> None:
    ingested = Ingested(listed=Listed(stripped=TeamList.of("*")))
    row = ingested.event(event, properties=LARGE)
    assert row is not None
    assert LARGE.items() <= row["properties"].items()
    assert not ingested.plan.updates[AI_EVENTS.name]
    assert "productTrack" not in dict(ingested.plan.rows[0].headers)


@pytest.mark.parametrize(("text", "has"), [("", []), ("*", [1, 2]), ("1", [1]), ("2,1", [1, 2])])
def test_team_lists(text: str, has: list[int]) -> None:
    assert [team for team in (1, 2) if team in TeamList.of(text)] == has
    assert IngestionSettings(ai_stripped_teams=text).ai_stripped_teams == text


@pytest.mark.parametrize("text", ["x", "1,", ",", "1 ,2", "*,1", "-1", "1" * 19])
def test_team_lists_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="ai_stripped_teams"):
        IngestionSettings(ai_stripped_teams=text)
