"""Requests as PostHog's SDKs send them, for benchmarks: the shapes are those that tests/sdk sees from the real ones."""

import gzip
import json
import random
from datetime import UTC, datetime
from typing import Any

from services.capture.decision import Request
from services.capture.times import microseconds

NOW = datetime(2026, 11, 21, 12, 0, 0, 345_000, tzinfo=UTC)
TOKEN = "phc_bench0123456789abcdefghijklmnopqrstuvwxyzAB"
WORDS = "reports billing team settings insights dashboard cohorts funnel retention events persons export".split()
BROWSER = {
    b"host": b"events.example.com", b"connection": b"keep-alive", b"accept": b"*/*", b"content-type": b"text/plain",
    b"user-agent": b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)",
    b"accept-encoding": b"gzip, deflate, br, zstd", b"accept-language": b"en-US,en;q=0.9",
    b"origin": b"https://app.example.com", b"referer": b"https://app.example.com/",
}  # fmt: skip
V1 = {
    b"authorization": b"Bearer " + TOKEN.encode(), b"content-type": b"application/json",
    b"user-agent": b"posthog-node/5.1",
    b"posthog-sdk-info": b"posthog-node/5.1", b"posthog-attempt": b"1", b"content-encoding": b"gzip",
    b"posthog-request-id": b"0190a1b2-0000-4000-8000-000000000001",
    b"posthog-request-timestamp": b"2026-11-21T12:00:00.100Z",
}  # fmt: skip


class Sdks:
    """Requests by name. A browser is one visitor's, a server speaks of many; pages and numbers differ in both."""

    def __init__(self, seed: int = 5):
        self._rng = random.Random(seed)
        self._visitor = {name: self._uuid() for name in ("distinct_id", "$device_id", "$session_id", "$window_id")}

    def requests(self) -> dict[str, tuple[Request, int]]:
        """What is sent, and how many events are in it."""
        pages = [self.page(number) for number in range(50)]
        later = [self.page(number) | {"properties": self.later_page(number)} for number in range(50)]
        clicks = [self.click(number, heatmap=False) for number in range(50)]
        mapped = [self.click(number, heatmap=True) for number in range(50)]
        return {
            "js, first page view": (self.browser([self.page(1)]), 1),
            "js, next page view": (self.browser([self.page(1) | {"properties": self.later_page(1)}]), 1),
            "js, 50 first views": (self.browser(pages), 50),
            "js, 50 next views": (self.browser(later), 50),
            "js, 50 autocaptures": (self.browser(clicks), 50),
            "js, 50 with clicks": (self.browser(mapped), 50),
            "node, 50": (self.node([self.server_event(number) for number in range(50)]), 50),
            "python, 50": (self.python([self.server_event(number) for number in range(50)]), 50),
            "node v1, 50": (self.v1([self.server_event(number) for number in range(50)]), 50),
        }

    def browser(self, events: list[dict[str, Any]]) -> Request:
        """posthog-js: an array, gzipped, said to be plain text."""
        query = b"compression=gzip-js&ip=0&_=1795262400123&ver=1.280.1"
        return _request("/e/", query, BROWSER, _compact(events))

    def node(self, events: list[dict[str, Any]]) -> Request:
        """posthog-node."""
        headers = {
            b"content-type": b"application/json",
            b"content-encoding": b"gzip",
            b"user-agent": b"posthog-node/4.2",
        }
        sent = [event | {"type": "capture", "library": "posthog-node", "library_version": "4.2.0"} for event in events]
        body = {"api_key": TOKEN, "batch": sent, "sent_at": "2026-11-21T12:00:00.100Z"}
        return _request("/batch/", b"", headers, _compact(body))

    def python(self, events: list[dict[str, Any]]) -> Request:
        """posthog-python: json.dumps with its blanks and escapes."""
        headers = {b"content-type": b"application/json", b"content-encoding": b"gzip", b"user-agent": b"python/7.9"}
        for event in events:
            event["timestamp"] = event["timestamp"].replace("Z", "000+00:00")
        body = {
            "batch": events,
            "historical_migration": False,
            "sentAt": "2026-11-21T12:00:00.1+00:00",
            "api_key": TOKEN,
        }
        return _request("/batch/", b"", headers, json.dumps(body).encode())

    def v1(self, events: list[dict[str, Any]]) -> Request:
        """posthog-node in the v1 dialect."""
        sent = [event | {"options": {"process_person_profile": True}} for event in events]
        body = {"created_at": "2026-11-21T12:00:00.100Z", "batch": sent}
        return _request("/i/v1/analytics/events", b"", V1, _compact(body))

    def page(self, number: int) -> dict[str, Any]:
        """A visitor's first page view."""
        return {
            "uuid": self._uuid(), "event": "$pageview", "properties": self._page_properties(number),
            "offset": self._rng.randrange(3_000),
        }  # fmt: skip

    def later_page(self, number: int) -> dict[str, Any]:
        """Properties of a page view that tells how far the page before was read."""
        scrolled = self._rng.random()
        return self._page_properties(number) | {
            "$prev_pageview_id": self._uuid(), "$prev_pageview_pathname": f"/{self._word()}/{number}",
            "$prev_pageview_duration": self._rng.randrange(90_000) / 1000, "$prev_pageview_last_scroll": 812,
            "$prev_pageview_last_scroll_percentage": scrolled, "$prev_pageview_max_scroll": 1633,
            "$prev_pageview_max_scroll_percentage": scrolled, "$prev_pageview_last_content": 1804,
        }  # fmt: skip

    def click(self, number: int, *, heatmap: bool) -> dict[str, Any]:
        """An autocapture, with or without clicks for the heatmap."""
        properties = self._page_properties(number) | {
            "$event_type": "click", "$ce_version": 1,
            "$elements_chain": f'a.btn-{self._word()}:nth-child="{number}"nth-of-type="1"text="{self._word()}";div',
        }  # fmt: skip
        if heatmap:
            points = [
                {"x": self._rng.randrange(1728), "y": self._rng.randrange(900), "type": "click"} for _ in range(3)
            ]
            properties["$heatmap_data"] = {properties["$current_url"]: points}
        return {"uuid": self._uuid(), "event": "$autocapture", "properties": properties, "offset": 1200 + number}

    def server_event(self, number: int) -> dict[str, Any]:
        """What a backend says of one of its customers."""
        properties = {f"{self._word()}_{index}": self._value() for index in range(28)}
        return {
            "event": f"{self._word()} {self._word()}", "distinct_id": self._uuid(), "uuid": self._uuid(),
            "timestamp": f"2026-11-21T11:59:{number % 60:02}.{self._rng.randrange(1000):03}Z",
            "properties": properties | {"$lib": "posthog-node", "$lib_version": "4.2.0", "$geoip_disable": True},
        }  # fmt: skip

    def _value(self) -> Any:
        kind = self._rng.randrange(4)
        if kind == 0:
            return self._rng.randrange(100_000)
        return " ".join(self._word() for _ in range(kind + 1)) if kind < 3 else self._uuid()

    def _page_properties(self, number: int) -> dict[str, Any]:
        path = f"/{self._word()}/{self._rng.randrange(10_000)}"
        return {
            "$os": "Mac OS X", "$os_version": "10.15.7", "$browser": "Chrome", "$device_type": "Desktop",
            "$current_url": f"https://app.example.com{path}?utm_source={self._word()}", "$host": "app.example.com",
            "$pathname": path, "$browser_version": 131, "$browser_language": "en-US", "$screen_height": 1117,
            "$screen_width": 1728, "$viewport_height": 992, "$viewport_width": 1728, "$lib": "web",
            "$lib_version": "1.280.1", "$insert_id": f"{self._rng.getrandbits(60):x}",
            "$time": 1_795_262_000.1 + number,
            "$referrer": "$direct",
            "$initial_person_info": {"r": "$direct", "u": f"https://app.example.com/{self._word()}"},
            "plan": self._word(), "title": f"{self._word()} of {self._word()} and {self._word()}",
            "count": self._rng.randrange(100_000), "token": TOKEN, "$pageview_id": self._uuid(),
            **self._visitor,
        }  # fmt: skip

    def _word(self) -> str:
        return self._rng.choice(WORDS)

    def _uuid(self) -> str:
        text = f"{self._rng.getrandbits(80):020x}"
        return f"0190a1b2-{text[:4]}-7{text[4:7]}-8{text[7:10]}-{text[8:20]}"


def _compact(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _request(path: str, query: bytes, headers: dict[bytes, bytes], text: bytes) -> Request:
    return Request("POST", path, query, headers, gzip.compress(text, 6, mtime=0), "203.0.113.9", microseconds(NOW))
