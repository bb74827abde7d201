"""JSON API: the parts of large AI events, as they were sent. The path is our own: PostHog signs addresses of S3."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from libs.kit.access.access import Authorised
from libs.kit.access.dependencies import authorised
from libs.kit.contracts.ai_blobs import part_in
from libs.kit.errors import InvalidRequest, NotFound
from libs.kit.runtime import Runtime
from services.web.ai_blobs.repository import ReferenceRepository

router = APIRouter()

CanRead = Annotated[Authorised, Depends(authorised("query:read"))]
# What browsers do nothing with. Senders may claim anything.
_HARMLESS = ("application/json", "text/plain")
_ANY_BYTES = "application/octet-stream"


@router.get("/api/projects/{project_id}/events/{uuid}/ai_blob")
@router.get("/api/environments/{project_id}/events/{uuid}/ai_blob")
async def ai_blob(
    request: Request, allowed: CanRead, uuid: str, name: Annotated[str, Query(alias="property")] = ""
) -> Response:
    """The value of an AI event's property that is kept apart (`s3://...` in the event), with its type and coding."""
    try:
        wanted = str(UUID(uuid))
    except ValueError as exc:
        raise InvalidRequest("Must be a valid UUID.", attr="uuid") from exc
    runtime: Runtime = request.app.state.runtime
    where = await ReferenceRepository(runtime.clickhouse).of_event(allowed.team.id, wanted, name)
    if where is None:
        raise NotFound("No AI event of this project with this uuid keeps this property apart.")
    part = part_in(await runtime.blobs.get(where.key, start=where.start, length=where.length))
    if part is None:
        raise NotFound("What is stored there is not this property.")
    kind = part.kind.partition(";")[0].strip().lower()
    headers = {"Content-Disposition": "attachment", "Cache-Control": "private, no-store"}
    if part.coding == "gzip":
        headers["Content-Encoding"] = "gzip"
    return Response(part.body, media_type=kind if kind in _HARMLESS else _ANY_BYTES, headers=headers)
