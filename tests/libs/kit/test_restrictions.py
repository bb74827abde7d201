"""Rules as PostHog writes them, old and new, and token lists."""

import json

import pytest

from libs.kit.restrictions import Restriction, listed, restrictions_in, together

EVENT = {"distinct_id": b"u", "event": b"a", "uuid": b"0190a1b2-0000-7000-8000-0000000000ab", "session_id": b"s"}


def rules(name: str, *entries: dict[str, object]) -> tuple[Restriction, ...]:
    found, wrong = restrictions_in(name, json.dumps(entries).encode())
    assert wrong == []
    return together(found).get(b"phc_t", ())


@pytest.mark.parametrize(
    ("filters", "applies"),
    [
        ({}, True),
        ({"distinct_ids": ["u", "v"]}, True),
        ({"distinct_ids": ["v"]}, False),
        ({"distinct_ids": ["u"], "event_names": ["b"]}, False),
        ({"distinct_ids": ["u"], "event_names": ["b", "a"]}, True),
        ({"session_ids": ["s"]}, True),
        ({"event_uuids": ["0190A1B2-0000-7000-8000-0000000000AB"]}, True),
        ({"event_uuids": ["0190a1b2-0000-7000-8000-0000000000ac"]}, False),
        ({"version": 2, "pipelines": ["session_recordings"]}, None),
        ({"version": 2, "pipelines": ["session_recordings", "analytics"]}, True),
        ({"version": 0, "distinct_id": "u"}, True),
        ({"event_name": "b"}, False),
    ],
)
def test_filters_are_all_of_each_kind_any(filters: dict[str, object], applies: bool | None) -> None:
    found = rules("drop_event_from_ingestion", {"token": "phc_t", **filters})
    assert [rule.applies(EVENT) for rule in found] == ([] if applies is None else [applies])


def test_an_event_without_a_session_matches_no_session() -> None:
    (rule,) = rules("redirect_to_dlq", {"token": "phc_t", "session_ids": ["s"]})
    assert not rule.applies({"distinct_id": b"u", "event": b"a", "uuid": b""})


@pytest.mark.parametrize("pipeline", ["analytics", "ai", "errortracking"])
def test_each_pipeline_has_rules_of_its_own(pipeline: str) -> None:
    """Those of one never touch what another one carries, and those of all or none touch everything."""
    events = {"analytics": b"a", "ai": b"$ai_generation", "errortracking": b"$exception"}
    for pipelines in ([pipeline], [pipeline, "session_recordings"]):
        (rule,) = rules("drop_event_from_ingestion", {"token": "phc_t", "version": 2, "pipelines": pipelines})
        assert {name for name, event in events.items() if rule.applies({**EVENT, "event": event})} == {pipeline}
    for everything in ([], list(events), None):
        (rule,) = rules("drop_event_from_ingestion", {"token": "phc_t", "pipelines": everything})
        assert all(rule.applies({**EVENT, "event": event}) for event in events.values())


@pytest.mark.parametrize("event", [b"$$heatmap", b"$$client_ingestion_warning"])
def test_heatmaps_and_warnings_are_exempt_but_not_from_token_lists(event: bytes) -> None:
    (rule,) = rules("drop_event_from_ingestion", {"token": "phc_t"})
    assert not rule.applies({**EVENT, "event": event})
    (one,) = listed("phc_t", "drop", "token_dropper")[b"phc_t"]
    assert one.applies({**EVENT, "event": event})


def test_a_slip_in_one_entry_leaves_the_others() -> None:
    text = json.dumps([{"token": 1}, {"token": "phc_t"}, {"tokens": "phc_t"}, 7]).encode()
    found, wrong = restrictions_in("drop_event_from_ingestion", text)
    assert (len(found[b"phc_t"]), len(wrong)) == (1, 3)
    assert restrictions_in("drop_event_from_ingestion", b"{")[1]


def test_redirects_go_to_topics_of_captured_events_only() -> None:
    entry = {"token": "phc_t", "topic": "events_plugin_ingestion_overflow"}
    assert rules("redirect_to_topic", entry)[0].topic == "events_plugin_ingestion_overflow"
    assert restrictions_in("redirect_to_topic", b'[{"token":"phc_t","topic":"clickhouse_events_json"}]')[1]


def test_the_topic_of_the_highest_index_counts_and_of_equal_ones_the_last() -> None:
    names = ["events_plugin_ingestion", "events_plugin_ingestion_overflow", "events_plugin_ingestion_historical"]
    entries = [{"token": "phc_t", "args": {"topic": name}} for name in names]
    assert rules("redirect_to_topic", *entries)[0].topic == names[2]
    assert rules("redirect_to_topic", *({**one, "index": -at} for at, one in enumerate(entries)))[0].topic == names[0]


def test_token_lists() -> None:
    found = listed(" a:u, v ;b:*;c;;d: ", "drop", "token_dropper")
    assert {token: rules[0].distinct_ids for token, rules in found.items()} == {
        b"a": {b"u", b"v"},
        b"b": frozenset(),
        b"c": frozenset(),
        b"d": frozenset(),
    }
