"""One deployment as this worker calls it: its guard, its keys, and the lines before each of them.

Deployments that ask the same provider for the same model share a post, whatever they are called.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

import structlog

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.governing.keeper import Keeper
from services.router_worker.governing.ports import GuardMeasures
from services.router_worker.resilience.breaker import Opened, State
from services.router_worker.resilience.guard import Guard
from services.router_worker.resilience.keys import KeyRing
from services.router_worker.resilience.not_now import NotNow
from services.router_worker.resilience.reactions import REACTIONS, Blame
from shared.config.schema import Retries
from shared.contracts import Job, Lane
from shared.load import DeploymentHealth

__all__ = ["Post", "Posts"]

log = structlog.get_logger("breaker")


@dataclass(slots=True)
class Post:
    """Nothing blocks. Seconds are on the loop's clock; `today` is the same moment for people."""

    name: str
    """`<provider>/<the model it is asked for>`."""
    guard: Guard
    ring: KeyRing
    keepers: Sequence[Keeper]
    """One for each key, in the configuration's order."""
    retries: Retries
    measures: GuardMeasures
    news: asyncio.Event
    """Set when there is something to tell the other workers; one for all posts."""
    name_with_keys: str
    """What other workers know it by as far as its keys are to blame: with other keys, that is another's affair."""
    _turn: int = field(default=0, init=False)

    @property
    def names(self) -> tuple[str, str]:
        """What others may call it."""
        return self.name, self.name_with_keys

    @property
    def name_now(self) -> str:
        """What its breaker is told by."""
        return self.name_with_keys if self._keys_are_to_blame() else self.name

    def state(self) -> State:
        return self.guard.state(asyncio.get_running_loop().time())

    def keys_in_use(self) -> int:
        """How many keys the provider takes, as far as is known."""
        refused = self.guard.breaker.openings and self.guard.breaker.because in (
            FailureKind.AUTH,
            FailureKind.PERMISSION,
        )
        return 0 if refused else self.ring.in_use

    def health(self, now: float, today: datetime, first_token_seconds: float | None) -> DeploymentHealth:
        obstacle, window = self.obstacle(now, today), self.guard.breaker.window
        return DeploymentHealth(
            state=self.guard.state(now).value,
            until=obstacle.until if obstacle else None,
            because=obstacle.because.kind if obstacle else self.guard.breaker.because,
            calls=sum(slot.calls for slot in window),
            failures=sum(slot.failures for slot in window),
            running=self.guard.running,
            waiting=max(sum(keeper.account.gate.waiting(lane) for lane in Lane) for keeper in self.keepers),
            keys=self.keys_in_use(),
            first_token_seconds=first_token_seconds,
        )

    def obstacle(self, now: float, today: datetime) -> NotNow | None:
        """Why nobody is to call it now."""
        breaker = self.guard.breaker
        if now < breaker.until and breaker.because is not None:
            until = today + timedelta(seconds=breaker.until - now)
            return NotNow(until, Failure(breaker.because, f"{self.name} has failed too often and is left alone."))
        free_at = min(keeper.free_at(now) for keeper in self.keepers)
        if free_at <= now:
            return None
        until = today + timedelta(seconds=free_at - now)
        return NotNow(until, Failure(FailureKind.RATE_LIMITED, f"{self.name} is at its provider's limit."))

    def open_lines(self, now: float) -> list[Keeper]:
        """Where one may stand; the keys take turns at being the first."""
        found = [keeper for keeper in self.keepers if keeper.free_at(now) <= now]
        if len(found) > 1:
            self._turn += 1
            first = self._turn % len(found)
            found = found[first:] + found[:first]
        return found

    def may_pass(self, job: Job, now: float) -> bool:
        return any(keeper.may_pass(job, now) for keeper in self.keepers)

    def first_open(self, job: Job, now: float) -> Keeper:
        """For one that may pass, as was told a moment ago."""
        lines = self.open_lines(now) or self.keepers
        return next((keeper for keeper in lines if keeper.may_pass(job, now)), lines[0])

    def answered(self, keeper: Keeper, era: int, now: float) -> None:
        """A call has had its first output."""
        self.ring.answered(keeper.number, now)
        keys_were_to_blame = self._keys_are_to_blame()
        if self.guard.answered(era):
            log.info("breaker_closed", deployment=self.name)
            if keys_were_to_blame:
                self.ring.renew()  # it was the provider who took none of them
            self._stir()
        if any(state.untold for state in self.ring.states):
            self.news.set()

    def left(
        self, keeper: Keeper, era: int, failure: Failure | None, now: float, jitter: float, *, answered: bool
    ) -> None:
        """A call is over."""
        against = failure is not None and REACTIONS[failure.kind].blame is Blame.DEPLOYMENT
        if failure is not None and REACTIONS[failure.kind].blame is Blame.KEY:
            against = not self._put_aside(keeper, failure, now, jitter) and failure.kind is not FailureKind.RATE_LIMITED
        if self.guard.leave(era, failure, now, jitter, answered=answered, against=against):
            self._opened(now, heard=False)
            self.news.set()
        elif self.guard.most < float("inf"):
            self._stir()

    def another_key(self, keeper: Keeper, now: float) -> bool:
        """Whether a call that failed by its key could be made with another, now."""
        return self.ring.has_another(keeper.number) and any(
            each is not keeper and each.free_at(now) <= now for each in self.keepers
        )

    def hear(self, told: Opened, now: float) -> None:
        """Another worker leaves it alone."""
        if self.guard.hear(told, now):
            self._opened(now, heard=True)

    def keys_changed(self) -> None:
        """Another worker has found out about one of its keys."""
        log.info("keys_heard_of", deployment=self.name, in_use=self.ring.in_use)
        self._stir()

    def found_broken(self, era: int, because: FailureKind, now: float, jitter: float) -> None:
        """It does not answer a probe either."""
        if self.guard.found_broken(era, because, now, jitter):
            self._opened(now, heard=False)
            self.news.set()

    def _put_aside(self, keeper: Keeper, failure: Failure, now: float, jitter: float) -> bool:
        """Whether there is another key to go on with."""
        until = self.ring.failed(keeper.number, failure, self.retries, now, jitter)
        self.news.set()
        if until is None:
            return False
        seconds = None if until == inf else round(until - now, 1)
        log.warning("key_put_aside", key=keeper.deployment, because=failure.kind, seconds=seconds)
        keeper.stir()
        return True

    def _keys_are_to_blame(self) -> bool:
        because = self.guard.breaker.because
        return because is not None and REACTIONS[because].blame is Blame.KEY

    def _opened(self, now: float, *, heard: bool) -> None:
        breaker = self.guard.breaker
        self.measures.opened(self.name, breaker.because or FailureKind.UNKNOWN, heard=heard)
        log.warning(
            "breaker_opened",
            deployment=self.name,
            because=breaker.because,
            seconds=round(breaker.until - now, 1),
            in_a_row=breaker.openings,
            heard=heard,
        )
        self._stir()

    def _stir(self) -> None:
        for keeper in self.keepers:
            keeper.stir()


Posts = Mapping[tuple[str, str], Post]
"""By provider and the model it is asked for."""
