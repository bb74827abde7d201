"""Typed clients for our own services, and the two ways to reach one: over HTTP, or inside the process.

    transport.py  an httpx transport that calls an ASGI app: streams, times out, cancels
    services.py   Services: where each service answers
    query.py      QueryClient

A caller never knows which way it is: on one machine the composition root puts the apps in, on a cluster addresses come
from settings.
"""

from libs.kit.clients.query import QueryClient
from libs.kit.clients.services import Services

__all__ = ["QueryClient", "Services"]
