"""What a website's visitors send through posthog-js: page views, autocaptures, identifies and a few merges."""

import json
import random
from dataclasses import dataclass, field
from typing import Any

from libs.kit.contracts.topics import EVENTS
from libs.kit.eventlog import NewRecord, Record
from services.cdp.ingestion.properties import EVENT_TO_PERSON
from tests.support.captured import ARRIVED_MS, captured_new

IDENTIFIES = 0.10
MERGES = 0.01
_VERSIONS = {"Chrome": 130, "Firefox": 132, "Safari": 18}


@dataclass
class Mix:
    """Events of about 1.2 KB with 30 properties, of `people` visitors who keep their browser and screen.

    pairs: a visitor is merged with one and the same other. For long runs: merges at random, once they are half as many
    as visitors, make nearly all of them one person, and then each merge moves all of its distinct ids.
    """

    people: int = 100_000
    seed: int = 3
    pairs: bool = False
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def new(self, number: int) -> list[NewRecord]:
        """The next events, to produce."""
        return [self._event(index) for index in range(number)]

    def records(self, number: int) -> list[Record]:
        """The next events, as read from the log; offsets from 0."""
        return _read(self.new(number))

    def first_views(self) -> list[Record]:
        """A page view of everybody, as read from the log."""
        return _read([self._captured("$pageview", who, self._properties(who, who)) for who in range(self.people)])

    def visitor(self) -> int:
        """Somebody."""
        return self._rng.randrange(self.people)

    def person_properties(self) -> dict[str, Any]:
        """What ingestion keeps of somebody after a first page view."""
        kept = self._properties(0, 0)
        latest = {name: kept[name] for name in EVENT_TO_PERSON if name in kept}
        return latest | {f"$initial_{name.removeprefix('$')}": value for name, value in latest.items()}

    def _event(self, index: int) -> NewRecord:
        rng, visitor = self._rng, self.visitor()
        name = rng.choice(["$pageview", "$pageview", "$autocapture", "$pageleave", "signed up"])
        properties = self._properties(visitor, index)
        dice = rng.random()
        if dice < IDENTIFIES:
            name = "$identify"
            properties |= {"$anon_distinct_id": f"anonymous-{visitor}-{index}", "$set": {"plan": "free", "n": index}}
        elif dice < IDENTIFIES + MERGES:
            name = "$merge_dangerously"
            properties["alias"] = visitor_id(visitor ^ 1 if self.pairs else self.visitor())
        return self._captured(name, visitor, properties)

    def _captured(self, name: str, visitor: int, properties: dict[str, Any]) -> NewRecord:
        rng = self._rng
        return captured_new(
            event=name,
            distinct_id=visitor_id(visitor),
            timestamp=f"2026-10-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:11:{rng.randrange(60):02}.345Z",
            properties=json.dumps(properties, separators=(",", ":")),
        )

    def _properties(self, visitor: int, index: int) -> dict[str, Any]:
        rng = self._rng
        browser, version = list(_VERSIONS.items())[visitor % 3]
        path = f"/products/{rng.randrange(500)}"
        return {
            "$os": ["Mac OS X", "Windows", "Linux"][visitor % 3],
            "$os_version": "10.15.7",
            "$browser": browser,
            "$browser_version": version,
            "$browser_language": "en-US",
            "$device_type": "Desktop",
            "$current_url": f"https://shop.example.com{path}?q={rng.randrange(9)}",
            "$host": "shop.example.com",
            "$pathname": path,
            "$raw_user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
            "$screen_height": 1080,
            "$screen_width": 1920,
            "$viewport_height": 900 + visitor % 50,
            "$viewport_width": 1600 + visitor % 50,
            "$lib": "web",
            "$lib_version": "1.280.1",
            "$insert_id": f"{rng.getrandbits(64):016x}",
            "$time": 1_793_000_000.123 + index,
            "distinct_id": visitor_id(visitor),
            "$device_id": f"0192f5a0-3c1e-7000-8000-{visitor:012x}",
            "$referrer": "https://www.google.com/",
            "$referring_domain": "www.google.com",
            "$session_id": f"0192f5a0-3c1e-7aaa-8000-{index // 20:012x}",
            "$window_id": f"0192f5a0-3c1e-7bbb-8000-{index // 20:012x}",
            "$active_feature_flags": ["new-checkout", "dark-mode"],
            "title": f"Product {rng.randrange(500)}, in many colours",
            "amount": round(rng.random() * 100, 2),
            "currency": "EUR",
            "in_stock": True,
            "category": ["garden", "kitchen", "office"][index % 3],
        }


def _read(made: list[NewRecord]) -> list[Record]:
    return [Record(EVENTS.name, 0, at, new.key, new.value, new.headers, ARRIVED_MS) for at, new in enumerate(made)]


def visitor_id(visitor: int) -> str:
    return f"visitor-{visitor:06}@example.com"
