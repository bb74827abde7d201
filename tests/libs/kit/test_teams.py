import dataclasses
from datetime import UTC, datetime
from typing import Any

from libs.kit.clock import ManualClock
from libs.kit.runtime import Runtime
from libs.kit.teams import Team, Teams
from tests.support.pipeline import TOKEN, prepare


class Counting:
    """PostgreSQL, counting what it is asked."""

    def __init__(self, real: Any):
        self._real = real
        self.asked: list[list[str]] = []

    async def fetch(self, statement: str, tokens: list[str]) -> Any:
        self.asked.append(sorted(tokens))
        return await self._real.fetch(statement, tokens)


async def test_tokens_are_asked_for_once_and_unknown_ones_soon_again(runtime: Runtime) -> None:
    await prepare(runtime)
    clock, postgres = ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), Counting(runtime.postgres)
    teams = Teams(postgres, clock, seconds=30, unknown_seconds=1, capacity=3)  # type: ignore[arg-type]
    expected = Team(1, TOKEN, "UTC", False)
    assert await teams.by_tokens([TOKEN, "no", "no", "n\0l"]) == {TOKEN: expected}
    assert await teams.by_tokens([TOKEN, "no"]) == {TOKEN: expected}
    assert postgres.asked == [["no", TOKEN]]
    clock.advance(2)
    assert await teams.by_token("no") is None
    assert await teams.by_token(TOKEN) == expected
    assert postgres.asked[1:] == [["no"]]
    await runtime.postgres.execute("UPDATE posthog_team SET anonymize_ips = true")
    teams.forget(TOKEN)
    assert await teams.by_token(TOKEN) == dataclasses.replace(expected, anonymize_ips=True)
    for number in range(10):
        await teams.by_token(f"t{number}")
    before = len(postgres.asked)
    await teams.by_token(TOKEN)
    assert len(postgres.asked) == before + 1, "it was the one unused for longest"
