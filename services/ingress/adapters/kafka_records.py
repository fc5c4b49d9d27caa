"""One Kafka producer for the life of this process: connected in the background, watched, and rebuilt when it breaks.

What a failed send means is the whole point here. Nothing was queued when the record never entered the producer's
buffer, or when the broker refused it by name. In every other case (no answer in time, above all) it may be on the
topic, or may still get there: aiokafka's own limits do not end a send while the broker is away, so it is set here.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from services.ingress.adapters.reachability import Reachability, plain
from services.ingress.ports import Dependency, RecordTooLargeError, UnavailableError, UnconfirmedError
from shared.backoff import Backoff
from shared.kafka import let_go
from shared.telemetry import Instruments
from shared.telemetry.metrics import PRODUCED

__all__ = ["KafkaRecords"]

log = structlog.get_logger()

_PATIENCE: Final = Backoff(base_seconds=0.2, cap_seconds=3.0)
_WATCH_SECONDS: Final = 2.0
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
_REFUSED: Final = (InvalidTopicError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError)
_BROKEN: Final = (OutOfOrderSequenceNumber, ProducerFenced)
"""An idempotent producer that raised one of these raises it for ever (aiokafka issue 1017)."""


def _by_key(partitions: int) -> None:  # noqa: ARG001 - as every choice of a partition
    return None


class KafkaRecords:
    def __init__(
        self,
        new_producer: Callable[[], AIOKafkaProducer],
        instruments: Instruments,
        reachability: Reachability,
        *,
        send_seconds: float,
    ) -> None:
        """Kafka is reachable while a broker answers."""
        self._new_producer = new_producer
        self._send_seconds = send_seconds
        self._produced = instruments.counter(PRODUCED)
        self._producer: AIOKafkaProducer | None = None
        self._broken = asyncio.Event()
        self._reachability = reachability

    async def run(self) -> None:
        """Until cancelled: have a producer that works."""
        failures = 0
        while True:
            self._broken.clear()
            producer = self._new_producer()
            try:
                await producer.start()
                self._producer = producer
                failures = 0
                self._reachability.answers()
                await self._watch(producer)
            except (KafkaError, OSError) as error:
                failures += 1
                self._reachability.away(plain(error))
            finally:
                self._producer = None
                await let_go(producer.stop(), within_seconds=self._send_seconds)
            await asyncio.sleep(_PATIENCE.delay(max(failures, 1), random.random()))  # noqa: S311 - jitter

    async def send(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        place: Callable[[int], int | None] = _by_key,
    ) -> None:
        """Returns when every in-sync replica has the record. Raises as `ports.JobQueue.put` says.

        `place` chooses one of so many partitions, or None to go by the key.
        """
        producer = self._producer
        # Shorter outages are waited out by the send itself.
        if producer is None or self._reachability.away_seconds > self._send_seconds:
            self._produced.labels(topic, "unavailable").inc()
            raise UnavailableError(Dependency.KAFKA, self._reachability.problem or "reconnecting")
        until = time.monotonic() + self._send_seconds
        delivery = await self._hand_over(producer, topic, key, value, headers, place)
        await asyncio.wait({delivery}, timeout=until - time.monotonic())
        if not delivery.done():
            self._produced.labels(topic, "unconfirmed").inc()
            delivery.add_done_callback(_consume)
            raise UnconfirmedError(f"no answer within {self._send_seconds:g} s")
        self._judge(topic, delivery.exception())

    async def _hand_over(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        place: Callable[[int], int | None],
    ) -> "asyncio.Future[Any]":
        """Into the producer's buffer. Whatever goes wrong up to here, nothing is queued."""
        try:
            async with asyncio.timeout(self._send_seconds):
                partition = place(len(await producer.partitions_for(topic)))
                delivery: asyncio.Future[Any] = await producer.send(
                    topic, value, key=key, partition=partition, headers=list(headers)
                )
                return delivery
        except _TOO_LARGE as error:
            raise RecordTooLargeError(str(error)) from error
        except (KafkaError, OSError, TimeoutError) as error:
            if isinstance(error, _BROKEN):
                self._broken.set()
            raise UnavailableError(Dependency.KAFKA, repr(error)) from error

    def _judge(self, topic: str, error: BaseException | None) -> None:
        if error is None:
            self._produced.labels(topic, "acknowledged").inc()
            return
        self._produced.labels(topic, "failed").inc()
        if isinstance(error, _TOO_LARGE):
            raise RecordTooLargeError(str(error)) from error
        if isinstance(error, _BROKEN):
            self._broken.set()
        if isinstance(error, _REFUSED):
            raise UnavailableError(Dependency.KAFKA, repr(error)) from error
        raise UnconfirmedError(repr(error)) from error

    async def _watch(self, producer: AIOKafkaProducer) -> None:
        """Ask for metadata now and then, so that an outage is known without a caller finding out; until it breaks."""
        while not self._broken.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_SECONDS):
                    await self._broken.wait()
            answered = False
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_SECONDS):
                    answered = await producer.client.force_metadata_update()
            if answered:
                self._reachability.answers()
            else:
                self._reachability.away("no broker answers")
        log.warning("producer_broken")


def _consume(delivery: "asyncio.Future[Any]") -> None:
    """The answer came after all; nobody waits for it."""
    if not delivery.cancelled() and (error := delivery.exception()) is not None:
        log.warning("late_send_failed", reason=repr(error))
    else:
        log.info("late_send_acknowledged")
