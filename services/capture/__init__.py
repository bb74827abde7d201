"""Capture: takes events from SDKs over HTTP and acknowledges them once the event log has them durably.

Writes the topic `events_plugin_ingestion` (shape: `kit.contracts.events.CapturedEvent`); owns no table, reads no store,
and never asks whether a token exists: ingestion does. In order of control flow:

    protocol.py    the fast caller: POSTs straight from the parser      asgi.py    the ASGI caller, for all others
    bodies.py      what bodies may take of the memory while they are read
    intake.py      asks `handle`, produces by group_commit.py, answers; accounting.py counts
    handle.py      the decision: request in, records and answer out; no I/O
    query.py       query parameters                 decoding.py    bytes on the wire -> JSON text
    shapes.py      JSON text -> events              tokens.py      whose events they are
    identity.py    distinct_id, uuid, cookieless    times.py       when they happened
    records.py     events -> records of the log     client.py      address and CORS of the sender
    answers.py     what is said back, and the refusals
"""
