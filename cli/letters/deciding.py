"""What is done about a letter: its record is put back on its topic, or it is dropped; and the decision is written down.

A replay puts the record back first and writes the decision then. Who is killed in between leaves the letter open: a
record may come back twice, and none is lost.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from cli.environment import Known
from cli.kafka import access, told
from cli.letters.open_letters import Entry, replays_of
from cli.letters.original import original
from shared.contracts import DECISION_HEADER, REPLAY_OF_HEADER, REPLAYED_HEADER, DeadLetter, Decision
from shared.errors import OperatorError
from shared.kafka import new_producer

__all__ = ["Desk", "open_desk"]

_SEND_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Both may block for a while, and raise OperatorError when it did not happen, or nobody knows whether it did."""

    kafka: Known
    topic: str
    """Of the dead letters."""
    producer: AIOKafkaProducer

    async def replay(self, entry: Entry, letter: DeadLetter) -> str:
        """Where its record is now: `topic/partition/offset`. The letter is closed afterwards."""
        record = await original(self.kafka, letter)
        ours = {REPLAYED_HEADER: str(replays_of(letter) + 1), REPLAY_OF_HEADER: entry.id}
        headers = [
            *(header for header in record.headers if header[0] not in ours),
            *((name, text.encode()) for name, text in ours.items()),
        ]
        placed = await self._send(letter.topic, key=record.key, value=record.value, headers=headers)
        await self._decide(entry, Decision.REPLAYED)
        return f"{placed.topic}/{placed.partition}/{placed.offset}"

    async def drop(self, entry: Entry) -> None:
        """The letter is closed afterwards."""
        await self._decide(entry, Decision.DROPPED)

    async def _decide(self, entry: Entry, decision: Decision) -> None:
        # Into the letter's own partition, behind it, whichever partitioner its writer used.
        await self._send(
            self.topic,
            key=entry.id.encode(),
            value=None,
            headers=[(DECISION_HEADER, decision.encode())],
            partition=entry.place.partition,
        )

    async def _send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
        partition: int | None = None,
    ) -> RecordMetadata:
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                return await self.producer.send_and_wait(topic, value, key=key, headers=headers, partition=partition)
        except (KafkaError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise OperatorError(f"Kafka did not acknowledge a record for {topic}: {why}") from error


@asynccontextmanager
async def open_desk(kafka: Known, topic: str) -> AsyncIterator[Desk]:
    producer = new_producer(access(kafka), "sluice-dead-letters")
    with told(kafka):
        await producer.start()
    try:
        yield Desk(kafka, topic, producer)
    finally:
        await producer.stop()
