"""Puts outcomes and dead letters on Kafka, and does not come back before they are there."""

import asyncio
from collections.abc import Sequence

from aiokafka.errors import MessageSizeTooLargeError
from faststream.kafka import KafkaBroker

from services.router_worker.publishing.sending import until_sent
from shared.contracts import AttemptFinished, DeadLetter, JobEnded
from shared.topics import DEAD_LETTERS, RESULTS, USAGE

__all__ = ["KafkaOutcomes"]

Message = tuple[str, bytes, bytes]
"""Topic, key, value."""


class KafkaOutcomes:
    """`acks=all` and idempotent by the broker's own settings (see the wiring)."""

    def __init__(self, broker: KafkaBroker, topic_prefix: str) -> None:
        self._broker = broker
        self._usage = USAGE.at(topic_prefix)
        self._results = RESULTS.at(topic_prefix)
        self._dead_letters = DEAD_LETTERS.at(topic_prefix)

    async def publish(self, ended: JobEnded, attempts: Sequence[AttemptFinished], traceparent: str | None) -> None:
        result = (self._results, ended.job_id.encode(), ended.to_bytes())
        await self._send([*self._charges(attempts), result], traceparent, job=ended.job_id)

    async def charge(self, attempts: Sequence[AttemptFinished], traceparent: str | None) -> None:
        if attempts:
            await self._send(self._charges(attempts), traceparent, job=attempts[0].job_id)

    def _charges(self, attempts: Sequence[AttemptFinished]) -> list[Message]:
        return [(self._usage, attempt.tenant.encode(), attempt.to_bytes()) for attempt in attempts]

    async def _send(self, messages: Sequence[Message], traceparent: str | None, *, job: str) -> None:
        headers = {"traceparent": traceparent} if traceparent else {}
        await until_sent(
            lambda: asyncio.gather(
                *(self._broker.publish(value, topic, key=key, headers=headers) for topic, key, value in messages)
            ),
            job=job,
        )

    async def bury(self, letter: DeadLetter) -> None:
        async def send() -> None:
            key = letter.origin.encode()
            try:
                await self._broker.publish(letter.to_bytes(), self._dead_letters, key=key)
            except MessageSizeTooLargeError:
                await self._broker.publish(letter.without_value().to_bytes(), self._dead_letters, key=key)

        await until_sent(send, origin=letter.origin)
