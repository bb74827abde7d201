"""Capture: takes events from SDKs over HTTP and acknowledges them once the event log has them durably.

Writes the topics `events_plugin_ingestion`, `..._overflow` and `..._historical` (shape:
`kit.contracts.events.CapturedEvent`), and dead letters where a restriction says so; owns no table, waits for no store
but the log (and that of blobs, for AI events larger than a record), and never asks whether a token exists: ingestion
does. In order of control flow:

    protocol.py    the fast caller: POSTs straight from the parser      asgi.py    the ASGI caller, for all others
    bodies.py      what bodies may take of the memory while they are read
    intake.py      asks `handle`, produces by group_commit.py, answers; accounting.py counts
    handle.py      the decision: request in, records and answer out; no I/O
    decision.py    what is asked and what is decided: the shapes all callers and dialects share
    policies/      quotas, restrictions, limits: what is kept, and on which topic
    client.py      address and CORS of the sender
    answers.py     what is said back, the refusals, and how each dialect says them
    openapi.py     the document of the endpoints

The v0 dialect, which the whole request passes or fails together:

    query.py       query parameters                 decoding.py    bytes on the wire -> JSON text
    shapes.py      JSON text -> events              lz_string.py   what posthog-js packed with before gzip
    tokens.py      whose events they are            identity.py    distinct_id, uuid, cookieless
    times.py       when they happened               heatmaps.py    clicks, made an event of their own
    records.py     events -> records of the log     scanned.py     all of it at once, for the common case

The v1 dialect, with a verdict on each event, and AI events with their blobs:

    v1_headers.py  what the request says of itself  content_codings.py  gzip, deflate, br, zstd
    v1.py          the body and its verdicts        v1_events.py        one event: taken or dropped
    ai_multipart.py  parts of one event             ai_events.py        as one record, or with its parts apart
    ai_blobs.py      puts these into the blob store
"""
