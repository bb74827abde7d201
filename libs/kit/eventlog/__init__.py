"""The event log: one small interface, two backends (Kafka; Redis Streams read by offset), one contract suite.

    base.py     Record, NewRecord, Topic, EventLog, Consumer, Tail: the promises
    open.py     which of the two a process uses
    kafka.py    aiokafka; kafka_producer.py, kafka_consumer.py, kafka_metadata.py, kafka_connection.py
    redis.py    Redis Streams with dense ids, leases and fencing; redis_producer.py, redis_consumer.py,
                redis_scripts.py (Lua), redis_streams.py (keys and entries), redis_wire.py (one connection)
    wal.py      a log on a local disk that takes over while the other is away; wal_files.py, wal_format.py
    block.py    records to produce as bytes already, without an object each
    inflight.py what may be under way without an acknowledgement, in bytes
    testing.py  an in-memory log held to the same contract, for unit tests of loops

`tests/contract/test_eventlog.py` holds every backend to `base.py`.
"""

from libs.kit.eventlog.base import Assignment, Batch, Consumer, EventLog, Headers, NewRecord, Record, Tail, Topic

__all__ = ["Assignment", "Batch", "Consumer", "EventLog", "Headers", "NewRecord", "Record", "Tail", "Topic"]
