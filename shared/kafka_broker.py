"""How does a service consume from Kafka? One broker of FastStream's for all it reads and writes."""

from functools import partial
from typing import Any

from faststream.kafka import KafkaBroker

from shared.kafka import REQUEST_MS, SEND_MS
from shared.kafka_access import KafkaAccess

__all__ = ["broker_for"]


class _PatientBroker(KafkaBroker):
    """Its consumers are patient, because to join a group takes as long as a rebalance may; what it publishes is not."""

    async def start(self) -> None:
        await self.connect()
        config = self.config.broker_config
        config.builder = partial(config.builder, request_timeout_ms=REQUEST_MS)
        await super().start()


def broker_for(kafka: KafkaAccess, client_id: str, **options: Any) -> KafkaBroker:  # noqa: ANN401 - handed on
    """Not started yet. What it publishes is on every in-sync replica, once and in order, when it is acknowledged."""
    return _PatientBroker(
        kafka.servers,
        security=kafka.security(),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=SEND_MS,
        allow_auto_create_topics=False,
        apply_types=False,
        logger=None,
        **options,
    )
