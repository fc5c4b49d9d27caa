"""May another call to this deployment begin, as far as this worker can tell? Mutable, but pure: no clock, no I/O.

Its breaker says whether it is worth calling, its bulkhead how much of the worker it may take. What the provider's
limits allow is for `quota`.
"""

from math import inf

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.resilience import breaker as circuit
from services.router_worker.resilience.breaker import Breaker, Opened, State
from shared.config.patience import Breaker as Rules
from shared.config.patience import Bulkhead

__all__ = ["Guard"]

_SHORT_PATIENCE = 1.0
"""How long a job waits for a few others to try a deployment, if there is another model that it may go to."""


class Guard:
    def __init__(self, rules: Rules | None = None, bulkhead: Bulkhead | None = None) -> None:
        self._rules = rules
        self._bulkhead = bulkhead
        self.breaker = Breaker()
        self.running = 0
        """Calls that are open now."""

    def state(self, now: float) -> State:
        return circuit.state_of(self.breaker, now)

    def is_shut(self, now: float) -> bool:
        """Whether nobody is to call before `breaker.until`."""
        return now < self.breaker.until

    def room(self, now: float) -> float:
        """How many more calls may begin."""
        room = inf if self._bulkhead is None else self._bulkhead.calls - self.running
        if not self.breaker.openings or self._rules is None:
            return room
        return min(room, circuit.room(self.breaker, self._rules, now))

    @property
    def most(self) -> float:
        """How many calls there may be at once."""
        most = inf if self._bulkhead is None else self._bulkhead.calls
        return min(most, self._rules.probes) if self.breaker.openings and self._rules is not None else most

    def patience(self, now: float) -> float | None:
        """How long to stand in line here before going to another model; None for as long as it takes."""
        if self.room(now) > 0:
            return None
        return _SHORT_PATIENCE if self.breaker.openings or self._bulkhead is None else self._bulkhead.wait_seconds

    def enter(self) -> int:
        """A call begins; the era that it belongs to."""
        self.running += 1
        self.breaker = circuit.began(self.breaker)
        return self.breaker.era

    def answered(self, era: int) -> bool:
        """It has had its first output; whether that closes the breaker."""
        before = self.breaker
        if self._rules is not None:
            self.breaker = circuit.answered(before, self._rules, era)
        return self.breaker.era != before.era

    def leave(
        self, era: int, failure: Failure | None, now: float, jitter: float, *, answered: bool, against: bool
    ) -> bool:
        """It is over, and its failure speaks `against` the deployment, or not; whether that opens the breaker."""
        self.running -= 1
        if self._rules is None:
            return False
        before = self.breaker
        if failure is not None and against:
            self.breaker = circuit.failed(before, self._rules, era, failure.kind, now, jitter)
        else:
            succeeded = answered and failure is None
            self.breaker = circuit.ended(before, self._rules, era, now, succeeded=succeeded)
        return self.breaker.era != before.era

    def found_broken(self, era: int, because: FailureKind, now: float, jitter: float) -> bool:
        """Asked after while it is left alone, it has failed again; whether that still says anything."""
        before = self.breaker
        if self._rules is not None and before.openings:
            self.breaker = circuit.failed(before, self._rules, era, because, now, jitter)
        return self.breaker.era != before.era

    def hear(self, told: Opened, now: float) -> bool:
        """Another worker has opened its breaker; whether that was new."""
        before = self.breaker
        if self._rules is not None:
            self.breaker = circuit.heard(before, told, now)
        return self.breaker.era != before.era

    def told(self, now: float) -> Opened | None:
        """What the others are to know."""
        if not self.is_shut(now) or self.breaker.because is None:
            return None
        return Opened(self.breaker.until - now, self.breaker.openings, self.breaker.because)
