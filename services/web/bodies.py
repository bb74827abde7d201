"""Request bodies, read after the caller is known, and their fields, refused in PostHog's (DRF's) words."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import orjson
from starlette.requests import Request

from libs.kit.errors import InvalidRequest, ParseError

_INT64_MAX = 2**63 - 1


async def read_object(request: Request, *, max_fields: int = 200) -> Mapping[str, Any]:
    """The body as an object: JSON, or the text fields of a form. An empty body is an empty object."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        form = await request.form(max_files=1, max_fields=max_fields)
        return {name: value for name, value in form.items() if isinstance(value, str)}
    body = await request.body()
    if not body.strip():
        return {}
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise ParseError(f"JSON parse error - {exc}") from exc
    if not isinstance(parsed, dict):
        raise InvalidRequest(f"Invalid data. Expected a dictionary, but got {type(parsed).__name__}.")
    return parsed


def required(body: Mapping[str, Any], name: str) -> Any:
    """The field's value, or `required`."""
    if name not in body:
        raise InvalidRequest("This field is required.", code="required", attr=name)
    return body[name]


def text(value: Any, name: str, *, max_length: int, blank: bool = False) -> str:
    """A string (a number is taken for one, as DRF does), trimmed."""
    _not_null(value, name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidRequest("Not a valid string.", attr=name)
    stripped = str(value).strip()
    if "\x00" in stripped:
        raise InvalidRequest("Null characters are not allowed.", code="null_characters_not_allowed", attr=name)
    if not stripped and not blank:
        raise InvalidRequest("This field may not be blank.", code="blank", attr=name)
    if len(stripped) > max_length:
        raise InvalidRequest(
            f"Ensure this field has no more than {max_length} characters.", code="max_length", attr=name
        )
    return stripped


def choice(value: Any, name: str, choices: Collection[Any]) -> Any:
    """One of `choices`; a form's `"1"` is the number 1."""
    _not_null(value, name)
    if not isinstance(value, bool):
        for known in choices:
            if str(known) == str(value):
                return known
    raise InvalidRequest(f'"{str(value)[:100]}" is not a valid choice.', code="invalid_choice", attr=name)


def boolean(value: Any, name: str) -> bool:
    """True or false, in any of DRF's spellings."""
    _not_null(value, name)
    spelled = str(value).lower()
    if spelled in ("true", "t", "yes", "y", "on", "1"):
        return True
    if spelled in ("false", "f", "no", "n", "off", "0"):
        return False
    raise InvalidRequest("Must be a valid boolean.", attr=name)


def list_of(value: Any, name: str) -> list[Any]:
    """A list of anything."""
    _not_null(value, name)
    if not isinstance(value, list):
        raise InvalidRequest(
            f'Expected a list of items but got type "{type(value).__name__}".', code="not_a_list", attr=name
        )
    return value


def integer(value: Any, name: str) -> int:
    """A whole number that PostgreSQL can hold."""
    _not_null(value, name)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _INT64_MAX:
        raise InvalidRequest("A valid integer is required.", attr=name)
    return value


def integers(value: Any, name: str) -> list[int]:
    """A list of integers."""
    return [integer(item, f"{name}__{index}") for index, item in enumerate(list_of(value, name))]


def uuids(value: Any, name: str) -> list[UUID]:
    """A list of UUIDs."""
    found = []
    for index, item in enumerate(list_of(value, name)):
        try:
            found.append(UUID(str(item)))
        except ValueError as exc:
            raise InvalidRequest("Must be a valid UUID.", attr=f"{name}__{index}") from exc
    return found


def _not_null(value: Any, name: str) -> None:
    if value is None:
        raise InvalidRequest("This field may not be null.", code="null", attr=name)
