"""Where our services answer: inside this process when they run here, else at the address from settings."""

from collections.abc import Mapping

import httpx
from starlette.types import ASGIApp

from libs.kit.clients.transport import InProcessTransport
from libs.kit.errors import Unavailable


class Services:
    """One httpx client per service, opened when first asked for."""

    def __init__(self, addresses: Mapping[str, str], *, timeout_seconds: float):
        self._addresses = dict(addresses)
        self._timeout = timeout_seconds
        self._here: dict[str, ASGIApp] = {}
        self._clients: dict[str, httpx.AsyncClient] = {}

    def run_here(self, apps: Mapping[str, ASGIApp]) -> None:
        """These services are in this process: call them without a network. An address in settings still wins."""
        self._here.update(apps)

    def http(self, service: str) -> httpx.AsyncClient:
        """The client of a service. Raises Unavailable when nobody has said where it is."""
        if service not in self._clients:
            self._clients[service] = self._opened(service)
        return self._clients[service]

    def _opened(self, service: str) -> httpx.AsyncClient:
        if address := self._addresses.get(service):
            return httpx.AsyncClient(base_url=address, timeout=self._timeout)
        if app := self._here.get(service):
            transport = InProcessTransport(app)
            return httpx.AsyncClient(base_url=f"http://{service}.internal", transport=transport, timeout=self._timeout)
        raise Unavailable(f"The {service} service is not here, and HEDGEROW_{service.upper()}_URL does not say where.")

    async def close(self) -> None:
        """Let go of connections."""
        for client in self._clients.values():
            await client.aclose()
