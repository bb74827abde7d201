"""PostHog's own parser (`hogql-parser`) in a process of its own: it raises its errors as classes of PostHog's
application, for which stand-ins lie first on its path, where they would hide the SDK's package of the same name."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = importlib.util.find_spec("hogql_parser") is not None
_CLASSES = (
    "SyntaxError", "QueryError", "NotImplementedError", "ParsingError", "ImpossibleASTError", "ResolutionError",
    "BaseHogQLError", "ExposedHogQLError", "InternalHogQLError",
)  # fmt: skip
_PROGRAM = """
import hogql_parser, json, sys
def tree(text):
    try:
        return json.loads(hogql_parser.parse_select_json(text))
    except Exception as exc:
        return {"error": True, "type": type(exc).__name__, "message": str(exc), "start": {"offset": -1}}
print(json.dumps([tree(text) for text in json.load(sys.stdin)]))
"""


def peer_path(folder: Path) -> str:
    """A PYTHONPATH that begins with the stand-ins, which are written into `folder`."""
    package = folder / "posthog" / "hogql"
    package.mkdir(parents=True, exist_ok=True)
    for init in (package.parent, package):
        (init / "__init__.py").touch()
    made = [f"class {name}(Exception):\n    def __init__(self, *a, **k): super().__init__(*a)" for name in _CLASSES]
    (package / "errors.py").write_text("\n".join(made))
    return os.pathsep.join([str(folder), *filter(None, sys.path)])


def peer_trees(texts: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """The JSON form of each text, or of its error."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], input=json.dumps(texts), capture_output=True, text=True, check=True,
        timeout=3_600, env={**os.environ, "PYTHONPATH": peer_path(folder)},
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
