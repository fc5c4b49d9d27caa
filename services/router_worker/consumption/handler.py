"""What happens to one record: decoded, it is served as a job; undecodable, it is buried with its reason.

A record may also be what kills workers, even before it can be decoded. Those that a worker may have died of (see
`offset_ledger.py`) are therefore read one at a time, each behind a mark that outlives this process.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from services.router_worker.consumption.burial import Burials, Desk, Diagnosis, TooManyError
from services.router_worker.consumption.delivery import Delivery, current_delivery
from services.router_worker.consumption.ports import ReadingMarks
from services.router_worker.patience import until_answered
from services.router_worker.ports import Place
from shared.contracts import DeadLetterReason, Job

__all__ = ["RecordHandler", "ServesJobs"]

log = structlog.get_logger("consumption")

_TRIES: Final = 3
_MOST_DEATHS: Final = 3
"""The first death leaves no mark: nobody knew yet that there was a risk."""
_STACK_CHARACTERS: Final = 8000


class ServesJobs(Protocol):
    async def serve(self, job: Job, place: Place, traceparent: str | None) -> None: ...


GivesUp = Callable[[Job, Place, str | None], Awaitable[None]]
"""Ends a job that cannot be served, as failed."""


class RecordHandler:
    """`handle` serves a lane. Returning acknowledges the record, so nothing returns before it is dealt with."""

    def __init__(
        self,
        server: ServesJobs,
        give_up: GivesUp,
        burials: Burials,
        marks: ReadingMarks,
        *,
        read: Callable[[bytes], Job] = Job.model_validate_json,
        pause_seconds: float = 1.0,
    ) -> None:
        self._server = server
        self._give_up = give_up
        self._burials = burials
        self._marks = marks
        self._read = read
        self._pause_seconds = pause_seconds
        self._one_at_a_time = asyncio.Lock()

    async def handle(self, value: bytes) -> None:  # noqa: ARG002 - the delivery has it
        delivery = current_delivery.get()
        job = await (self._decode_with_care(delivery) if delivery.is_risky else self._decode(delivery))
        if job is not None:
            await self._serve(job, delivery)

    async def _decode(self, delivery: Delivery) -> Job | None:
        try:
            return self._read(delivery.value)
        except ValidationError as error:
            diagnosis = Diagnosis(_reason(error), _first_problem(error))
        except Exception as error:
            log.exception("record_not_read", origin=delivery.origin)
            diagnosis = Diagnosis(DeadLetterReason.CRASHED, repr(error), stack=_stack())
        await self._burials.bury(delivery, diagnosis)
        return None

    async def _decode_with_care(self, delivery: Delivery) -> Job | None:
        async with self._one_at_a_time:
            deaths = await until_answered(lambda: self._marks.begin(delivery.origin))
            if deaths < _MOST_DEATHS:
                job = await self._decode(delivery)
            else:
                job, message = None, f"{deaths} workers died while they read it"
                await self._burials.bury(delivery, Diagnosis(DeadLetterReason.CRASHED, message, tries=deaths))
            await until_answered(lambda: self._marks.end(delivery.origin))
            return job

    async def _serve(self, job: Job, delivery: Delivery) -> None:
        """A defect of ours must neither lose the job nor hold its partition for ever: try again, then give it up."""
        desk = Desk(delivery, self._burials, job.tenant)
        traceparent = delivery.headers.get("traceparent")
        for chance in range(1, _TRIES + 1):
            try:
                await self._server.serve(job, desk, traceparent)
            except TooManyError:
                raise
            except Exception as error:
                log.exception("job_crashed", job=job.id, chance=chance)
                diagnosis = Diagnosis(DeadLetterReason.CRASHED, repr(error), _stack(), chance, job.tenant)
            else:
                return
            if chance == _TRIES:
                await self._burials.bury(delivery, diagnosis)
                await self._give_up(job, desk, traceparent)
                return
            await asyncio.sleep(chance * self._pause_seconds)


def _reason(error: ValidationError) -> DeadLetterReason:
    undecodable = error.errors(include_url=False)[0]["type"] == "json_invalid"
    return DeadLetterReason.UNDECODABLE if undecodable else DeadLetterReason.SCHEMA


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _stack() -> str:
    """Of the error that is being handled; its end, where it is longest."""
    return traceback.format_exc()[-_STACK_CHARACTERS:]
