"""HTML: the live page. Its rows are made in the browser, from the stream."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.web.pages import render, signed_in

router = APIRouter(include_in_schema=False)


@router.get("/project/{project_id}/activity/live")
async def live_page(request: Request, project_id: str) -> Response:
    """Events as they arrive."""
    return render(request, "live/live.html", await signed_in(request, project_id))
