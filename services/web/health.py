"""What installers and probes ask, without a credential."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from libs.kit.runtime import Runtime

router = APIRouter()


@router.get("/_livez")
async def alive() -> Response:
    """200 while the loop runs: nothing else is asked, or one failing store would have every process killed."""
    return PlainTextResponse("ok")


@router.get("/_health")
@router.get("/_readyz")
async def ready(request: Request) -> Response:
    """200 when every part this process needs is ready, else 503 with each part's answer."""
    runtime: Runtime = request.app.state.runtime
    report = await runtime.health.report()
    if all(answer == "ok" for answer in report.values()):
        return PlainTextResponse("ok") if request.url.path == "/_health" else JSONResponse(report)
    return JSONResponse(report, status_code=503)


@router.get("/_preflight")
async def preflight(request: Request) -> dict[str, Any]:
    """Read by installers: which parts work, and whether somebody has signed up."""
    runtime: Runtime = request.app.state.runtime
    report = await runtime.health.report()

    def works(part: str) -> bool:
        return report.get(part) == "ok"

    initiated = works("postgres") and await runtime.postgres.fetch_one("SELECT 1 FROM posthog_organization LIMIT 1")
    return {
        "django": True,
        "redis": works("state"),
        "plugins": True,
        "celery": True,
        "clickhouse": works("clickhouse"),
        "kafka": works("log"),
        "db": works("postgres"),
        "initiated": bool(initiated),
        "cloud": False,
        "demo": False,
        "realm": "hosted-clickhouse",
        "available_social_auth_providers": {"github": False, "gitlab": False, "google-oauth2": False, "saml": False},
        "can_create_org": False,
        "email_service_available": False,
        "slack_service": {"available": False, "client_id": None},
        "object_storage": works("blobs"),
        "region": None,
        "site_url": runtime.settings.site_url,
        "instance_preferences": {"debug_queries": False, "disable_paid_fs": False},
    }
