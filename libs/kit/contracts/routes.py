"""The one route table: which service answers which path.

The embedded dispatcher, compose and the ingress are made from it; a test proves that no path has two owners. The
most specific matching row owns a path; the order of the rows means nothing.
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


#: Events in the v0 dialect; in the v1 dialect; and one AI event with its blobs.
CAPTURE_V0_PATHS = ("/i/v0/e", "/e", "/capture", "/track", "/engage", "/batch", "/i/v0/ai/batch")
CAPTURE_V1_PATHS = ("/i/v1/analytics/events", "/i/v1/ai/events")
CAPTURE_AI_PATH = "/i/v0/ai"
CAPTURE_BLACK_HOLE = "/test/black_hole"
CAPTURE_PATHS = (*CAPTURE_V0_PATHS, *CAPTURE_V1_PATHS, CAPTURE_AI_PATH, CAPTURE_BLACK_HOLE)

ROUTES: tuple[Route, ...] = (
    *(Route(path, "capture") for path in (*CAPTURE_PATHS, "/_liveness", "/_readiness", "/i/openapi.json")),
    *(Route(f"/api/{prefix}/{{id}}/query/*", "query") for prefix in ("projects", "environments")),
    Route("/*", "web"),
)


def service_of(path: str, method: str = "GET", routes: tuple[Route, ...] = ROUTES) -> str:
    """The owner of a path: the most specific row that matches. Raises LookupError when none does."""
    matching = [route for route in routes if method in route.methods and route.pattern.match(path)]
    if not matching:
        raise LookupError(path)
    return max(matching, key=lambda route: route.literals).service


def ambiguous(routes: tuple[Route, ...] = ROUTES) -> list[tuple[Route, Route]]:
    """Pairs of rows of two services that could both own one path equally well; must be empty.

    Two rows meet when, segment by segment, each is the other's literal or a placeholder, as far as the shorter one
    goes (a `/*` goes on for ever); they clash when neither is more specific.
    """
    return [
        (one, other)
        for index, one in enumerate(routes)
        for other in routes[index + 1 :]
        if one.service != other.service
        and one.methods & other.methods
        and one.literals == other.literals
        and _meet(one, other)
    ]


def _meet(one: Route, other: Route) -> bool:
    a, b = ([s for s in route.path.split("/") if s] for route in (one, other))
    for left, right in zip(a, b, strict=False):
        if "*" in (left, right):
            return True
        if left != right and not left.startswith("{") and not right.startswith("{"):
            return False
    rest = a[len(b) :] or b[len(a) :]
    return rest in ([], ["*"])
