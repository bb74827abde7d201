"""How to reach a Kafka cluster, from settings, in the words of aiokafka."""

from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.helpers import create_ssl_context

from libs.kit.settings import KitSettings


class NoticingConnection(AIOKafkaConnection):  # type: ignore[misc]
    """A connection that was reset is closed before anything is written to it.

    aiokafka closes it a few turns of the loop after uvloop has; whatever is written in between raises a RuntimeError,
    which it does not expect: the task that keeps its metadata fresh ends, and its client waits for ever
    (aio-libs/aiokafka#1038).
    """

    def send(self, request: Any, expect_response: bool = True) -> Any:
        self._notice_a_reset()
        return super().send(request, expect_response)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        self._notice_a_reset()
        return super()._send_sasl_token(payload, expect_response)

    def _notice_a_reset(self) -> None:
        if self._writer is not None and self._writer.transport.is_closing():
            self.close(reason=CloseReason.CONNECTION_BROKEN)


aiokafka.conn.AIOKafkaConnection = NoticingConnection


def connection_options(settings: KitSettings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes."""
    if settings.kafka_brokers is None:
        raise ValueError("HEDGEROW_KAFKA_BROKERS is needed for the event log in Kafka")
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_brokers,
        "client_id": "hedgerow",
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": int(settings.log_timeout_seconds * 1000),
        # A topic that is made, or made again, while we run is noticed after this time.
        "metadata_max_age_ms": 10_000,
    }
    if settings.kafka_security_protocol in ("SSL", "SASL_SSL"):
        cafile = settings.kafka_ca_file
        options["ssl_context"] = create_ssl_context(cafile=None if cafile is None else str(cafile))
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_password
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = None if password is None else password.get_secret_value()
    return options
