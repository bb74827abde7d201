"""The one route table: which service answers which path.

The embedded dispatcher, compose and the ingress are made from it; a test proves that no path has two owners. The first
matching row wins only by being the most specific: rows are checked for overlap, not order.
"""

import re
from dataclasses import dataclass
from functools import cached_property

ANY = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class Route:
    """`path` is a literal with `{name}` for one segment; a trailing `/*` takes everything below. A trailing slash in a
    request is ignored."""

    path: str
    service: str
    methods: frozenset[str] = ANY

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled form."""
        base, below = (self.path[:-2], "(/.*)?") if self.path.endswith("/*") else (self.path, "")
        return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(base)) + below + "/?$")

    @property
    def literals(self) -> int:
        """How specific the row is: its literal segments, and one more for having no `/*`."""
        segments = [s for s in self.path.split("/") if s]
        return sum(2 for s in segments if not s.startswith("{") and s != "*") - self.path.endswith("/*")


CAPTURE_PATHS = ("/i/v0/e", "/e", "/capture", "/track", "/engage", "/batch")

ROUTES: tuple[Route, ...] = (
    *(Route(path, "capture") for path in CAPTURE_PATHS),
    *(Route(f"/api/{prefix}/{{id}}/query/*", "query") for prefix in ("projects", "environments")),
    Route("/*", "web"),
)


def service_of(path: str, method: str = "GET") -> str:
    """The owner of a path: the most specific row that matches."""
    matching = [route for route in ROUTES if method in route.methods and route.pattern.match(path)]
    return max(matching, key=lambda route: route.literals).service
