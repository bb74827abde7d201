"""What the one walk takes, the general parser takes as the same single request; the rest it leaves alone."""

import random
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.kit import plain_request as serving
from tests.support.require import require
from tests.support.scale import scaled

MOST = 65536


def plain_build() -> Any:
    """The source, whatever was compiled from it."""
    path = Path(__file__).parents[3] / "libs/kit/plain_request.py"
    loader = SourceFileLoader("plain_request_source", str(path))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


SOURCE = plain_build()


def request(*lines: bytes, body: bytes = b"abc", target: bytes = b"/e/?a=1", length: bytes | None = None) -> bytes:
    length = b"%d" % len(body) if length is None else length
    return b"\r\n".join([b"POST %b HTTP/1.1" % target, b"Host: h", *lines, b"Content-Length: " + length, b"", body])


class Heard:
    """What the general parser says of some bytes."""

    def __init__(self, data: bytes):
        self.url, self.headers, self.body = b"", list[tuple[bytes, bytes]](), b""
        self.begun = self.completed = 0
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method, self.version = parser.get_method(), parser.get_http_version()
        self.keeps, self.upgrades = parser.should_keep_alive(), parser.should_upgrade()

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.completed += 1


def check(data: bytes) -> bool:
    """Whether it was taken; both builds and the general parser agree on what it is."""
    found = serving.plain_request(data, MOST)
    assert found == SOURCE.plain_request(data, MOST)
    if found is None:
        return False
    path, query, headers, body = found
    heard = Heard(data)
    assert (heard.begun, heard.completed, heard.method, heard.version) == (1, 1, b"POST", "1.1")
    assert (heard.keeps, heard.upgrades) == (True, False)
    assert heard.url == path + (b"?" + query if b"?" in heard.url else b"")
    named = {name: value for name, value in reversed(heard.headers) if name not in serving.LEFT_OUT}
    assert (headers, body) == (named, heard.body)
    return True


def test_a_browsers_post_is_taken() -> None:
    data = request(b"Connection: Keep-Alive", b"X-Own:  v  w", b"Host: other", b"User-Agent: M (a; b) c/1", b"x: ,")
    assert check(data)
    assert serving.plain_request(data, MOST) == (
        b"/e/", b"a=1",
        {b"x-own": b"v  w", b"user-agent": b"M (a; b) c/1", b"x": b","},
        b"abc",
    )  # fmt: skip
    assert check(request(body=b""))
    assert check(request(target=b"/e/?a=/?b?"))


@pytest.mark.parametrize(
    "data",
    [
        request()[:-1], request() + b"P", request(body=b"abcd", length=b"3"), request(length=b"+3"),
        request(length=b""), request(length=b"3 "), request(length=b"3, 3"), request(length=b"0000000003"),
        request(b"Content-Length: 3"), request(b"content-length: 4"), request(b"Transfer-Encoding: chunked"),
        request(b"TRANSFER-ENCODING: identity"), request(b"Expect: 100-continue"), request(b"Connection: close"),
        request(b"Connection: keep-alive, upgrade"), request(b"Proxy-Connection: close"), request(b"Upgrade: h2c"),
        request(b"X:"), request(b"X: "), request(b"X: a "), request(b"X: a\tb"), request(b"X: \xff"),
        request(b"X: a\x00"), request(b"X : a"), request(b" X: a"), request(b": a"), request(b"X: a\r\n b"),
        request(b"X: a\rb"), request(b"X: a\nY: b"), request(b"X"), request(b"X\x80: a"), request(target=b"/e/#f"),
        request(target=b"/e/ x"), request(target=b"/\x80"), request(target=b"/\x00"), request(target=b"e/"),
        request(target=b"http://h/e/"), request().replace(b"HTTP/1.1", b"HTTP/1.0"), request().replace(b"POST", b"PUT"),
        request().replace(b"POST", b"post"), request().replace(b"\r\n", b"\n"), b"\r\n" + request(), b"", b"POST /",
        b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 0\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r", b"POST / HTTP/1.1\r\nContent-Length",
        request(b"X: " + b"a" * MOST),
    ],
)  # fmt: skip
def test_anything_else_is_left_to_the_general_parser(data: bytes) -> None:
    assert not check(data)


PIECES = (
    *(b"\r\n", b"\r", b"\n", b" ", b"\t", b":", b"X", b"#", b"?", b"\0", b"\xff", b"HTTP/1.1", b"POST / HTTP/1.1\r\n"),
    *(b"Content-Length: 3", b"Connection: close", b"Transfer-Encoding: chunked", b"Expect: 100-continue"),
)


def test_no_bent_request_is_taken_for_another() -> None:
    chance, taken = random.Random(5), 0
    whole = request(b"Connection: keep-alive", b"Origin: https://a.example", b"X-A: b")
    for _ in range(scaled(1_000_000, least=10_000)):
        bent = bytearray(whole)
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(bent) + 1)
            if chance.random() < 0.5:
                bent[at : at + chance.randrange(3)] = chance.choice(PIECES)
            else:
                bent[at : at + 1] = chance.randbytes(chance.randrange(2))
        taken += check(bytes(bent))
    assert taken > 100


@given(st.binary(max_size=200), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=20))
@settings(max_examples=scaled(20_000, least=300), deadline=None)
def test_any_bytes_in_any_place(target: bytes, name: bytes, value: bytes, body: bytes) -> None:
    check(request(name + b": " + value, body=body, target=b"/" + target))


def test_the_compiled_build_serves() -> None:
    require(not serving.__file__.endswith(".py"), "compiled modules (setup.py build_ext --inplace)")
    assert serving.SERVES
    assert not SOURCE.SERVES
