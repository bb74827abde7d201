"""Rows of two teams for the tables beside events. The other team's go by the same ids and keys as the first's, under
higher versions: whatever forgets whose row it reads takes theirs."""

import json
from collections.abc import Iterator
from typing import Any

SESSION = "018f336f-ab00-7000-8000-000000000001"  # began 2024-05-01 10:00
_PERSON = "01890000-0000-0000-0000-00000000000{}"
_BOOK = {"_timestamp": "2024-05-01 10:00:00", "_offset": 0, "_partition": 0}
_AT = "2024-05-01 10:00:00"
# where a table forgets what is old
_KEPT = "2099-05-01 10:00:00"


def tables_of(team: int, other: int, mark: str) -> dict[str, list[dict[str, Any]]]:
    """The rows by table. Persons of the first team: 0 and 1 as they are, 2 merged into 3, 4 deleted."""
    return {
        "person": [
            *[_person(team, number, 0, {"email": f"old{number}@x.org", "plan": "old"}) for number in range(5)],
            *[
                _person(team, number, 1, {"email": f"p{number}@x.org", "age": 20 + number, "address": {"city": "Rome"}})
                for number in range(4)
            ],
            _person(team, 4, 2, {}, is_deleted=1),
            *[_person(other, number, 99, {"email": mark, "plan": mark}) for number in range(5)],
        ],
        "person_distinct_id2": [
            *[_distinct_id(team, f"user{number}", number, 0) for number in range(3)],
            _distinct_id(team, "user2", 3, 1),
            _distinct_id(team, "gone", 4, 0),
            _distinct_id(team, "gone", 4, 1, is_deleted=1),
            *[_distinct_id(other, f"user{number}", 9, 99) for number in range(3)],
            _distinct_id(other, mark, 9, 0),
        ],
        "person_distinct_id_overrides": [
            _distinct_id(team, "user2", 3, 1),
            _distinct_id(other, "user0", 9, 99),
            _distinct_id(other, "user2", 9, 99),
        ],
        "groups": [
            _group(team, 0, "acme", 0, {"name": "Acme (old)"}),
            _group(team, 0, "acme", 1, {"name": "Acme", "size": 7}),
            _group(team, 0, "initech", 0, {"name": "Initech"}),
            _group(team, 1, "acme", 0, {"name": "another type"}),
            _group(other, 0, "acme", 99, {"name": mark}),
        ],
        "cohortpeople": [
            _member(team, 5, 0, 1), _member(team, 5, 1, 1),  # as it was calculated first
            _member(team, 5, 1, 2), _member(team, 5, 3, 2), _member(team, 5, 0, 2), _member(team, 5, 0, 2, sign=-1),
            *[_member(other, 5, number, 9) for number in (0, 2, 9)],
        ],
        "person_static_cohort": [
            {"id": _PERSON.format(0), "person_id": _PERSON.format(0), "cohort_id": 6, "team_id": team, **_BOOK},
            {"id": _PERSON.format(1), "person_id": _PERSON.format(1), "cohort_id": 6, "team_id": other, **_BOOK},
            {"id": _PERSON.format(9), "person_id": _PERSON.format(9), "cohort_id": 6, "team_id": other, **_BOOK},
        ],
        "heatmaps": [_heatmap(team, "https://x.org/"), _heatmap(team, "https://x.org/"), _heatmap(other, mark)],
        "ai_events": [_ai_event(team, 1, "t1"), _ai_event(team, 1, "t1"), _ai_event(team, 2, "t1"),
                      _ai_event(team, 3, "t2", error=None), _ai_event(other, 1, "t1", model=mark, input=mark)],
        "app_metrics2": [_metric(team, "a"), _metric(team, "a"), _metric(other, mark)],
        "log_entries": [_log(team, "hello"), _log(other, mark)],
        "logs": [{"team_id": team, "body": "hello", "timestamp": _KEPT, "attributes": json.dumps({"a": {"b": 1}})},
                 {"team_id": other, "body": mark, "timestamp": _KEPT, "attributes": json.dumps({"a": {"b": mark}})}],
        "query_log_archive": [
            {"team_id": of, "event_date": "2099-05-01", "event_time": _KEPT, "query": text,
             "kind": "HogQLQuery"}
            for of, text in ((team, "select 1"), (other, mark))
        ],
        "document_embeddings": [
            {"team_id": of, "document_id": "d", "timestamp": _KEPT, "inserted_at": _AT, "content": text}
            for of, text in ((team, "text"), (other, mark))
        ],
        "error_tracking_issue_fingerprint_overrides": [
            {"team_id": of, "fingerprint": "f", "issue_id": _PERSON.format(number), "is_deleted": 0, "version": number}
            for of, number in ((team, 1), (other, 9))
        ],
    }  # fmt: skip


def recordings(team: int, other: int, mark: str) -> Iterator[str]:
    """Statements that insert a recording of each, in two batches."""
    for of, url in ((team, "https://x.org/"), (team, "https://x.org/next"), (other, f"https://{mark}.org/")):
        distinct_id = "user1" if of == team else mark
        yield (
            "INSERT INTO session_replay_events (session_id, team_id, distinct_id, min_first_timestamp, "
            "max_last_timestamp, first_url, all_urls, click_count, snapshot_source) "
            f"SELECT '{SESSION}', {of}, '{distinct_id}', toDateTime64('{_KEPT}', 6, 'UTC'), "
            f"toDateTime64('{_KEPT}', 6, 'UTC') + {len(url)}, "
            f"argMinState(toNullable('{url}'), toDateTime64('{_KEPT}', 6, 'UTC') + {len(url)}), ['{url}'], 2, "
            f"argMinState(toNullable('web'), toDateTime64('{_KEPT}', 6, 'UTC'))"
        )


def _person(team: int, number: int, version: int, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": _PERSON.format(number), "created_at": "2024-01-01 00:00:00", "team_id": team, "properties": properties,
        "properties_raw": json.dumps(properties), "is_identified": 1, "is_deleted": 0, "version": version,
        "last_seen_at": None if version else _AT, **_BOOK, **more,
    }  # fmt: skip


def _distinct_id(team: int, distinct_id: str, person: int, version: int, is_deleted: int = 0) -> dict[str, Any]:
    return {
        "team_id": team, "distinct_id": distinct_id, "person_id": _PERSON.format(person), "version": version,
        "is_deleted": is_deleted, **_BOOK,
    }  # fmt: skip


def _group(team: int, index: int, key: str, version: int, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "group_type_index": index, "group_key": key, "created_at": _AT, "team_id": team, "group_properties": properties,
        "group_properties_raw": json.dumps(properties), "version": version, **_BOOK,
    }  # fmt: skip


def _member(team: int, cohort: int, person: int, version: int, sign: int = 1) -> dict[str, Any]:
    return {
        "person_id": _PERSON.format(person), "cohort_id": cohort, "team_id": team, "sign": sign, "version": version
    }  # fmt: skip


def _heatmap(team: int, url: str) -> dict[str, Any]:
    return {
        "session_id": SESSION, "team_id": team, "distinct_id": "user1", "timestamp": _KEPT,
        "x": 1, "y": 2,
        "scale_factor": 16, "viewport_width": 80, "viewport_height": 60, "pointer_target_fixed": True,
        "current_url": url, "type": "click", "uuid": _PERSON.format(team), "item": 0, **_BOOK,
    }  # fmt: skip


def _ai_event(team: int, number: int, trace: str, **more: Any) -> dict[str, Any]:
    return {
        "uuid": _PERSON.format(number), "event": "$ai_generation", "timestamp": f"2099-05-01 10:00:0{number}",
        "team_id": team, "distinct_id": "user1", "person_id": _PERSON.format(1),
        "properties": json.dumps({"n": number}),
        "trace_id": trace, "model": "m", "input_tokens": number, "total_cost_usd": number / 4, "is_error": 1,
        "error": "e", "input": json.dumps([{"role": "user", "content": f"hello {number}"}]), **_BOOK,
        "_timestamp": _KEPT, **more,
    }  # fmt: skip


def _metric(team: int, name: str) -> dict[str, Any]:
    return {
        "team_id": team, "timestamp": _KEPT, "app_source": "s", "app_source_id": "1", "instance_id": "",
        "metric_kind": "success", "metric_name": name, "count": 3, **_BOOK,
    }  # fmt: skip


def _log(team: int, message: str) -> dict[str, Any]:
    return {
        "team_id": team, "log_source": "session_replay", "log_source_id": SESSION, "instance_id": "",
        "timestamp": _KEPT, "level": "info", "message": message, **_BOOK,
    }  # fmt: skip
