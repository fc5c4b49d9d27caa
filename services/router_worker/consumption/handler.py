"""What happens to one record: decoded, it is served as a job; undecodable, it is buried with its reason."""

import asyncio
from typing import Protocol

import structlog
from pydantic import ValidationError

from services.router_worker.consumption.delivery import Delivery, current_delivery
from services.router_worker.ports import Graveyard, Place
from shared.clock import Clock
from shared.contracts import DeadLetter, DeadLetterReason, Job

__all__ = ["RecordHandler", "ServesJobs"]

log = structlog.get_logger("consumption")

_TRIES = 3


class ServesJobs(Protocol):
    async def serve(self, job: Job, place: Place, traceparent: str | None) -> None: ...


class RecordHandler:
    """`handle` serves a lane. Returning acknowledges the record, so nothing returns before it is dealt with."""

    def __init__(self, server: ServesJobs, graveyard: Graveyard, clock: Clock) -> None:
        self._server = server
        self._graveyard = graveyard
        self._clock = clock

    async def handle(self, value: bytes) -> None:
        delivery = current_delivery.get()
        try:
            job = Job.model_validate_json(value)
        except ValidationError as error:
            await self._bury(delivery, _reason(error), _first_problem(error))
            return
        await self._serve(job, delivery)

    async def _serve(self, job: Job, delivery: Delivery) -> None:
        """A defect of ours must neither lose the job nor hold its partition for ever: try again, then bury it."""
        for chance in range(1, _TRIES + 1):
            try:
                await self._server.serve(job, delivery, delivery.headers.get("traceparent"))
            except Exception as error:
                log.exception("job_crashed", job=job.id, chance=chance)
                if chance == _TRIES:
                    await self._bury(delivery, DeadLetterReason.CRASHED, repr(error), tenant=job.tenant)
                    return
                await asyncio.sleep(chance)
            else:
                return

    async def _bury(
        self, delivery: Delivery, reason: DeadLetterReason, message: str, tenant: str | None = None
    ) -> None:
        log.warning("dead_letter", topic=delivery.topic, offset=delivery.offset, reason=reason, message=message)
        await self._graveyard.bury(
            DeadLetter(
                topic=delivery.topic,
                partition=delivery.partition,
                offset=delivery.offset,
                key=delivery.key,
                value=delivery.value,
                headers=tuple(delivery.headers.items()),
                reason=reason,
                message=message,
                tenant=tenant,
                service="router_worker",
                failed_at=self._clock(),
            )
        )


def _reason(error: ValidationError) -> DeadLetterReason:
    undecodable = error.errors(include_url=False)[0]["type"] == "json_invalid"
    return DeadLetterReason.UNDECODABLE if undecodable else DeadLetterReason.SCHEMA


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
