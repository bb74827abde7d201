"""What `hogql-parser` (PostHog's own) takes, ours takes, and what it refuses, ours refuses; differences are explained.

It runs in a process of its own: it raises its errors as classes of PostHog's application, for which stand-ins lie
first on its path, where they would hide the SDK's package of the same name.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from libs.hogql.errors import HogQLError
from libs.hogql.parser import parse_select
from libs.hogql.words import KEYWORDS
from tests.libs.hogql.corpus import Corpus
from tests.support.require import require
from tests.support.scale import scaled

PEER = Path(__file__).with_name("peer.py")
CLASSES = (
    "SyntaxError", "QueryError", "NotImplementedError", "ParsingError", "ImpossibleASTError", "ResolutionError",
    "BaseHogQLError", "ExposedHogQLError", "InternalHogQLError",
)  # fmt: skip


def test_both_parsers_take_the_same_queries(tmp_path: Path) -> None:
    require(importlib.util.find_spec("hogql_parser"), "hogql-parser, PostHog's own")
    corpus = Corpus(int(os.environ.get("HEDGEROW_TEST_SEED", "6")))
    texts = [corpus.text() for _ in range(scaled(10_000, least=200))]
    explained = 0
    for text, (accepted, message, _) in zip(texts, judgements(texts, tmp_path), strict=True):
        ours = refusal(text)
        if accepted != (ours is None):
            assert explanation(text, message, ours), f"{text!r}\npeer: {message or 'accepted'}\nours: {ours}"
            explained += 1
    assert explained <= len(texts) * 0.04


def judgements(texts: Sequence[str], folder: Path) -> list[tuple[bool, str, int]]:
    """What the peer says of each."""
    package = folder / "posthog" / "hogql"
    package.mkdir(parents=True)
    for init in (package.parent, package):
        (init / "__init__.py").touch()
    stand_ins = [f"class {name}(Exception):\n    def __init__(self, *a, **k): super().__init__(*a)" for name in CLASSES]
    (package / "errors.py").write_text("\n".join(stand_ins))
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, str(PEER)], input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=3_600,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    found: list[tuple[bool, str, int]] = json.loads(done.stdout)
    return found


def refusal(text: str) -> HogQLError | None:
    """Our error, if any."""
    try:
        parse_select(text)
    except HogQLError as error:
        return error
    return None


def explanation(text: str, message: str, ours: HogQLError | None) -> str | None:
    """Why the parsers differ on a query, if that is as we want it."""
    if ours is None:
        # the peer's lambda takes the alias for part of its body; ours gives it to the array
        return (
            "lambda"
            if "ARRAY JOIN arrays must have an alias" in message and ("->" in text or "lambda" in text)
            else None
        )
    if re.search(r"(\.\d+|\de\d+)\.\d", text):
        return "a step into a number with a fraction: .5.1"
    # ours reads a keyword as one where the peer, trying every reading there is, finds one in which it is a name:
    # `select where from t`, `from events as else e`
    around = re.findall(r"[A-Za-z_]+", text[max(0, (ours.start or 0) - 12) : (ours.start or 0) + 12])
    return "keyword as a name" if any(word.upper() in KEYWORDS for word in around) else None
