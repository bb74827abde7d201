"""Reading a request's body: an error of the API for everything that is not a JSON object."""

from typing import Any

import orjson

from libs.kit.errors import ParseError


def json_object(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises ParseError."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise ParseError(f"JSON parse error - {exc}") from exc
    if not isinstance(value, dict):
        raise ParseError("The body must be a JSON object.")
    return value
