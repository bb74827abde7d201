"""The dispatcher and the probes, as an HTTP client sees them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from hedgerow.gateway import Gateway, Probes, answer_json
from hedgerow.part_states import PartStates
from libs.kit.contracts.routes import CAPTURE_PATHS

WELL = {"postgres": "ok", "workers": "ok"}
ILL = {"postgres": "ok", "workers": "ended (SIGKILL), starting again"}


def named(name: str) -> ASGIApp:
    """An app that says who it is."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_json(send, 200, {"app": name})

    return app


@asynccontextmanager
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as opened:
        yield opened


def gateway(report: Mapping[str, str] = WELL) -> Gateway:
    async def told() -> Mapping[str, str]:
        return report

    return Gateway({name: named(name) for name in ("capture", "query", "web")}, told)


@pytest.mark.parametrize("path", [*CAPTURE_PATHS, "/batch/", "/e/?ip=1"])
async def test_capture_gets_its_paths(path: str) -> None:
    async with client(gateway()) as http:
        assert (await http.post(path)).json() == {"app": "capture"}


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/", "web"),
        ("/api/projects/1/query/", "query"),
        ("/api/environments/1/query", "query"),
        ("/api/projects/1/", "web"),
        ("/batching", "web"),
        ("/i/openapi.json", "capture"),
        ("/i/v1/logs", "web"),
        ("//", "web"),
        ("/%0a", "web"),
    ],
)
async def test_every_path_has_an_owner(path: str, owner: str) -> None:
    async with client(gateway()) as http:
        assert (await http.get(path)).json() == {"app": owner}


async def test_a_method_nobody_knows_is_not_an_error_of_ours() -> None:
    async with client(gateway()) as http:
        assert (await http.request("BREW", "/batch")).status_code == 200


async def test_a_service_that_does_not_run_here_is_404() -> None:
    async def told() -> Mapping[str, str]:
        return WELL

    async with client(Gateway({"capture": named("capture")}, told)) as http:
        answer = await http.get("/login")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_health_names_the_part_that_is_not_ready() -> None:
    async with client(gateway(ILL)) as http:
        answer = await http.get("/_health")
        assert (answer.status_code, answer.json()) == (503, ILL)
        assert (await http.get("/_livez")).status_code == 200, "a failing store must not get a process killed"
    async with client(gateway()) as http:
        answer = await http.get("/_health")
        assert (answer.status_code, answer.json()) == (200, WELL)


async def test_readiness_turns_off_when_the_process_stops() -> None:
    async def told() -> Mapping[str, str]:
        return WELL

    probes = Probes(told)
    async with client(probes) as http:
        assert (await http.get("/_readyz")).status_code == 200
        probes.stopping = True
        assert (await http.get("/_readyz")).status_code == 503
        assert (await http.get("/_livez")).status_code == 200


async def test_metrics_count_the_supervisors_restarts_once() -> None:
    async def told() -> Mapping[str, str]:
        return WELL

    states = PartStates(restarts={"gateway-test": 2})
    line = 'hedgerow_part_restarts_total{part="gateway-test"} %s'
    async with client(Probes(told, lambda: states)) as http:
        for total in (2, 2, 5):
            states = PartStates(restarts={"gateway-test": total})
            assert line % float(total) in (await http.get("/metrics")).text.splitlines()
