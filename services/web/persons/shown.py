"""A person as others see one: the API's object, and the name a person goes by. Plain functions."""

from typing import Any

from services.web.answers import iso
from services.web.persons.repository import Person

EMAIL_PROPERTIES = ("email", "Email", "$email")
# What PostHog shows a person by: the first of these properties that says something, else a distinct id.
_DISPLAY = (*EMAIL_PROPERTIES, "name", "Name", "username", "Username", "UserName")


def shown(person: Person) -> dict[str, Any]:
    """The `Person` of PostHog's API."""
    return {
        "id": str(person.uuid),
        "uuid": str(person.uuid),
        "name": name_of(person),
        "distinct_ids": list(person.distinct_ids),
        "properties": dict(person.properties),
        "created_at": iso(person.created_at),
        "last_seen_at": iso(person.last_seen_at),
        "is_identified": person.is_identified,
    }


def name_of(person: Person) -> str:
    """Never empty."""
    said = (person.properties.get(name) for name in _DISPLAY)
    named = next((str(value) for value in said if value not in (None, "")), None)
    return named or (person.distinct_ids[0] if person.distinct_ids else str(person.uuid))


def has_email(person: Person, email: str) -> bool:
    """Whether it is one of the person's addresses, in any case."""
    return any(str(person.properties.get(name)).casefold() == email.casefold() for name in EMAIL_PROPERTIES)
