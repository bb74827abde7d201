"""Parts of AI events that are kept apart go before the events that refer to them: afterwards nobody knows of them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from libs.kit.contracts.ai_blobs import KEY_IN_TEXT
from libs.kit.runtime import Runtime

_EVENTS = 1_000
_AT_ONCE = 8
_KEYS = """
    SELECT toString(uuid) AS id, extractAll(properties_raw, {key:String}) AS keys FROM events
    WHERE (@condition) AND startsWith(event, '$ai_') AND position(properties_raw, 's3://') > 0
      AND toString(uuid) > {after:String} AND notEmpty(keys)
    ORDER BY id LIMIT {most:UInt32}
"""


def own_keys(rows: Iterable[tuple[str, Sequence[str]]]) -> set[str]:
    """The keys of blobs of these events. rows: an event's uuid, and keys in its properties: an event may name another
    one's, and that stays."""
    return {key for uuid, keys in rows for key in keys if key.split("/")[2] == uuid}


async def forget_blobs(runtime: Runtime, condition: str, params: Mapping[str, Any]) -> int:
    """Remove the blobs of all events that meet the condition, text of ours with its values; how many. Raises
    Unavailable, and may be repeated."""
    after, removed = "", 0
    while True:
        more = {"key": KEY_IN_TEXT, "after": after, "most": _EVENTS}
        rows = (await runtime.clickhouse.query(_KEYS.replace("@condition", condition), {**params, **more})).rows
        if not rows:
            return removed
        keys = sorted(own_keys((str(uuid), list(found)) for uuid, found in rows))
        for start in range(0, len(keys), _AT_ONCE):
            await asyncio.gather(*(runtime.blobs.delete(key) for key in keys[start : start + _AT_ONCE]))
        removed += len(keys)
        after = str(rows[-1][0])
