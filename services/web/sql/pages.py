"""HTML: the SQL page."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from libs.kit.access.csrf import CSRF_FIELD
from libs.kit.clients import QueryClient
from libs.kit.errors import HedgerowError
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


def query_client(request: Request) -> QueryClient:
    """The query service, wherever it runs."""
    return QueryClient(request.app.state.runtime.services)


@router.get("/project/{project_id}/sql")
async def sql_page(request: Request, project_id: str) -> Response:
    """An editor and its results."""
    frame = await signed_in(request, project_id)
    return render(request, "sql/sql.html", frame, samples=SAMPLES, text=SAMPLES[0][1], answer=None, error=None)


@router.post("/project/{project_id}/sql")
async def sql_form(
    request: Request,
    project_id: str,
    query: Annotated[str, Form()] = "",
    token: Annotated[str, Form(alias=CSRF_FIELD)] = "",
) -> Response:
    """The same without JavaScript: the form is sent, the page comes back with the rows or the refusal."""
    frame = await signed_in(request, project_id, form_token=token)
    answer, error = None, None
    try:
        credentials = {**request.headers, "x-csrftoken": token}
        answer = await query_client(request).hogql(frame.team.id, query, credentials=credentials)
    except HedgerowError as exc:
        error = exc
    status = error.status if error else 200
    return render(
        request, "sql/sql.html", frame, status=status, samples=SAMPLES, text=query, answer=answer, error=error
    )
