"""The keys we hand out: how they are made, stored and shown."""

import hashlib
import secrets
import string

PROJECT_TOKEN_PREFIX = "phc_"  # noqa: S105 - a prefix
PERSONAL_KEY_PREFIX = "phx_"
SECRET_TOKEN_PREFIX = "phs_"  # noqa: S105 - a prefix

_BASE62 = string.ascii_letters + string.digits


def new_token(prefix: str) -> str:
    """A fresh key: the prefix and 43 random base62 characters (256 bits)."""
    return prefix + "".join(secrets.choice(_BASE62) for _ in range(43))


def stored_form(value: str) -> str:
    """What is kept of a key or session id. They are 256 random bits, so a plain digest cannot be searched."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def masked(value: str) -> str:
    """What a list shows: `phx_...abcd`; a short value, which would be given away, not at all."""
    return f"{value[:4]}...{value[-4:]}" if len(value) >= 16 else "********"
