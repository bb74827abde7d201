"""What SDKs fetch."""

import json
import re

import pytest

from services.web.app import VENDOR
from tests.support.require import require
from tests.support.web import Web

pytestmark = pytest.mark.embedded


async def test_remote_configuration(web: Web) -> None:
    async with web.client(Origin="https://shop.example") as client:
        answer = await client.get(f"/array/{web.token}/config/")
        assert answer.status_code == 200
        config = answer.json()
        assert config["token"] == web.token
        assert config["supportedCompression"] == ["gzip", "gzip-js"]
        assert (config["hasFeatureFlags"], config["sessionRecording"], config["surveys"]) == (False, False, False)
        assert config["autocapture_opt_out"] is False
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["cache-control"] == "public, max-age=300"
        script = await client.get(f"/array/{web.token}/config.js")
        assert script.headers["content-type"].startswith("application/javascript")
        found = re.search(r"config: (\{.*\}), siteApps", script.text)
        assert found
        assert json.loads(found[1]) == {name: value for name, value in config.items() if name != "siteApps"}


async def test_a_project_switches_on_what_browsers_send(web: Web) -> None:
    chosen = {
        "autocapture_opt_out": True,
        "heatmaps_opt_in": True,
        "autocapture_exceptions_opt_in": True,
        "capture_dead_clicks": True,
        "autocapture_web_vitals_opt_in": True,
        "autocapture_web_vitals_allowed_metrics": ["LCP"],
    }
    async with web.with_key() as client:
        before = (await client.get(f"/array/{web.token}/config")).json()
        assert (await client.patch(f"/api/environments/{web.project_id}/", json=chosen)).status_code == 200
        config = (await client.get(f"/array/{web.token}/config")).json()
    expected = {
        "autocapture_opt_out": True,
        "heatmaps": True,
        "autocaptureExceptions": True,
        "errorTracking": {"autocaptureExceptions": True, "suppressionRules": []},
        "captureDeadClicks": True,
        "capturePerformance": {
            "network_timing": False,
            "web_vitals": True,
            "web_vitals_allowed_metrics": ["LCP"],
        },
    }
    assert config == {**before, **expected}
    assert not any(before[name] for name in expected if name != "errorTracking")


@pytest.mark.parametrize(("token", "status"), [("phc_unknown", 404), ("a" * 201, 400), ("a<b", 400)])
async def test_configuration_of_nobody(web: Web, token: str, status: int) -> None:
    async with web.client() as client:
        for name in ("config", "config.js"):
            answer = await client.get(f"/array/{token}/{name}")
            assert answer.status_code == status
            assert token not in answer.text


async def test_the_pinned_bundles(web: Web) -> None:
    require((VENDOR / "versions.json").exists(), "browser assets (make assets)")
    version = json.loads((VENDOR / "versions.json").read_text())["posthog-js"]
    async with web.client(Origin="https://shop.example") as client:
        bundle = await client.get("/static/array.js")
        assert bundle.status_code == 200
        assert version in bundle.text
        assert "posthog" in bundle.text
        assert bundle.headers["access-control-allow-origin"] == "https://shop.example"
        assert (await client.get(f"/static/surveys.js?v={version}")).status_code == 200
        assert (await client.get(f"/static/{version}/surveys.js")).status_code == 200
        assert (await client.get("/static/0.0.1/surveys.js")).status_code == 404
        both = await client.get(f"/array/{web.token}/array.js")
        assert both.text.startswith(bundle.text)
        assert "_POSTHOG_REMOTE_CONFIG" in both.text[len(bundle.text) :]


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "versions.json", "vendor", "nothing.js", "%00.js"])
async def test_nothing_else_is_served(web: Web, name: str) -> None:
    async with web.client() as client:
        answer = await client.get(f"/static/{name}")
    assert answer.status_code in (302, 404)
    assert "create_app" not in answer.text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/flags/?v=2", {"flags": {}, "errorsWhileComputingFlags": False}),
        ("/flags?v=4", {"flags": {}, "errorsWhileComputingFlags": False}),
        ("/flags/", {"featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": False}),
        ("/decide/?v=4", {"flags": {}, "errorsWhileComputingFlags": False}),
        ("/decide/?v=3", {"featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": False}),
        ("/decide/?v=2", {"featureFlags": {}}),
        ("/decide/", {"featureFlags": []}),
    ],
)
async def test_no_flags_and_no_errors(web: Web, path: str, expected: dict[str, object]) -> None:
    async with web.client(Origin="https://shop.example") as client:
        answer = await client.post(path, content=b"\x1f\x8b whatever")
        assert answer.status_code == 200
        body = answer.json()
        assert body.pop("requestId")
        assert body.pop("evaluatedAt") > 1_700_000_000_000
        assert body == expected
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        asked = await client.options(path, headers={"Access-Control-Request-Headers": "content-type,x-y"})
        assert (asked.status_code, asked.headers["access-control-allow-headers"]) == (204, "content-type,x-y")


async def test_flags_with_configuration(web: Web) -> None:
    async with web.client() as client:
        body = (await client.post("/flags/?v=2&config=true", json={"token": web.token})).json()
    assert (body["flags"], body["sessionRecording"]) == ({}, False)
