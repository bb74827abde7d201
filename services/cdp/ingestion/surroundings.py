"""What the steps of `prepare.py` must know about a batch, fetched at once: places of addresses, who visitors without
cookies are, which issue an exception belongs to."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from libs.kit.runtime import Runtime
from libs.kit.teams import Team
from services.cdp.ingestion import ai
from services.cdp.ingestion.cookieless_state import CookielessState
from services.cdp.ingestion.geoip import GeoIp, Place
from services.cdp.ingestion.issues import IssueStore
from services.cdp.ingestion.parse import Incoming, Rejected
from services.cdp.ingestion.prepare import Around, cookieless_asked, sightings
from services.cdp.settings import IngestionSettings

REFRESH_SECONDS = 10.0


class Surroundings:
    """One for a worker. Raises Unavailable when a store is away, and at the start for a price file it cannot read."""

    def __init__(self, runtime: Runtime, settings: IngestionSettings):
        self._clock = runtime.clock
        self._cookieless = None if settings.cookieless_disabled else CookielessState(runtime.state)
        self._issues = IssueStore(runtime.postgres)
        self._prices = ai.prices(settings.ai_prices_path)
        self._geoip = GeoIp(settings.geoip_path) if settings.geoip_path else None
        self._looked_at = float("-inf")

    async def of(
        self,
        events: Sequence[Incoming | Rejected],
        teams: Mapping[str, Team],
        fresh_from: Mapping[int, int],
        now: datetime,
    ) -> Around:
        """For these events. Without exceptions and cookieless events nothing is asked."""
        seen = sightings(events, teams, fresh_from, now)
        return Around(
            now=now,
            place=self._places(),
            identities=await self._cookieless.identities(cookieless_asked(events), teams, now)
            if self._cookieless
            else {},
            issues=await self._issues.issues(seen) if seen else {},
            prices=self._prices,
            cookieless=self._cookieless is not None,
        )

    def _places(self) -> Callable[[str], Place | None] | None:
        if self._geoip is None:
            return None
        at = self._clock.monotonic()
        if at - self._looked_at >= REFRESH_SECONDS:
            self._looked_at = at
            self._geoip.refresh()
        return self._geoip.place
