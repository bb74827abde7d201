"""The SQL of finding an event's references. The team comes first and is bound."""

from dataclasses import dataclass

import msgspec

from libs.kit.clickhouse import ClickHouse
from libs.kit.contracts.ai_blobs import Reference, reference_in

_PROPERTIES = """
    SELECT properties_raw FROM events
    WHERE team_id = {team:Int64} AND uuid = {uuid:UUID} AND startsWith(event, '$ai_')
    LIMIT 10
"""
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class ReferenceRepository:
    """What ClickHouse knows of them."""

    clickhouse: ClickHouse

    async def of_event(self, team_id: int, uuid: str, name: str) -> Reference | None:
        """Where the event's property is kept; None when there is no such event of the team, or the property is not kept
        apart. uuid: in its canonical form."""
        rows = (await self.clickhouse.query(_PROPERTIES, {"team": team_id, "uuid": uuid})).rows
        for (properties,) in rows:
            where = reference_in(_text(properties, name))
            if where is not None and where.uuid == uuid:  # an event may name another one's: that is not its own
                return where
        return None


def _text(properties: str, name: str) -> str | None:
    """A property that is a text; None for any other, and for none."""
    try:
        raw = bytes(_decode(properties).get(name, b""))
        return msgspec.json.decode(raw, type=str) if raw[:1] == b'"' else None
    except msgspec.MsgspecError:
        return None
