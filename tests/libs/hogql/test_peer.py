"""What `hogql-parser` (PostHog's own) takes, ours takes, and what it refuses, ours refuses; and what both take becomes
the same tree. Where they differ, DIFFERENCES says why."""

import os
import re
from typing import Any

import pytest

from libs.hogql import ast
from libs.hogql.errors import HogQLError
from libs.hogql.json_form import to_json
from libs.hogql.parser import parse_select
from libs.hogql.words import KEYWORDS
from tests.libs.hogql.corpus import Corpus
from tests.libs.hogql.peer_form import DIFFERENCES, excused, normal
from tests.support import hogql_peer
from tests.support.require import require
from tests.support.scale import scaled

Judged = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module", name="judged")
def judged_corpus(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Generated texts and what the peer makes of them."""
    require(hogql_peer.HERE, "hogql-parser, PostHog's own")
    corpus = Corpus(int(os.environ.get("HEDGEROW_TEST_SEED", "6")))
    texts = [corpus.text() for _ in range(scaled(10_000, least=200))]
    return list(zip(texts, hogql_peer.peer_trees(texts, tmp_path_factory.mktemp("peer")), strict=True))


def ours(text: str) -> ast.Node | HogQLError:
    try:
        return parse_select(text)
    except HogQLError as error:
        return error


def test_both_parsers_take_the_same_queries(judged: Judged) -> None:
    explained = 0
    for text, peer in judged:
        tree = ours(text)
        refused = tree if isinstance(tree, HogQLError) else None
        if bool(peer.get("error")) != (refused is not None):
            message = peer.get("message", "accepted")
            reason = explanation(text, message, refused)
            assert reason in DIFFERENCES, f"{text!r}\npeer: {message}\nours: {refused}"
            explained += 1
    assert explained <= len(judged) * 0.04


def test_both_parsers_make_the_same_trees(judged: Judged) -> None:
    compared = equal = 0
    for text, peer in judged:
        tree = ours(text)
        if peer.get("error") or isinstance(tree, HogQLError):
            continue
        compared += 1
        form = to_json(tree)
        same = normal(form) == normal(peer)
        equal += same
        if not same:
            assert excused(text, tree, peer) in DIFFERENCES, f"{text}\nours {normal(form)}\npeer {normal(peer)}"
    assert equal > compared * 0.8


def explanation(text: str, message: str, ours: HogQLError | None) -> str | None:
    """Why one parser takes a query that the other refuses, if that is as we want it."""
    if ours is None:
        if "ARRAY JOIN arrays must have an alias" in message and ("->" in text or "lambda" in text):
            return "lambda takes the alias"
        return None
    if re.search(r"(\.\d+|\de\d+)\.\d", text):
        return "step into a fraction"
    around = re.findall(r"[A-Za-z_]+", text[max(0, (ours.start or 0) - 12) : (ours.start or 0) + 12])
    return "keyword as a name" if any(word.upper() in KEYWORDS for word in around) else None
