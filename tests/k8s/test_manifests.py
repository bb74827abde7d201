"""The manifests, held to the code they configure: nothing they name may be unknown, and no two of them may disagree.

No cluster's schemas are at hand, so what is checked of Kubernetes itself is what these files rely on.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings
from typer.main import get_command

from hedgerow.cli import app
from hedgerow.composition import SERVICES
from hedgerow.settings import ServeSettings
from libs.kit.contracts.routes import ROUTES, Route, service_of
from libs.kit.settings import KitSettings
from scripts.manifests import DEPLOYED, PATH, ingress, paths
from services.capture.handle import ROUTES as CAPTURE_SPELLINGS
from services.capture.settings import CaptureSettings
from tests.support.instance import ROOT

K8S = ROOT / "k8s"
BASE = K8S / "base"
API_VERSIONS = {
    "ConfigMap": "v1",
    "Ingress": "networking.k8s.io/v1",
    "Kustomization": "kustomize.config.k8s.io/v1beta1",
    "PodDisruptionBudget": "policy/v1",
    "Service": "v1",
    "StatefulSet": "apps/v1",
}
SETTINGS: dict[str, tuple[type[BaseSettings], ...]] = {"capture": (KitSettings, CaptureSettings, ServeSettings)}
SECRETS = {
    "secret_key": "s" * 32,
    "postgres_dsn": "postgresql://hedgerow@pgbouncer/hedgerow",
    "state_redis_url": "redis://state:6379/0",
}
UNITS = {"Mi": 2**20, "Gi": 2**30}


def documents(path: Path) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(path.read_text()) if found]


def built(folder: Path) -> Iterator[dict[str, Any]]:
    """What a kustomization brings, without its changes. Fails for a resource that is not there."""
    [kustomization] = documents(folder / "kustomization.yaml")
    for name in kustomization["resources"]:
        path = folder / name
        yield from (built(path) if path.is_dir() else documents(path))


def base(kind: str, name: str) -> dict[str, Any]:
    [found] = [one for one in built(BASE) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


@pytest.fixture
def capture() -> dict[str, Any]:
    return base("StatefulSet", "capture")


def container(workload: dict[str, Any]) -> dict[str, Any]:
    [found] = workload["spec"]["template"]["spec"]["containers"]
    return found  # type: ignore[no-any-return]


def environment(workload: dict[str, Any]) -> dict[str, str]:
    shared = base("ConfigMap", "hedgerow")["data"]
    return {**shared, **{one["name"]: one["value"] for one in container(workload)["env"]}}


def size(text: str) -> int:
    return int(text[:-2]) * UNITS[text[-2:]]


def test_every_file_is_used_and_of_a_known_kind() -> None:
    files = set(K8S.rglob("*.yaml"))
    used = set()
    for path in files:
        for one in documents(path):
            assert one["apiVersion"] == API_VERSIONS[one["kind"]], path
            if one["kind"] == "Kustomization":
                named = [*one["resources"], *(patch["path"] for patch in one.get("patches", []) if "path" in patch)]
                for target in (path.parent / name for name in named):
                    assert target.exists(), f"{path}: {target}"
                    used.add((target / "kustomization.yaml" if target.is_dir() else target).resolve())
    entries = {path for path in files if path.parent.parent.name == "overlays" and path.name == "kustomization.yaml"}
    assert {path.resolve() for path in files - entries} == used
    objects = [(one["kind"], one["metadata"]["name"]) for one in built(BASE)]
    assert len(objects) == len(set(objects))


def test_what_the_example_changes_is_there() -> None:
    [overlay] = documents(K8S / "overlays" / "example" / "kustomization.yaml")
    assert [image["name"] for image in overlay["images"]] == [container(base("StatefulSet", "capture"))["image"]]
    for one in overlay["replicas"]:
        base("StatefulSet", one["name"])
    [changed] = documents(K8S / "overlays" / "example" / "settings.yaml")
    assert changed["data"].keys() <= base(changed["kind"], changed["metadata"]["name"])["data"].keys()
    for patch in (patch for patch in overlay["patches"] if "target" in patch):
        target: Any = base(patch["target"]["kind"], patch["target"]["name"])
        for operation in yaml.safe_load(patch["patch"]):
            *way, last = operation["path"].strip("/").split("/")
            for step in way:
                target = target[int(step)] if isinstance(target, list) else target[step]
            assert (last in target) == (operation["op"] == "replace")


@pytest.mark.parametrize("name", DEPLOYED)
def test_every_setting_exists_and_has_a_value_that_is_taken(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables = environment(base("StatefulSet", name))
    known = {
        f"{settings.model_config.get('env_prefix', '')}{field}".upper()
        for settings in SETTINGS[name]
        for field in settings.model_fields
    }
    assert {variable.removesuffix("_FILE") for variable in variables} <= known
    for variable, value in variables.items():
        if variable.endswith("_FILE"):
            secret = Path(value).name
            (tmp_path / secret).write_text(SECRETS[secret])
            value = str(tmp_path / secret)
        monkeypatch.setenv(variable, value)
    read = [settings() for settings in SETTINGS[name]]
    kit = read[0]
    assert isinstance(kit, KitSettings)
    assert kit.postgres_dsn.get_secret_value() == SECRETS["postgres_dsn"]
    assert (kit.eventlog, kit.blobs, kit.probes_host) == ("kafka", "s3", "0.0.0.0")


@pytest.mark.parametrize("name", DEPLOYED)
def test_secrets_are_files_below_the_mount_and_never_text(name: str) -> None:
    workload = base("StatefulSet", name)
    [mount] = [one for one in container(workload)["volumeMounts"] if one["name"] == "secrets"]
    files = {value for key, value in environment(workload).items() if key.endswith("_FILE")}
    assert {Path(path).parent.as_posix() for path in files} == {mount["mountPath"]}
    described = (BASE / "shared" / "settings.yaml").read_text().split("apiVersion")[0]
    assert all(Path(path).name in described for path in files)
    secret = {"SECRET_KEY", "POSTGRES_DSN", "STATE_REDIS_URL", "S3_SECRET_ACCESS_KEY", "KAFKA_PASSWORD"}
    assert not {f"HEDGEROW_{one}" for one in secret} & environment(workload).keys()


@pytest.mark.parametrize("name", DEPLOYED)
def test_the_command_is_one_of_ours_and_listens_where_probes_and_services_look(name: str) -> None:
    workload = base("StatefulSet", name)
    verb, service, *options = container(workload)["args"]
    assert service in SERVICES
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]  # it is a group
    with command.make_context(verb, [service, *options]) as context:
        port = context.params["port"]
        assert context.params["host"] == "0.0.0.0"
    ports = {one["name"]: one["containerPort"] for one in container(workload)["ports"]}
    assert ports == {"http": port, "probes": int(environment(workload)["HEDGEROW_PROBES_PORT"])}
    annotations = workload["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["probes"])
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container(workload)[probe]["httpGet"]
        assert ports[asked["port"]] == port
        assert service_of(asked["path"]) == name


@pytest.mark.parametrize("name", DEPLOYED)
def test_what_selects_a_workload_selects_it(name: str) -> None:
    workload = base("StatefulSet", name)["spec"]
    labels = workload["template"]["metadata"]["labels"]
    assert workload["selector"]["matchLabels"] == labels
    assert base("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"] == labels
    names = {one["name"] for one in workload["template"]["spec"]["containers"][0]["ports"]}
    for service in (name, workload["serviceName"]):
        spec = base("Service", service)["spec"]
        assert spec["selector"] == labels
        assert {port["targetPort"] for port in spec["ports"]} <= names
    assert base("Service", workload["serviceName"])["spec"]["clusterIP"] == "None"
    assert workload["replicas"] > base("PodDisruptionBudget", name)["spec"]["maxUnavailable"]


def test_the_write_ahead_log_is_on_a_claim_with_room_for_it(capture: dict[str, Any]) -> None:
    variables = environment(capture)
    [claim] = capture["spec"]["volumeClaimTemplates"]
    [mount] = [one for one in container(capture)["volumeMounts"] if one["name"] == claim["metadata"]["name"]]
    directory = Path(variables["HEDGEROW_CAPTURE_WAL_DIRECTORY"])
    assert Path(mount["mountPath"]) in directory.parents  # below it: a volume's root has a lost+found
    room = size(claim["spec"]["resources"]["requests"]["storage"])
    assert 2 * int(variables["HEDGEROW_CAPTURE_WAL_MAX_BYTES"]) <= room
    assert set(capture["spec"]["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    documented = (ROOT / "docs" / "operate" / "cluster.md").read_text()
    for setting in ("WAL_DIRECTORY", "WAL_MAX_BYTES", "WAL_AFTER_SECONDS"):
        name = f"HEDGEROW_CAPTURE_{setting}"
        assert f"| `{name}` | `{variables[name]}`" in documented


def test_a_pod_has_time_to_stop(capture: dict[str, Any]) -> None:
    pod = capture["spec"]["template"]["spec"]
    _, before = container(capture)["lifecycle"]["preStop"]["exec"]["command"]
    variables = environment(capture)
    drain = int(variables.get("HEDGEROW_SERVE_DRAIN_SECONDS", ServeSettings.model_fields["drain_seconds"].default))
    log_seconds = KitSettings.model_fields["log_timeout_seconds"].default
    stopping = int(before) + drain + float(variables["HEDGEROW_CAPTURE_WAL_AFTER_SECONDS"]) + log_seconds
    assert pod["terminationGracePeriodSeconds"] > 1.5 * stopping


def test_what_capture_may_hold_fits_into_its_memory(capture: dict[str, Any]) -> None:
    from libs.kit.eventlog.wal import WAITING_BYTES

    settings, kit = CaptureSettings.model_construct(), KitSettings.model_fields
    held = (
        settings.max_inflight_body_bytes
        + settings.max_unacknowledged_bytes
        + settings.max_blob_bytes
        + settings.heavy_requests * settings.max_inflated_bytes
        + WAITING_BYTES
        + kit["log_inflight_bytes"].default
    )
    process = 150 * UNITS["Mi"]
    assert held + process <= size(container(capture)["resources"]["limits"]["memory"])


def test_the_ingress_is_what_the_route_table_says() -> None:
    assert (ROOT / PATH).read_text() == ingress(), "run `make reference`"
    [rule] = base("Ingress", "hedgerow")["spec"]["rules"]
    found = {one["path"]: (one["pathType"], one["backend"]["service"]["name"]) for one in rule["http"]["paths"]}
    for path, (_, service) in found.items():
        assert service_of(path, "POST") == service
        base("Service", service)
    assert CAPTURE_SPELLINGS.keys() <= found.keys()
    owned = {route.path for route in ROUTES if route.service in DEPLOYED}
    assert {path.rstrip("/") for path in found} == owned


def test_an_ingress_says_what_it_cannot_say() -> None:
    below = [Route("/api/*", "web"), Route("/e", "capture")]
    assert list(paths(below, ["web"])) == [("/api/", "Prefix", "web")]
    with pytest.raises(ValueError, match="placeholders"):
        list(paths([Route("/api/{id}/query", "query")], ["query"]))
