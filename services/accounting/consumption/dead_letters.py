"""Puts what nobody could read on the dead letters topic, keyed by where it came from."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faststream.kafka import KafkaBroker

from services.accounting.ports import AwayError
from shared.contracts import DeadLetter
from shared.topics import DEAD_LETTERS

__all__ = ["KafkaDeadLetters"]

log = structlog.get_logger("accounting")

_SEND_SECONDS: Final = 30
"""Kafka's client has no limit of its own. After it the outcome is unknown, and a second copy is harmless."""


class KafkaDeadLetters:
    """The port `DeadLetters`."""

    def __init__(self, broker: KafkaBroker, topic_prefix: str) -> None:
        self._broker = broker
        self._topic = DEAD_LETTERS.at(topic_prefix)

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await asyncio.gather(*map(self._send, letters))
        except (KafkaError, TimeoutError) as error:
            raise AwayError(repr(error)) from error

    async def _send(self, letter: DeadLetter) -> None:
        origin = f"{letter.topic}/{letter.partition}/{letter.offset}"
        log.warning("dead_letter", origin=origin, reason=letter.reason, message=letter.message)
        try:
            await self._broker.publish(letter.to_bytes(), self._topic, key=origin.encode())
        except MessageSizeTooLargeError:
            await self._broker.publish(letter.without_value().to_bytes(), self._topic, key=origin.encode())
