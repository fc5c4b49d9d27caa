"""Which of this worker's waiting calls may begin now, and what is to be asked of the book? Mutable, but pure: no clock,
no I/O; seconds are on the worker's own clock.

Theory. A gate has a line of calls that wait, interactive ones before batch ones, and a stock of openings that were
leased. Whoever is first gets the first opening that is open and large enough; nothing overtakes. What is asked for is
what waits and has no opening yet, so nothing is hoarded. A busy gate asks a few times a second, for all that came
meanwhile; only an interactive call that has just come makes it ask at once. Where calls come thick and fast, and there
is plenty, openings for the next moment are kept in stock, and then a call waits for nobody.

Openings die. Their tokens are lost, as they would be at the provider; what a call takes less than its opening, or its
provider counts less than was reckoned, goes back with the next ask.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Final, Generic, TypeVar

from services.router_worker.quota.book import Ask, Lease, Terms
from services.router_worker.quota.stock import ANY_SIZE, Stock
from services.router_worker.resilience.guard import Guard
from shared.contracts import Lane

__all__ = ["Gate", "Waiting"]

_AT_ONCE: Final = 64
"""How many calls are asked for with one ask."""
_PATIENCE: Final = 0.2
"""Between two asks that are not urgent."""
_OF_BURST: Final = 0.4
"""So much of the burst passes between two asks when not everybody got through: nothing is lost, and lumps are small."""
_MOST_PATIENCE: Final = 0.4
_TURNOVER: Final = 0.05
"""The same where calls have ended and others could take their places."""
_PROMPT: Final = 0.005
"""Between two asks otherwise: who comes meanwhile goes with the next one."""
_REPORT: Final = 0.25
"""How often the worker tells how many calls it has open, where their number is limited."""
_MOST_SPARE: Final = 32
_SPARE_SECONDS: Final = 1.0
_SOON: Final = 0.5
_A_FEW: Final = 4
_MOST_IN_LINE: Final = 512
_NEWEST_COUNTS: Final = 0.1
_NEVER: Final = float("-inf")


@dataclass(slots=True, eq=False)
class Waiting:
    """A call in the line. Only its gate changes `waits` and `era`."""

    lane: Lane
    tokens: int
    waits: bool = True
    era: int = 0
    """As the guard counts them, once it was let in."""


W = TypeVar("W", bound=Waiting)


class Gate(Generic[W]):
    """Of one deployment, or of one key to it. `terms` and `held_until`, before which nobody may call, are for others to
    set; the `guard` is that of the deployment.
    """

    def __init__(self, worker: str, guard: Guard | None = None) -> None:
        self._worker = worker
        self._guard = guard or Guard()
        self.terms = Terms()
        self.held_until = _NEVER
        self.running = 0
        """Calls that are open now."""
        self._interactive: deque[W] = deque()
        self._batch: deque[W] = deque()
        self._waiting: Counter[Lane] = Counter(dict.fromkeys(Lane, 0))
        self._stock = Stock()
        self._places = 0.0
        self._batch_places = 0.0
        self._refund = 0
        self._starts: deque[float] = deque(maxlen=1024)
        self._mean_tokens = 0.0
        self._asked_at = self._ask_at = _NEVER
        self._newcomer = False

    # --- calls ---

    def join(self, waiting: W) -> None:
        self._mean_tokens = self._mean_tokens or waiting.tokens
        self._line(waiting.lane).append(waiting)
        self._waiting[waiting.lane] += 1
        self._newcomer |= waiting.lane is Lane.INTERACTIVE

    def leave(self, waiting: W) -> None:
        """It wants in no more. Harmless for one that was let in."""
        if waiting.waits:
            waiting.waits = False
            self._waiting[waiting.lane] -= 1

    def may_pass(self, lane: Lane, tokens: int, now: float) -> bool:
        """Whether a call may begin at once, without joining the line."""
        if now < self.held_until or self._waiting[lane] or self._waiting[Lane.INTERACTIVE]:
            return False
        return self._fits(lane, tokens, now)

    def enter(self, tokens: int, now: float) -> int:
        """A call begins that may; its era, as the guard counts them."""
        if self.terms.paced:
            leased = self._stock.take(tokens, now)
            self._refund += leased - tokens if self.terms.tokens is not None and leased != ANY_SIZE else 0
        self.running += 1
        self._starts.append(now)
        self._mean_tokens += (tokens - self._mean_tokens) * _NEWEST_COUNTS
        return self._guard.enter()

    def admit(self, now: float) -> list[W]:
        """Those who may begin now; they wait no longer."""
        admitted: list[W] = []
        for line in (self._interactive, self._batch):
            while line and now >= self.held_until:
                first = line[0]
                if first.waits:
                    if not self._fits(first.lane, first.tokens, now):
                        return admitted
                    self.leave(first)
                    first.era = self.enter(first.tokens, now)
                    admitted.append(first)
                line.popleft()
        return admitted

    def end(self, reckoned: int, used: int | None) -> None:
        """A call is over that was reckoned to take so many tokens; None when nobody knows what it used. Whoever
        knows how it ended tells the guard."""
        self.running -= 1
        if used is not None and self.terms.tokens is not None:
            self._refund += reckoned - used
        if self.terms.places is not None:
            self._ask_at = min(self._ask_at, self._asked_at + _TURNOVER)

    def dismiss(self) -> list[W]:
        """Nobody is let in for long: those who waited may look elsewhere."""
        dismissed = list(self._in_order())
        for each in dismissed:
            self.leave(each)
        self._interactive.clear()
        self._batch.clear()
        return dismissed

    def waiting(self, lane: Lane) -> int:
        return self._waiting[lane]

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._waiting[Lane.INTERACTIVE] and not self._waiting[Lane.BATCH]

    def is_fed(self, lane: Lane, on_way: int) -> bool:
        """Whether as many wait, or come, as will be let in soon: more would only stand in a line that is first come,
        first served.
        """
        if self.terms.free and self._guard.most == inf:
            return False
        return self._waiting[lane] + on_way >= self._soon()

    def rate(self, now: float) -> float:
        """Calls that began in the last second."""
        while self._starts and self._starts[0] < now - 1:
            self._starts.popleft()
        return len(self._starts)

    # --- the book ---

    def asks_at(self, now: float) -> float | None:
        """When to ask the book; None while there is nothing to ask."""
        if self.terms.free:
            return None
        if self._wants_openings(now) or self._lacks_places():
            soon = self._asked_at + _PROMPT if self._newcomer else self._ask_at
            return max(soon, self.held_until)
        if self.terms.paced and self._spare(now) > len(self._stock):
            return max(self._asked_at + _TURNOVER, self.held_until)
        if self._refund:
            return max(self._asked_at + _PATIENCE, self.held_until)
        if self.terms.places is not None and (self.running or self._places):
            return self._asked_at + _REPORT
        return None

    def ask(self, now: float) -> Ask:
        """What to ask of the book. Then comes `told`, or nothing when nobody could be asked."""
        interactive, batch = self._uncovered(now)
        spare = self._spare(now)
        refund, self._refund = self._refund, 0
        self._asked_at, self._ask_at, self._newcomer = now, now + _PATIENCE, False
        return Ask(
            worker=self._worker,
            terms=self.terms,
            interactive=interactive,
            batch=batch,
            spare=spare,
            spare_tokens=int(1.25 * self._mean_tokens) if self.terms.tokens else 0,
            refund=refund,
            running=self.running,
            stock=len(self._stock),
            need=self.running + self._waiting.total() + spare,
        )

    def told(self, ask: Ask, lease: Lease, sent: float, received: float, jitter: float) -> None:
        """What the book answered. The dealing was between `sent` and `received`: openings begin by the one, so never
        too early, and die by the other, so never too late. `jitter`, from [0, 1), keeps the workers apart.
        """
        self._places, self._batch_places = lease.places, lease.batch_places
        if ask.terms.paced:
            self._stock.put(ask, lease, sent, received)
        if lease.serves(ask):
            self._ask_at = sent + _PROMPT
        else:
            patience = _patience(ask.terms) * (0.75 + jitter / 2)
            self._ask_at = max(sent + patience, received + _until_next(ask, lease))

    def wakes_at(self, now: float) -> float | None:
        """When somebody who waits may be let in, and could not be by now; None when that is not a matter of time."""
        if self.terms.free or not self._waiting.total() or self._lacks_places():
            return None
        times = [max(at, self.held_until) for at in self._stock.opens_at(now)] or [self.held_until]
        return min((each for each in times if each > now), default=None)

    # --- inside ---

    def _line(self, lane: Lane) -> deque[W]:
        return self._interactive if lane is Lane.INTERACTIVE else self._batch

    def _in_order(self) -> Iterator[W]:
        return (each for line in (self._interactive, self._batch) for each in line if each.waits)

    def _fits(self, lane: Lane, tokens: int, now: float) -> bool:
        if self._guard.room(now) <= 0:
            return False
        if self.terms.places is not None and self.running >= self._places_of(lane):
            return False
        return not self.terms.paced or self._stock.has(tokens, now)

    def _places_of(self, lane: Lane) -> float:
        return self._places if lane is Lane.INTERACTIVE else self._batch_places

    def _wants_openings(self, now: float) -> bool:
        waiting = min(self._waiting.total(), self._guard.room(now))
        if not self.terms.paced or waiting <= 0:
            return False
        return waiting > len(self._stock) or (self.terms.tokens is not None and any(self._uncovered(now)))

    def _uncovered(self, now: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tokens of those who wait, might begin, and for whom nothing is in stock, by lane."""
        if not self.terms.paced:
            return (), ()
        first = islice(self._in_order(), int(min(self._guard.room(now), len(self._stock) + _AT_ONCE)))
        calls = self._stock.uncovered([(each.lane is Lane.BATCH, each.tokens) for each in first])[:_AT_ONCE]
        return tuple(cost for batch, cost in calls if not batch), tuple(cost for batch, cost in calls if batch)

    def _lacks_places(self) -> bool:
        if self.terms.places is None:
            return False
        first = Lane.INTERACTIVE if self._waiting[Lane.INTERACTIVE] else Lane.BATCH
        return self._waiting[first] > 0 and self.running >= self._places_of(first)

    def _soon(self) -> float:
        """How many could be let in within half a second."""
        soon = min(self._guard.most, inf if self.terms.places is None else self.terms.places)
        if self.terms.requests is not None:
            soon = min(soon, _SOON / self.terms.requests.unit)
        if self.terms.tokens is not None:
            soon = min(soon, _SOON / (self.terms.tokens.unit * max(1.0, self._mean_tokens)))
        return min(soon + _A_FEW, _MOST_IN_LINE)

    def _spare(self, now: float) -> int:
        """How many more to have in stock for those who will come soon."""
        if self.terms.free:
            return 0
        bursts = _bursts(self.terms)
        seconds = min(_SPARE_SECONDS, min(bursts) / 2) if bursts else _SPARE_SECONDS
        wanted = min(int(self.rate(now) * seconds), _MOST_SPARE)
        return max(0, wanted - max(0, len(self._stock) - self._waiting.total()))


def _bursts(terms: Terms) -> list[float]:
    return [flow.burst for flow in (terms.requests, terms.tokens) if flow is not None]


def _patience(terms: Terms) -> float:
    bursts = _bursts(terms)
    return max(_TURNOVER, min(_MOST_PATIENCE, _OF_BURST * min(bursts))) if bursts else _PATIENCE


def _until_next(ask: Ask, lease: Lease) -> float:
    """How long until the book can let in whoever was refused."""
    batch = lease.interactive == len(ask.interactive)
    flows = ((ask.terms.requests, lease.requests_given), (ask.terms.tokens, lease.tokens_given))
    return max((given - flow.ahead(batch=batch) for flow, given in flows if flow is not None), default=0.0)
