"""What a topic is on a Kafka cluster: its partitions, and the id that tells one incarnation from the next.

aiokafka speaks Metadata up to version 5; topic ids came with version 10. So version 12 is spelled out here, and sent
through aiokafka's client, which settles on the newest version that both sides know.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

NO_TOPIC_ID = bytes(16)


class Uuid(AbstractType[bytes]):  # type: ignore[misc]
    """Sixteen bytes as they are."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline", CompactArray(Int32)),
    ("tags", TaggedFields),
)


class MetadataResponseV12(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                ("partitions", CompactArray(*_PARTITION)),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class MetadataRequestV12(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = MetadataResponseV12
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicsRequest(Request[MetadataRequest_v5 | MetadataRequestV12]):  # type: ignore[misc]
    """Metadata of named topics, creating none."""

    API_KEY = 3

    def __init__(self, topics: list[str]):
        self._topics = topics

    def build(self, request_struct_class: type[Any]) -> Any:
        if request_struct_class is MetadataRequestV12:
            return MetadataRequestV12([(NO_TOPIC_ID, name, {}) for name in self._topics], False, False, {})
        return request_struct_class(self._topics, False)


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as the cluster describes it. `leaderless`: partitions that cannot be written now."""

    log_id: str
    partitions: int
    leaderless: tuple[int, ...]


async def describe_topics(client: AIOKafkaClient, topics: list[str]) -> dict[str, TopicDescription]:
    """Those of `topics` that exist. Raises KafkaError when no broker answers.

    A broker before version 2.8 (and some that only speak the protocol) has no topic ids: the log id then is cluster
    and name, and a topic made again under its old name is not told from the old one.
    """
    response = await client.send(client.get_random_node(), TopicsRequest(topics))
    found = {}
    for topic in response.topics:
        error, name = for_code(topic[0]), topic[1]
        if error is UnknownTopicOrPartitionError:
            continue
        if topic[0] and not error.retriable:
            raise error(name)
        topic_id = topic[2].hex() if response.API_VERSION >= 10 else name
        partitions = topic[4] if response.API_VERSION >= 10 else topic[3]
        # Without a leader, aiokafka and the broker both say -1.
        leaderless = tuple(partition[1] for partition in partitions if partition[2] < 0)
        found[name] = TopicDescription(f"{response.cluster_id}:{topic_id}", len(partitions), leaderless)
    return found
