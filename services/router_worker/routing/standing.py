"""How does a job stand with its candidates, and how do they look at one moment? Values that `journey.py` decides on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.router_worker.failures import Cause, Failure
from services.router_worker.resilience.deadline import Deadline
from services.router_worker.resilience.not_now import NotNow
from services.router_worker.resilience.reactions import REACTIONS, Then
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
    waits: int = 0
    """How often the job has waited because it was left alone."""
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
    beside: int = 0
    """The candidate of the second call, if there is one."""
    staying: bool = False
    """It is to be asked again, whoever else is free."""
    last: Failure | None = None
    met: frozenset[Cause] = frozenset()
    """What has happened to it, of what opens fallbacks."""
    in_line_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class View:
    """The candidates at one moment."""

    journey: Journey
    now: datetime
    openings: Openings

    def obstacle(self, index: int) -> NotNow | None:
        """Of it that is still one."""
        found = self.openings.parked.get(self._name(index))
        return found if found is not None and found.until > self.now else None

    def free_at(self, index: int) -> datetime:
        obstacle = self.obstacle(index)
        own = max(self.journey.standings[index].not_before or self.now, self.now)
        return own if obstacle is None else max(own, obstacle.until)

    def is_hopeless(self, index: int) -> bool:
        """Whether waiting for it would be in vain, or has been often enough."""
        obstacle = self.obstacle(index)
        if obstacle is None:
            return False
        then = REACTIONS[obstacle.because.kind].then
        return then is Then.BAR or (then is not Then.PARK and self._has_waited(index))

    def is_full(self, index: int) -> bool:
        return self._name(index) in self.openings.full

    def weary_at(self, index: int) -> datetime:
        """When a job that stands in line there would rather go to another model."""
        patience = self.openings.full.get(self._name(index))
        since = self.journey.in_line_since or self.now
        return self.journey.deadline.at if patience is None else since + timedelta(seconds=patience)

    def stays(self) -> bool:
        here = self.journey.here
        if not self.journey.staying or self.obstacle(here) is not None or self.is_full(here):
            return False
        return self.journey.deadline.allows(self.free_at(here))

    def order(self, index: int) -> tuple[datetime, int, int]:
        return self.free_at(index), self.journey.standings[index].rounds, index

    def _has_waited(self, index: int) -> bool:
        return self.journey.standings[index].waits >= self.journey.retries.rounds

    def _name(self, index: int) -> str:
        return self.journey.plan.candidates[index].name
