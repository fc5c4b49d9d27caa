"""The submit topic: every line is a record, acknowledged by all replicas, once, whatever the network does meanwhile."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from cli.environment import Known
from cli.kafka import access, told
from cli.submission.door import Accepted, Fate, RefusedLine, Unknown
from cli.submission.lines import Line
from shared.config.keys import hash_key, public_id
from shared.ids import derived_job_id, new_id
from shared.kafka import new_producer
from shared.signing import SIGNATURE, SIGNED_AT, SIGNED_BY, SIGNED_ID, signature, signing_secret

__all__ = ["TopicDoor"]

_AT_ONCE: Final = 500
_ACKNOWLEDGED_SECONDS: Final = 60.0
_SENDERS_TIME: Final = 0
"""Kafka's `CreateTime`, the default; the other is `LogAppendTime`, the broker's."""


@dataclass(frozen=True, slots=True)
class TopicDoor:
    kafka: Known
    topic: str
    headers: Sequence[tuple[str, bytes]]
    tenant: str | None
    """Whose jobs its records become, where the configuration at hand says so."""
    key: str | None = None
    """With which the records are signed, where the topic asks for that."""

    def send(self, lines: Iterable[Line], settled: Callable[[Fate], None], submission: str) -> None:  # noqa: ARG002
        """A record is acknowledged or not; who is killed in between does not learn which job a second one would be."""
        with told(self.kafka):
            asyncio.run(self._send(lines, settled))

    async def _send(self, lines: Iterable[Line], settled: Callable[[Fate], None]) -> None:
        async with new_producer(access(self.kafka), "sluice-submit") as producer:
            running: set[asyncio.Task[Fate]] = set()
            async with asyncio.TaskGroup() as sending:
                try:
                    for line in lines:
                        running.add(sending.create_task(self._send_one(producer, line)))
                        if len(running) == _AT_ONCE:
                            running = await _settle_some(running, settled)
                finally:  # after Ctrl-C too: what has been sent must be remembered
                    while running:
                        running = await _settle_some(running, settled)

    async def _send_one(self, producer: AIOKafkaProducer, line: Line) -> Fate:
        try:
            async with asyncio.timeout(_ACKNOWLEDGED_SECONDS):
                sent_ms = int(time.time() * 1000)
                signed = self._signed(line.raw, sent_ms)
                placed = await producer.send_and_wait(
                    self.topic, line.raw, headers=[*self.headers, *signed.values()], timestamp_ms=sent_ms
                )
        except MessageSizeTooLargeError:
            return RefusedLine(line, f"larger than a record may be ({len(line.raw):,} bytes)")
        except (KafkaError, TimeoutError) as error:
            return Unknown(line, f"Kafka did not acknowledge it: {str(error) or type(error).__name__}")
        job = self._job(placed, sent_ms, signed[SIGNED_ID][1].decode() if signed else None)
        return Accepted(line, job, f"{placed.topic}/{placed.partition}/{placed.offset}")

    def _signed(self, body: bytes, at_ms: int) -> dict[str, tuple[str, bytes]]:
        """The headers that prove whose record it is."""
        if self.key is None:
            return {}
        record_id, secret = new_id("record"), signing_secret(hash_key(self.key))
        texts = {
            SIGNED_BY: public_id(self.key) or "",
            SIGNED_AT: str(at_ms),
            SIGNED_ID: record_id,
            SIGNATURE: signature(secret, at_ms=at_ms, topic=self.topic, record_id=record_id, body=body),
        }
        return {name: (name, text.encode()) for name, text in texts.items()}

    def _job(self, placed: RecordMetadata, sent_ms: int, record_id: str | None) -> str | None:
        """As the ingress derives it, so that a record read twice is one job."""
        if self.tenant is None:
            return None
        if record_id is not None:
            return derived_job_id(sent_ms, self.tenant, placed.topic, "signed", record_id)
        # Of a batch of records whose time is the sender's, aiokafka tells each one the time of the first.
        moment = sent_ms if placed.timestamp_type == _SENDERS_TIME else placed.timestamp
        return derived_job_id(moment, self.tenant, placed.topic, str(placed.partition), str(placed.offset))


async def _settle_some(running: set[asyncio.Task[Fate]], settled: Callable[[Fate], None]) -> set[asyncio.Task[Fate]]:
    done, rest = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        settled(task.result())
    return rest
