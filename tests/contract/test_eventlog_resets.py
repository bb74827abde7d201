"""Connections are reset, on the event loop of the services: no call fails but by its name, and the log goes on."""

import asyncio
import uuid
from typing import Any

import pytest
import uvloop
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from libs.kit.eventlog import NewRecord, Topic
from libs.kit.eventlog.kafka_connection import connection_options
from tests.support.cutting_proxy import cutting
from tests.support.eventlogs import RedisBackend, log_settings
from tests.support.kafka import shared_broker
from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer, running_valkey

TURNS_AROUND_A_RESET = 40
RESETS = 10


@pytest.mark.networked
def test_a_kafka_client_outlives_resets() -> None:
    """Whatever is sent, in whichever turn of the loop around a reset, is answered or refused as the library says; what
    keeps its metadata fresh lives on."""
    broker = shared_broker()

    async def scenario() -> None:
        async with asyncio.timeout(60), cutting(broker.proxy_port, broker.behind_proxy_port) as proxy:
            settings = log_settings(eventlog="kafka", kafka_brokers=f"127.0.0.1:{broker.proxy_port}")
            client = AIOKafkaClient(**connection_options(settings))
            await client.bootstrap()
            for _ in range(RESETS):
                assert await client.force_metadata_update()
                asked: list[asyncio.Task[Any]] = []
                proxy.reset()
                for _ in range(TURNS_AROUND_A_RESET):
                    asked.append(asyncio.create_task(client.send(client.get_random_node(), MetadataRequest([]))))
                    await asyncio.sleep(0)
                answers = await asyncio.gather(*asked, return_exceptions=True)
                refused = [answer for answer in answers if isinstance(answer, BaseException)]
                assert refused, "nothing was sent before the reset was noticed"
                assert [each for each in refused if not isinstance(each, KafkaError)] == []
            assert await client.force_metadata_update()
            await client.close()

    uvloop.run(scenario())


def test_a_reset_of_an_idle_connection_is_noticed_before_it_is_written_to() -> None:
    async def scenario(valkey: ValkeyServer) -> None:
        port = free_port()
        async with asyncio.timeout(60), cutting(port, valkey.port) as proxy:
            log = await RedisBackend(valkey.url.replace(str(valkey.port), str(port))).connect()
            topic = Topic(f"t{uuid.uuid4().hex[:12]}", groups=("readers",))
            await log.ensure([topic])
            for number in range(RESETS):
                await log.produce(topic.name, [NewRecord(b"k", b"%d" % number)])
                proxy.reset()
                await asyncio.sleep(0.01)
            async with log.consumer([topic.name], "readers") as consumer:
                values: list[bytes] = []
                while len(values) < RESETS:
                    for batch in await consumer.fetch(max_records=100, timeout=1):
                        values += [record.value for record in batch.records]
            assert values == [b"%d" % number for number in range(RESETS)]
            await log.close()

    with running_valkey() as valkey:
        uvloop.run(scenario(valkey))
