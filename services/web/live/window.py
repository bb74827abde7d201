"""The newest 1,000 events per team, in the `state` server, for one hour after the last.

Every web process tails the log and writes what it reads; the script refuses what another one wrote before: a hash
holds the next offset per partition (of this incarnation of the log). So each record gets one number, the same for all
processes, and a stream that breaks off can be continued in another process without loss or copies.

    live:{team}:window   sorted set: number -> the event as JSON
    live:{team}:written  hash: `last` number, and `<log id>:<partition>` -> next offset
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis

from libs.kit.access.sessions import translated
from services.web.live.event import LiveEvent

SIZE = 1000
TTL_SECONDS = 3600

# Numbers start at the microsecond of the first event, not at 1: after an hour of silence they must not begin again
# below what a browser has seen. They stay below 2^53, where a score is exact.
_WRITE = """
local window, written = KEYS[1], KEYS[2]
local size, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
local last = tonumber(redis.call('HGET', written, 'last') or '0')
if last == 0 then
  local now = redis.call('TIME')
  last = tonumber(now[1]) * 1000000 + tonumber(now[2])
end
local numbers = {}
for i = 3, #ARGV, 3 do
  local place, offset, event = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local next_offset = tonumber(redis.call('HGET', written, place) or '0')
  local number = redis.call('ZSCORE', window, event)
  if offset >= next_offset then
    redis.call('HSET', written, place, string.format('%.0f', offset + 1))
    if not number then
      last = last + 1
      number = string.format('%.0f', last)
      redis.call('ZADD', window, number, event)
    end
  end
  numbers[#numbers + 1] = number or '0'
end
redis.call('HSET', written, 'last', string.format('%.0f', last))
redis.call('ZREMRANGEBYRANK', window, 0, -size - 1)
redis.call('EXPIRE', window, ttl)
redis.call('EXPIRE', written, ttl)
return numbers
"""

_decode = msgspec.json.Decoder(LiveEvent).decode


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event and where it stood on the log. `place` is `<log id>:<partition>`."""

    place: str
    offset: int
    event: LiveEvent


class Window:
    """Writes and reads the windows. Raises Unavailable while the server is away."""

    def __init__(self, state: Redis):
        self._state = state
        self._write = state.register_script(_WRITE)

    async def write(self, team_id: int, arrivals: Sequence[Arrival]) -> list[int]:
        """The number of each event; 0 for one that fell out of the window long ago. Safe to repeat."""
        values: list[str | int | bytes] = [SIZE, TTL_SECONDS]
        for arrival in arrivals:
            values += [arrival.place, arrival.offset, msgspec.json.encode(arrival.event)]
        async with translated():
            numbers = await self._write(keys=_keys(team_id), args=values)
        return [int(float(number)) for number in numbers]

    async def read(self, team_id: int) -> list[tuple[int, LiveEvent]]:
        """The numbered events, oldest first."""
        async with translated():
            rows = await self._state.zrange(_keys(team_id)[0], 0, -1, withscores=True)
        return [(int(score), _decode(event)) for event, score in rows]


def _keys(team_id: int) -> list[str]:
    return [f"live:{{{team_id}}}:window", f"live:{{{team_id}}}:written"]
