"""What SDKs fetch: posthog-js bundles, remote configuration, and flags. Read by pages of any site, so CORS is open.

`/flags` and `/decide` answer "no flags, no error" here until the flags service takes these paths: no project can have
a flag yet, so that is the truth, whoever asks.
"""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from libs.kit.access.model import Team
from libs.kit.errors import NotFound, ParseError, Unavailable
from services.web.projects.routes import Projects
from services.web.sdk.config import base_config, config_script, is_token, no_flags, remote_config

router = APIRouter(include_in_schema=False)

OWN_FILES = {path.name: path for path in (Path(__file__).parents[1] / "static").glob("*.*")}
VENDORED = frozenset({"htmx.min.js"})

# The lazy bundles of posthog-js, and the snippet's own. Only these names are served, whatever lies in the directory.
BUNDLES = frozenset(
    {
        "array", "array.full", "array.full.es5", "array.no-external", "conversations", "crisp-chat-integration",
        "customizations.full", "dead-clicks-autocapture", "exception-autocapture", "intercom-integration",
        "lazy-recorder", "logs", "posthog-recorder", "product-tours", "recorder", "recorder-v2", "surveys",
        "surveys-preview", "tracing-headers", "web-vitals", "web-vitals-soft-navs", "web-vitals-with-attribution",
        "web-vitals-with-attribution-soft-navs",
    }
)  # fmt: skip


def assets_directory(request: Request) -> Path:
    """Where the pinned bundles are, which `create_app` puts in `app.state.assets`."""
    directory: Path = request.app.state.assets
    return directory


Assets = Annotated[Path, Depends(assets_directory)]


def cors(request: Request) -> dict[str, str]:
    """Headers that let any site's page read the answer, with its credentials."""
    origin = request.headers.get("origin")
    headers = {"Vary": "Origin, Referer", "Access-Control-Allow-Origin": origin or "*"}
    if origin:
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS, HEAD"
        wanted = request.headers.get("access-control-request-headers")
        headers["Access-Control-Allow-Headers"] = wanted or "X-Requested-With,Content-Type"
    return headers


def _cached(request: Request, seconds: int) -> Mapping[str, str]:
    return {**cors(request), "Cache-Control": f"public, max-age={seconds}"}


@router.options("/array/{token}/{name}")
@router.options("/static/{name}")
@router.options("/static/{version}/{name}")
@router.options("/flags")
@router.options("/decide")
async def preflight(request: Request) -> Response:
    """The browser asks whether it may ask."""
    return Response(status_code=204, headers=cors(request))


async def _team(token: str, projects: Projects) -> Team:
    if not is_token(token):
        raise ParseError("Invalid project token.")
    team = await projects.repository.by_api_token(token)
    if team is None:
        raise NotFound("Unknown project token.")
    return team


@router.api_route("/array/{token}/config", methods=["GET", "HEAD"])
async def config(request: Request, token: str, projects: Projects) -> Response:
    """Remote configuration as JSON."""
    return JSONResponse(remote_config(await _team(token, projects)), headers=_cached(request, 300))


@router.api_route("/array/{token}/config.js", methods=["GET", "HEAD"])
async def config_js(request: Request, token: str, projects: Projects) -> Response:
    """The same as a script."""
    return _script(request, config_script(remote_config(await _team(token, projects))))


@router.api_route("/array/{token}/array.js", methods=["GET", "HEAD"])
async def array_with_config(request: Request, token: str, projects: Projects, assets: Assets) -> Response:
    """The snippet's bundle and the configuration in one request."""
    team = await _team(token, projects)
    bundle = _bundle(assets, "array.js").read_text(encoding="utf-8")
    return _script(request, f"{bundle}\n\n{config_script(remote_config(team))}")


def _script(request: Request, text: str) -> Response:
    return Response(text, media_type="application/javascript", headers=_cached(request, 300))


def _bundle(assets: Path, name: str) -> Path:
    path = assets / name
    if not name.endswith(".js") or name.removesuffix(".js") not in BUNDLES:
        raise NotFound("Endpoint not found.")
    if not path.is_file():
        raise Unavailable("The browser assets are not there yet; `python -m services.web.assets` brings them.")
    return path


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def static_file(request: Request, name: str, assets: Assets) -> Response:
    """A bundle of posthog-js, or a file of our own pages."""
    if name.removesuffix(".js") in BUNDLES:
        return FileResponse(_bundle(assets, name), media_type="application/javascript", headers=_cached(request, 300))
    path = OWN_FILES.get(name, assets / name if name in VENDORED else None)
    if path is None or not path.is_file():
        raise NotFound("Endpoint not found.")
    # Pages ask with ?v=<hash of the content>, so what they get never changes.
    cache = "public, max-age=31536000, immutable" if "v" in request.query_params else "no-cache"
    return FileResponse(path, headers={"Cache-Control": cache})


@router.api_route("/static/{version}/{name}", methods=["GET", "HEAD"])
async def versioned_bundle(request: Request, version: str, name: str, assets: Assets) -> Response:
    """A bundle by version (strict_script_versioning). We have one version; another's is not there."""
    if version != request.app.state.posthog_js_version:
        raise NotFound("Endpoint not found.")
    return FileResponse(_bundle(assets, name), media_type="application/javascript", headers=_cached(request, 300))


@router.api_route("/flags", methods=["GET", "POST", "HEAD"])
@router.api_route("/decide", methods=["GET", "POST", "HEAD"])
async def flags(request: Request) -> Response:
    """No flags, in the shape of the asked version; with `config=true` the configuration too."""
    if request.method == "HEAD":
        return PlainTextResponse("", headers=cors(request))
    version = request.query_params.get("v") or request.query_params.get("version") or ""
    answer = no_flags(version, legacy_endpoint=request.url.path == "/decide")
    if request.query_params.get("config", "").lower() in ("1", "true") or request.method == "GET":
        answer = {**base_config(), **answer}
    await request.body()  # read, or a client still sending sees its connection reset
    return JSONResponse(
        {**answer, "requestId": str(uuid.uuid4()), "evaluatedAt": _epoch_ms(request)}, headers=cors(request)
    )


def _epoch_ms(request: Request) -> int:
    moment: float = request.app.state.clock.now().timestamp()
    return int(moment * 1000)
