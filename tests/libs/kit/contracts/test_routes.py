"""The route table: one owner a path, whatever the order of its rows."""

import random

import pytest

from libs.kit.contracts.routes import ROUTES, Route, ambiguous, service_of


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/e", "capture"),
        ("/e/", "capture"),
        ("/i/v0/e/", "capture"),
        ("/batch/", "capture"),
        ("/everything", "web"),
        ("/", "web"),
        ("/static/array.js", "web"),
        ("/api/projects/1", "web"),
        ("/api/projects/1/query", "query"),
        ("/api/projects/@current/query/", "query"),
        ("/api/environments/1/query/abc/", "query"),
        ("/api/projects/1/queryish", "web"),
    ],
)
def test_owner(path: str, owner: str) -> None:
    assert service_of(path) == owner


def test_no_path_has_two_owners() -> None:
    assert ambiguous() == []


def test_a_clash_is_found() -> None:
    clash = (Route("/api/{a}/x", "query"), Route("/api/y/{b}", "web"))
    assert ambiguous(clash) == [clash]


def test_order_means_nothing() -> None:
    rows = list(ROUTES)
    random.Random(7).shuffle(rows)
    for path in ("/e", "/api/projects/1/query", "/x", "/api/projects/1/query/a/b"):
        assert service_of(path, routes=tuple(rows)) == service_of(path)


def test_a_path_without_owner_is_an_error() -> None:
    with pytest.raises(LookupError):
        service_of("/x", routes=())
