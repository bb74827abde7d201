"""How to reach a Kafka cluster, from settings, in the words of aiokafka."""

from typing import Any

from aiokafka.helpers import create_ssl_context

from libs.kit.settings import KitSettings


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
