"""The way out for a record that nobody can work with: to the dead letters with its reason, until there are too many."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog

from services.router_worker.consumption.delivery import Delivery
from services.router_worker.consumption.ports import Graveyard, IntakeMeasures
from shared.burials import BurialLimit
from shared.clock import Clock
from shared.contracts import DeadLetter, DeadLetterReason

__all__ = ["Burials", "Desk", "Diagnosis", "TooManyError"]

log = structlog.get_logger("consumption")


class TooManyError(Exception):
    """Nothing more is set aside: the lane has been halted, and the record stays where it is."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a record."""

    reason: DeadLetterReason
    message: str
    stack: str | None = None
    tries: int | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Burials:
    """Of one lane."""

    graveyard: Graveyard
    limit: BurialLimit
    measures: IntakeMeasures
    halt: Callable[[str], None]
    clock: Clock

    async def bury(self, delivery: Delivery, diagnosis: Diagnosis) -> None:
        """Afterwards Kafka has it among the dead letters. Waits for Kafka. Raises TooManyError."""
        log.warning("dead_letter", origin=delivery.origin, reason=diagnosis.reason, message=diagnosis.message)
        if not self.limit.admit(time.monotonic()):
            self.halt(str(self.limit))
            raise TooManyError(delivery.origin)
        await self.graveyard.bury(
            DeadLetter(
                topic=delivery.topic,
                partition=delivery.partition,
                offset=delivery.offset,
                key=delivery.key,
                value=delivery.value,
                headers=tuple(delivery.headers.items()),
                reason=diagnosis.reason,
                message=diagnosis.message,
                stack=diagnosis.stack,
                tries=diagnosis.tries,
                tenant=diagnosis.tenant,
                service="router_worker",
                failed_at=self.clock(),
            )
        )
        self.measures.buried(delivery.topic, diagnosis.reason)


@dataclass(frozen=True, slots=True)
class Desk:
    """The port `Place`: a record while its job is worked on, with its slot and the way out."""

    delivery: Delivery
    burials: Burials
    tenant: str

    def arrive(self) -> None:
        self.delivery.arrive()

    def resting(self) -> AbstractContextManager[None]:
        return self.delivery.resting()

    def step_aside(self) -> None:
        self.delivery.step_aside()

    def step_back(self) -> None:
        self.delivery.step_back()

    async def set_aside(self, message: str, tries: int) -> None:
        diagnosis = Diagnosis(DeadLetterReason.CRASHED, message, tries=tries, tenant=self.tenant)
        await self.burials.bury(self.delivery, diagnosis)
