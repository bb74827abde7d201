"""The document of capture's endpoints, and schemathesis sending what it describes, and what it does not, to the app."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from redis.asyncio import Redis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from libs.kit.clock import ManualClock
from libs.kit.contracts.routes import CAPTURE_PATHS
from services.capture.intake import Intake
from services.capture.openapi import document
from services.capture.policies.policies import Policies
from services.capture.settings import CaptureSettings
from tests.support.capturing import NOW, KeptLog, capturing, whole_app
from tests.support.scale import SCALE, scaled

# nothing is wrong for an endpoint that takes nothing
IMPOSSIBLE = [(f"{method} /test/black_hole", GenerationMode.NEGATIVE) for method in ("get", "post")]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {f"{found.ok().method} {found.ok().path}": found.ok() for found in SCHEMA.get_all_operations()}
# The others are these under other names; each costs a second before the first request.
KINDS = ("post /engage", "get /e", "post /i/v0/ai", "post /i/v1/analytics/events")
CHOSEN = [(name, mode) for name in (OPERATIONS if SCALE >= 1 else KINDS) for mode in GenerationMode]


@pytest.fixture
def app() -> Iterator[Any]:
    """All of capture, on a log that keeps what it is given."""
    log, chosen = KeptLog(), CaptureSettings()
    clock = ManualClock(NOW)
    policies = Policies(Redis(port=1), clock, chosen)
    intake = Intake(log, clock, chosen, policies)  # type: ignore[arg-type]  # not a whole log
    yield whole_app(intake, log)
    asyncio.run(intake.close())


@pytest.mark.parametrize(("name", "mode"), [one for one in CHOSEN if one not in IMPOSSIBLE])
def test_answers_are_those_of_the_document(app: Any, name: str, mode: GenerationMode) -> None:
    @settings(max_examples=scaled(2_000, least=5), deadline=None, suppress_health_check=list(HealthCheck))
    @given(OPERATIONS[name].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(app=app, checks=CHECKS)

    check()


async def test_the_document_is_published() -> None:
    async with capturing() as capture:
        assert (await capture.http.get("/i/openapi.json")).json() == document()


def test_every_endpoint_is_described() -> None:
    assert set(document()["paths"]) == set(CAPTURE_PATHS)
