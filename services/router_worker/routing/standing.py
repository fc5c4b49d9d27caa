"""How does a job stand with its candidates, and how do they look at one moment? Values that `journey.py` decides on."""

from dataclasses import dataclass
from datetime import datetime

from services.router_worker.failures import Cause, Failure
from services.router_worker.resilience.deadline import Deadline
from services.router_worker.routing.plan import Plan
from services.router_worker.routing.steps import Openings
from shared.config.schema import Retries
from shared.contracts import Interruption

__all__ = ["Journey", "Standing", "View"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a candidate stands with this job."""

    not_before: datetime | None = None
    tries: int = 0
    """Failed calls in this round of the plan."""
    rounds: int = 0
    """Rounds used up."""
    failures: int = 0
    """In all rounds; refusals for a rate are counted apart, because they cost no round."""
    limits: int = 0
    barred: bool = False


@dataclass(frozen=True, slots=True)
class Journey:
    plan: Plan
    policy: Interruption
    retries: Retries
    deadline: Deadline
    standings: tuple[Standing, ...]
    attempts: int
    shown: bool
    """Readers hold output that has not been declared void."""
    resumable: bool = False
    here: int = 0
    """The candidate that was asked last."""
    staying: bool = False
    """It is to be asked again, whoever else is free."""
    last: Failure | None = None
    met: frozenset[Cause] = frozenset()
    """What has happened to it, of what opens fallbacks."""


@dataclass(frozen=True, slots=True)
class View:
    """The candidates at one moment."""

    journey: Journey
    now: datetime
    openings: Openings

    def free_at(self, index: int) -> datetime:
        parked = self.openings.parked.get(self._name(index))
        return max(self.journey.standings[index].not_before or self.now, parked or self.now, self.now)

    def is_full(self, index: int) -> bool:
        return self._name(index) in self.openings.full

    def stays(self) -> bool:
        here = self.journey.here
        return self.journey.staying and self.journey.deadline.allows(self.free_at(here)) and not self.is_full(here)

    def order(self, index: int) -> tuple[datetime, int, int]:
        return self.free_at(index), self.journey.standings[index].rounds, index

    def _name(self, index: int) -> str:
        return self.journey.plan.candidates[index].name
