"""Capture: takes events from SDKs over HTTP and acknowledges them once the event log has them durably.

Writes the topics `events_plugin_ingestion`, `..._overflow` and `..._historical` (shape:
`kit.contracts.events.CapturedEvent`), and dead letters where a restriction says so; owns no table, waits for no store
but the log, and never asks whether a token exists: ingestion does. In order of control flow:

    asgi.py        the ASGI caller: reads the body under a cap, asks `handle`, produces, answers
    handle.py      the decision: request in, records and answer out; no I/O
    query.py       query parameters                 decoding.py    bytes on the wire -> JSON text
    shapes.py      JSON text -> events              tokens.py      whose events they are
    identity.py    distinct_id, uuid, cookieless    times.py       when they happened
    records.py     events -> records of the log     client.py      address and CORS of the sender
    policies/      quotas, restrictions, limits: what is kept, and on which topic
    answers.py     what is said back, and the refusals
"""
