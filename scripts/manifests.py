"""Writes k8s/base/ingress.yaml from the route table (libs/kit/contracts/routes.py).

`python -m scripts.manifests` rewrites it; tests/k8s/test_manifests.py fails when the file is not what this prints.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from libs.kit.contracts.routes import ROUTES, Route
from services.capture.settings import CaptureSettings

PATH = Path("k8s/base/ingress.yaml")
#: Services that have manifests under k8s/base.
DEPLOYED = ("capture",)
_HEAD = """\
# Which service answers which path. Written by scripts/manifests.py: `make reference` rewrites it.
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: hedgerow
  labels:
    app.kubernetes.io/part-of: hedgerow
  annotations:
    # the largest body that capture takes; ingress-nginx would stop at one megabyte
    nginx.ingress.kubernetes.io/proxy-body-size: "{body}"
    # a body is read once, where it is needed
    nginx.ingress.kubernetes.io/proxy-request-buffering: "off"
spec:
  rules:
    - host: hedgerow.example.com
      http:
        paths:
"""
_PATH = """\
          - path: {path}
            pathType: {kind}
            backend:
              service:
                name: {service}
                port:
                  name: http
"""


def paths(routes: Sequence[Route] = ROUTES, deployed: Sequence[str] = DEPLOYED) -> Iterator[tuple[str, str, str]]:
    """(path, pathType, service) for each path of these services.

    Raises ValueError for a path with a placeholder: an Ingress cannot say it, and leaving it out would give it to
    another service.
    """
    for route in routes:
        if route.service not in deployed:
            continue
        if "{" in route.path:
            raise ValueError(f"an Ingress has no placeholders: {route.path}")
        if route.path.endswith("/*"):
            yield route.path[:-1], "Prefix", route.service
        else:  # with and without a slash, as the table has it
            yield from ((spelling, "Exact", route.service) for spelling in (route.path, f"{route.path}/"))


def ingress() -> str:
    """The manifest."""
    settings = CaptureSettings.model_construct()
    body = max(settings.max_body_bytes, settings.max_ai_body_bytes)
    rules = (_PATH.format(path=path, kind=kind, service=service) for path, kind, service in paths())
    return _HEAD.format(body=body) + "".join(rules)


if __name__ == "__main__":
    PATH.write_text(ingress())
