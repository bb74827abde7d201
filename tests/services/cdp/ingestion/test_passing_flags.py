"""`$feature_flag_called` of somebody without a person, in projects that want none for it."""

from typing import Any

import pytest

from services.cdp.ingestion.persons import person_uuid
from services.cdp.ingestion.team_lists import Listed, TeamList
from tests.support.ingested import Ingested

FLAG = "$feature_flag_called"
WANTED = Listed(flags_personless=TeamList.of("1"))


def mode(ingested: Ingested, event: str = FLAG, **properties: Any) -> str:
    row = ingested.event(event, properties=properties)
    assert row is not None
    found: str = row["person_mode"]
    return found


@pytest.mark.parametrize(
    ("listed", "event", "properties", "expected"),
    [
        (WANTED, FLAG, {}, "propertyless"),
        (WANTED, FLAG, {"$set": {"a": 1}, "$browser": "Chrome"}, "propertyless"),
        (WANTED, FLAG, {"$process_person_profile": False}, "propertyless"),
        (WANTED, FLAG, {"$process_person_profile": "true"}, "propertyless"),
        (WANTED, FLAG, {"$groups": {}}, "propertyless"),
        (WANTED, FLAG, {"$groups": "acme"}, "propertyless"),
        (WANTED, FLAG, {"$groups": {"company": "acme"}}, "full"),
        (WANTED, FLAG, {"$process_person_profile": True}, "full"),
        (WANTED, "a", {}, "full"),
        (Listed(flags_personless=TeamList.of("2")), FLAG, {}, "full"),
        (Listed(), FLAG, {}, "full"),
    ],
)
def test_who_gets_a_person(listed: Listed, event: str, properties: dict[str, Any], expected: str) -> None:
    ingested = Ingested(listed=listed)
    assert mode(ingested, event, **properties) == expected
    assert (ingested.person() is None) == (expected == "propertyless")


def test_who_has_a_person_keeps_it() -> None:
    ingested = Ingested(listed=WANTED)
    assert mode(ingested, "a") == "full"
    assert mode(ingested, **{"$set": {"asked": 1}}) == "full"
    assert (ingested.person() or {})["asked"] == 1


def test_the_row_is_one_of_a_personless_event() -> None:
    ingested = Ingested(listed=WANTED)
    row = ingested.event(FLAG, "u", properties={"$set": {"a": 1}, "$feature_flag": "f"})
    assert row is not None
    assert (row["person_id"], row["person_properties"]) == (str(person_uuid(1, "u")), {})
    assert row["properties"]["$process_person_profile"] is False
    assert "$set" not in row["properties"]
    assert ingested.warnings == []
    # and whoever becomes somebody later is known to have been met
    ingested.event("$identify", "known", properties={"$anon_distinct_id": "u"})
    assert ingested.link("u")[0] == ingested.link("known")[0] == person_uuid(1, "u")
