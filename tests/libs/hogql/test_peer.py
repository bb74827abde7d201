"""What `hogql-parser` (PostHog's own) takes, ours takes, and what it refuses, ours refuses; and what both take becomes
the same tree. Where they differ, peer_form.py says why."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from libs.hogql import ast
from libs.hogql.errors import HogQLError
from libs.hogql.json_form import to_json
from libs.hogql.parser import parse_select
from libs.hogql.tree import field_names, walk
from tests.libs.hogql import peer_form
from tests.libs.hogql.corpus import RULES, Corpus
from tests.libs.hogql.peer_form import excused, normal, read_as_a_name, refused_knowingly, taken_knowingly
from tests.support import hogql_peer
from tests.support.require import require
from tests.support.scale import SEED, scaled

Judged = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module", name="judged")
def judged_corpus(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Generated texts and what the peer makes of them."""
    corpus = Corpus(6 if SEED is None else SEED)
    texts = [corpus.text() for _ in range(scaled(10_000, least=200))]
    return judged_by_the_peer(texts, tmp_path_factory.mktemp("peer"))


def judged_by_the_peer(texts: list[str], folder: Path) -> Judged:
    require(hogql_peer.HERE, "hogql-parser, PostHog's own")
    return list(zip(texts, hogql_peer.peer_trees(texts, folder), strict=True))


def ours(text: str) -> ast.Node | HogQLError:
    try:
        return parse_select(text)
    except HogQLError as error:
        return error


def difference(text: str, peer: dict[str, Any]) -> str | None:
    """Why the two make different things of a text; "" if they do not, None if there is no reason."""
    tree = ours(text)
    if isinstance(tree, HogQLError):
        return "" if peer.get("error") else refused_knowingly(tree, text, peer)
    if peer.get("error"):
        return taken_knowingly(tree, text, peer["message"])
    one, other = normal(to_json(tree)), normal(peer)
    if one == other:
        return ""
    return excused(one, other) or ("keyword read as a name" if read_as_a_name(text, peer) else None)


def test_both_parsers_make_the_same_of_the_same_queries(judged: Judged) -> None:
    taken = equal = 0
    for text, peer in judged:
        reason = difference(text, peer)
        assert reason is not None, f"{text}\npeer: {peer.get('message', normal(peer))}\nours: {ours(text)}"
        taken += not peer.get("error")
        equal += not peer.get("error") and reason == ""
    assert taken > len(judged) * 0.4
    assert equal > taken * 0.5


def test_the_known_differences_are_still_there(tmp_path: Path) -> None:
    known = [*peer_form.DIFFERENCES.items(), *peer_form.TAKEN.items(), *peer_form.UNREAD.items()]
    known += [(reason, text) for reason, (text, _) in peer_form.REFUSED.items()]
    judged = judged_by_the_peer([text for _, text in known], tmp_path)
    found = [(difference(text, peer), text) for text, peer in judged]
    assert found == known


def test_the_same_words_make_a_join(tmp_path: Path) -> None:
    words = ("", "inner", "left", "right", "full", "outer", "all", "any", "asof", "semi", "anti")
    texts = [f"select 1 from a as t {' '.join(said)} join b" for said in itertools.product(words, repeat=3)]
    differing = [
        text for text, peer in judged_by_the_peer(texts, tmp_path) if difference(text, peer) not in ("", "two names")
    ]
    assert not differing


def test_the_corpus_is_of_the_whole_grammar() -> None:
    """Each alternative of each rule is made; and what is made makes every node, with every field filled and empty."""
    corpus, seen = Corpus(6), set[tuple[str, str, bool]]()
    for _ in range(3_000):
        tree = ours(corpus.text())
        for node in walk(tree) if isinstance(tree, ast.Node) else ():
            seen |= {(type(node).__name__, name, bool(getattr(node, name))) for name in field_names(type(node))}
    assert [(rule, one) for rule, (made, _) in RULES.items() for one in made if not corpus.made[rule, one]] == []
    kinds = [kind for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.Node)]
    kinds = [kind for kind in kinds if kind not in (ast.Node, ast.Expr)]
    missing = [
        (kind.__name__, name) for kind in kinds for name in field_names(kind) if (kind.__name__, name, True) not in seen
    ]
    assert not missing, missing
