"""The topic door: records of the submit topics become jobs, by the same admission as HTTP, or dead letters.

Whoever may write to a topic submits as the caller it is bound to. A batch is admitted record by record, in parallel,
and its offsets are committed when every record of it is a queued job or a dead letter; so a crash repeats some, and a
job's id is made of its record's place, so that a repeat is the same job: the workers see it by the claim, and what is
older than claims may be is looked for here. A producer that publishes a request twice says so by an id of its own: the
header `sluice-idempotency-key`, or a CloudEvent's. While Kafka is away the batch waits.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from faststream.middlewares import AckPolicy

from services.ingress.adapters.attendance import Attendance
from services.ingress.admission import Caller, CompletionRequest, Manner, Reason, Refused, read_request, read_wishes
from services.ingress.ports import DeadLetterQueue, RecordTooLargeError, UnavailableError, UnconfirmedError
from services.ingress.reception import Fresh, Known, Received, Reception
from services.ingress.submitters import Submitter, Submitters
from shared.backoff import Backoff
from shared.clock import Clock
from shared.contracts import DeadLetter, DeadLetterReason, Door
from shared.groups import member_id_of
from shared.ids import JobId, derived_job_id
from shared.kafka import REBALANCE_MS, REQUEST_MS, let_go
from shared.kafka_access import KafkaAccess
from shared.telemetry import Instruments, TraceContext
from shared.telemetry.metrics import SUBMISSIONS

__all__ = ["SubmitTopics", "Terms", "submit_broker"]

log = structlog.get_logger()

_KEY_HEADER: Final = "sluice-idempotency-key"
_BATCH: Final = 256
_IDLE_MS: Final = 50
_STOP_SECONDS: Final = 15
_DAY_MS: Final = 86_400_000
"""A batch waits for Kafka as long as it takes, and the consumer stays in its group."""
_COMMIT_SECONDS: Final = 10
_PATIENCE: Final = Backoff(base_seconds=0.2, cap_seconds=5.0)


@dataclass(frozen=True, slots=True)
class Terms:
    body_bytes: int
    """The most a record's value may have."""
    claims_kept: timedelta
    """How long after a job's end its claim still tells of it."""


def submit_broker(kafka: KafkaAccess, client_id: str) -> KafkaBroker:
    return KafkaBroker(
        kafka.servers,
        security=kafka.security(),
        client_id=client_id,
        allow_auto_create_topics=False,
        # A topic that is created later is found within this time.
        metadata_max_age_ms=30_000,
        request_timeout_ms=REQUEST_MS,
        apply_types=False,
        logger=None,
    )


class SubmitTopics:
    def __init__(
        self,
        broker: KafkaBroker,
        submitters: Submitters,
        *,
        attendance: Attendance,
        terms: Terms,
        reception: Reception,
        dead_letters: DeadLetterQueue,
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._submitters = submitters
        self._terms = terms
        self._reception = reception
        self._dead_letters = dead_letters
        self._clock = clock
        self._counted = instruments.counter(SUBMISSIONS)
        self._stopping = False
        self._broker = broker
        self._attendance = attendance
        self._fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._subscriber = broker.subscriber(
            *submitters.topics,
            group_id=attendance.group,
            batch=True,
            max_records=_BATCH,
            batch_timeout_ms=_IDLE_MS,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_poll_interval_ms=_DAY_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            parser=_as_it_is,
            decoder=_records,
        )
        self._subscriber(self._take)

    async def run(self) -> None:
        """Until cancelled. Raises what nobody foresaw: going on would commit past a record that was not settled."""
        attending = asyncio.create_task(self._attendance.keep(self), name="attendance")
        try:
            ends: set[asyncio.Future[Any]] = {attending, self._fault}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await (self._fault if self._fault.done() else attending)
        finally:
            # What still waits for Kafka is given up: its offsets are not committed, and another replica takes it.
            self._stopping = True
            attending.cancel()
            await asyncio.wait([attending])
            await self.disconnect()

    def member_id(self) -> str:
        consumer = self._subscriber.consumer
        return member_id_of(consumer) if consumer is not None else ""

    async def disconnect(self) -> None:
        """A consumer that is broken may never stop by itself."""
        await let_go(self._broker.stop(), within_seconds=_STOP_SECONDS)

    async def connect(self) -> None:
        failures = 0
        while True:
            try:
                await self._broker.start()
            except (KafkaError, OSError) as error:
                failures += 1
                if failures == 1:
                    log.warning("submit_topics_unreachable", reason=repr(error))
                await self.disconnect()
                await asyncio.sleep(_PATIENCE.delay(failures, random.random()))  # noqa: S311 - jitter
            else:
                log.info("submit_topics_followed", topics=sorted(self._submitters.topics))
                return

    async def _take(self, records: Sequence[ConsumerRecord]) -> None:
        if self._fault.done():
            return
        try:
            settled = await asyncio.gather(*map(self._settle, records))
        except Exception as error:
            # FastStream would log it and go on to the next batch, whose commit would then cover this one.
            self._fault.set_exception(error)
            raise
        if all(settled):
            await self._commit(records)

    async def _settle(self, record: ConsumerRecord) -> bool:
        """Until the record is a job or a dead letter; False when the process stops first."""
        failures = 0
        while not self._stopping:
            try:
                outcome = await self._submit(record)
            except (UnavailableError, UnconfirmedError) as error:
                failures += 1
                if failures == 1:
                    log.warning("submission_waits", topic=record.topic, offset=record.offset, reason=str(error))
                await asyncio.sleep(_PATIENCE.delay(failures, random.random()))  # noqa: S311 - jitter
            else:
                self._counted.labels(record.topic, outcome).inc()
                return True
        return False

    async def _submit(self, record: ConsumerRecord) -> str:
        try:
            received = await self._accept(record)
        except RecordTooLargeError as error:
            received = Refused(Reason.TOO_LARGE, str(error))
        except (UnavailableError, UnconfirmedError):
            raise
        # The edge of this door: a record that meets a defect of ours must not stop the ones behind it.
        except Exception as error:
            log.exception("submission_crashed", topic=record.topic, partition=record.partition, offset=record.offset)
            await self._bury(record, DeadLetterReason.CRASHED, repr(error), None)
            return "crashed"
        match received:
            case Fresh():
                return "accepted"
            case Known():
                return "repeated"
            case Refused():
                reason = _DEAD_LETTER_REASONS.get(received.reason, DeadLetterReason.REFUSED)
                at = f" (at {received.param})" if received.param else ""
                await self._bury(record, reason, received.message + at, received.reason)
                return reason

    async def _accept(self, record: ConsumerRecord) -> Received | Refused:
        headers = [(name, value) for name, value in record.headers if value is not None]
        texts = {name.lower(): value.decode("utf-8", "replace") for name, value in headers}
        submitter = await self._submitters.of(record.topic, texts, record.value or b"")
        if isinstance(submitter, Refused):
            return submitter
        request = self._read(record.value, texts, submitter)
        if isinstance(request, Refused):
            return request
        job, unix_ms = _job_of(record, submitter)
        received = await self._receive(request, submitter.caller, job, unix_ms)
        if isinstance(received, Refused):
            return received
        found = TraceContext.from_headers(headers)
        await self._reception.queue(received, found.child() if found else TraceContext.new())
        return received

    def _read(self, value: bytes | None, texts: dict[str, str], submitter: Submitter) -> CompletionRequest | Refused:
        if value is None:
            return Refused(Reason.MALFORMED_JSON, "The record has no value.")
        if len(value) > self._terms.body_bytes:
            return Refused(Reason.TOO_LARGE, f"The record is larger than {self._terms.body_bytes} bytes.")
        if submitter.signed is not None:
            # No other: what is not signed must not make another job of it.
            texts[_KEY_HEADER] = f"signed {submitter.signed.record_id}"
        elif "ce_id" in texts:
            texts.setdefault(_KEY_HEADER, f"{texts.get('ce_source', '')} {texts['ce_id']}")
        wishes = read_wishes(texts.get, "sluice-", key_header=_KEY_HEADER)
        return (
            wishes if isinstance(wishes, Refused) else read_request(value, Manner(Door.TOPIC, submitter.lane), wishes)
        )

    async def _receive(
        self, request: CompletionRequest, caller: Caller, job: JobId, unix_ms: int
    ) -> Received | Refused:
        """`unix_ms` is the time of the record."""
        if self._clock().timestamp() - unix_ms / 1000 > self._terms.claims_kept.total_seconds():
            known = await self._reception.known(request, caller, job)
            if known is not None:
                return known
        received = await self._reception.receive(request, caller, job)
        # A record that is read again has the id it had.
        return replace(received, repeatable=True) if isinstance(received, Fresh) else received

    async def _bury(self, record: ConsumerRecord, reason: DeadLetterReason, message: str, code: str | None) -> None:
        letter = DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value or b"",
            headers=tuple((name, (value or b"").decode("utf-8", "replace")) for name, value in record.headers),
            reason=reason,
            message=message,
            code=code,
            tenant=self._submitters.tenant_of(record.topic),
            service="ingress",
            failed_at=self._clock(),
        )
        await self._dead_letters.put(letter)

    async def _commit(self, records: Sequence[ConsumerRecord]) -> None:
        """A commit that fails costs a repeat, and a repeat gives the same jobs."""
        offsets = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        consumer = self._subscriber.consumer
        if consumer is None:
            return
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await consumer.commit(offsets)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            log.warning("submission_commit_failed", reason=repr(error))


def _job_of(record: ConsumerRecord, submitter: Submitter) -> tuple[JobId, int]:
    """The id of its job, and the time that is in it: by the record's place, or by what was signed, wherever it is."""
    if submitter.signed is not None:
        at_ms = submitter.signed.at_ms
        return derived_job_id(at_ms, submitter.caller.tenant, record.topic, "signed", submitter.signed.record_id), at_ms
    at_ms = max(record.timestamp, 0)
    place = (submitter.caller.tenant, record.topic, str(record.partition), str(record.offset))
    return derived_job_id(at_ms, *place), at_ms


_DEAD_LETTER_REASONS: Final = {
    Reason.MALFORMED_JSON: DeadLetterReason.UNDECODABLE,
    Reason.INVALID_VALUE: DeadLetterReason.SCHEMA,
    Reason.INVALID_TYPE: DeadLetterReason.SCHEMA,
    Reason.MISSING_PARAMETER: DeadLetterReason.SCHEMA,
}


async def _as_it_is(records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    """FastStream's own parser decodes every header: one that is not UTF-8 would take the whole batch with it."""
    return KafkaMessage(body=b"", raw_message=records, consumer=FAKE_CONSUMER)


async def _records(message: Any) -> Any:  # noqa: ANN401 - FastStream calls it untyped
    return message.raw_message
