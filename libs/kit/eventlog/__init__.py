"""The event log: one small interface, two backends (Kafka; Redis Streams read by offset), one contract suite.

    base.py     Record, NewRecord, Topic, EventLog, Consumer, Tail: the promises
    kafka.py    aiokafka
    redis.py    Redis Streams with dense ids, leases and fencing
    testing.py  an in-memory log held to the same contract, for unit tests of loops

`tests/contract/test_eventlog.py` holds every backend to `base.py`.
"""

from libs.kit.eventlog.base import Assignment, Batch, Consumer, EventLog, NewRecord, Record, Tail, Topic

__all__ = ["Assignment", "Batch", "Consumer", "EventLog", "NewRecord", "Record", "Tail", "Topic"]
