"""HTML: the SQL page."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.web.pages import render, signed_in

router = APIRouter(include_in_schema=False)

SAMPLES = (
    (
        "Browsers this week",
        "select properties.$browser as browser, count() as event_count, count(distinct distinct_id) as unique_users\n"
        "from events where timestamp > now() - interval 7 day group by browser order by event_count desc",
    ),
    (
        "Events by name",
        "select event, count() as events, count(distinct person_id) as people\nfrom events\n"
        "where timestamp > now() - interval 30 day\ngroup by event\norder by events desc\nlimit 50",
    ),
    (
        "Events per day",
        "select toStartOfDay(timestamp) as day, count() as events, count(distinct distinct_id) as unique_users\n"
        "from events\nwhere timestamp > now() - interval 30 day\ngroup by day\norder by day",
    ),
    (
        "Newest events",
        "select timestamp, event, distinct_id, properties.$current_url as url\nfrom events\n"
        "where timestamp > now() - interval 1 day\norder by timestamp desc\nlimit 100",
    ),
)


@router.get("/project/{project_id}/sql")
async def sql_page(request: Request, project_id: str) -> Response:
    """An editor and its results."""
    return render(request, "sql/sql.html", await signed_in(request, project_id), samples=SAMPLES)
