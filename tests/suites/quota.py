"""Gates of several workers, the book they share and a provider that counts, in a time that passes by itself."""

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from random import Random

from services.router_worker.quota.book import Ask, Book, Lease, Terms, deal
from services.router_worker.quota.gate import Gate, Waiting
from shared.contracts import Lane

__all__ = ["Arrival", "Calls", "Clerk", "Shop", "most_in_bucket", "most_in_window"]


_ROUNDING = 1e-6
"""Of skewed clocks."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call reaches the provider."""

    at: float
    tokens: int
    lane: Lane
    waited: float
    worker: int


@dataclass(frozen=True, slots=True)
class Calls:
    """So many at once, at one worker."""

    at: float
    worker: int
    count: int
    lane: Lane = Lane.BATCH
    tokens: int = 1


@dataclass(slots=True, eq=False)
class _Call(Waiting):
    came: float = 0.0
    worker: int = 0


@dataclass(slots=True)
class Clerk:
    """A worker: its gate, and a clock that is off."""

    number: int
    gate: Gate[_Call]
    skew: float
    asking: bool = False
    alive: bool = True
    asks: int = 0
    wakes_at: float = inf


@dataclass(slots=True)
class Shop:
    terms: Terms
    chance: Random
    network: float = 0.0
    """The longest way to the book or to the provider."""
    stall: float = 0.0
    """The longest a worker is late for anything."""
    lasts: float = 0.0
    """How long a call takes."""
    used: Callable[[int], int] = lambda reckoned: reckoned
    clerks: list[Clerk] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    open_calls: int = 0
    most_open: int = 0
    now: float = 1_000_000.0
    book: Book = field(default_factory=Book)
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterable[int] = field(default_factory=itertools.count)

    def hire(self, workers: int, *, skew: float = 0.0) -> None:
        for number in range(workers):
            gate: Gate[_Call] = Gate(f"w{number}")
            gate.terms = self.terms
            self.clerks.append(Clerk(number, gate, self.chance.uniform(-skew, skew)))

    def kill(self, worker: int, seconds: float) -> None:
        """This worker is gone after so many seconds, and its open calls with it."""
        self._at(self.now + seconds, lambda: setattr(self.clerks[worker], "alive", False))

    def run(self, calls: Iterable[Calls], seconds: float) -> list[Arrival]:
        """`seconds` of this world; times of calls and arrivals are from its beginning."""
        began = self.now
        for each in calls:
            self._at(began + each.at, lambda each=each: self._come(each))
        while self._due and self._due[0][0] <= began + seconds:
            self.now, _, happens = heapq.heappop(self._due)
            happens()
        self.now = began + seconds
        self.arrivals.sort(key=lambda arrival: arrival.at)
        return self.arrivals

    def _at(self, moment: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._due, (moment, next(iter(self._numbers)), happens))

    def _come(self, calls: Calls) -> None:
        clerk = self.clerks[calls.worker]
        if not clerk.alive:
            return
        for _ in range(calls.count):
            call = _Call(calls.lane, calls.tokens, came=self.now, worker=calls.worker)
            if clerk.gate.may_pass(call.lane, call.tokens, self.now + clerk.skew):
                clerk.gate.enter(call.tokens, self.now + clerk.skew)
                self._begin(clerk, call)
            else:
                clerk.gate.join(call)
        self._look(clerk)

    def _look(self, clerk: Clerk) -> None:
        if not clerk.alive:
            return
        local = self.now + clerk.skew
        for call in clerk.gate.admit(local):
            self._begin(clerk, call)
        asks_at = clerk.gate.asks_at(local)
        if asks_at is not None and asks_at <= local and not clerk.asking:
            self._ask(clerk, clerk.gate.ask(local), local)
        times = (clerk.gate.asks_at(local), clerk.gate.wakes_at(local))
        wakes_at = min((each for each in times if each is not None and each > local), default=inf)
        if wakes_at < clerk.wakes_at:
            clerk.wakes_at = wakes_at
            self._at(wakes_at - clerk.skew + _ROUNDING + self._late(self.stall), lambda: self._wake(clerk, wakes_at))

    def _wake(self, clerk: Clerk, at: float) -> None:
        if clerk.wakes_at == at:
            clerk.wakes_at = inf
            self._look(clerk)

    def _ask(self, clerk: Clerk, ask: Ask, sent: float) -> None:
        clerk.asking = True
        clerk.asks += 1

        def dealt() -> None:
            self.book, lease = deal(self.book, ask, self.now)
            self._at(self.now + self._late(self.network), lambda: told(lease))

        def told(lease: Lease) -> None:
            clerk.asking = False
            clerk.gate.told(ask, lease, sent, self.now + clerk.skew, self.chance.random())
            self._look(clerk)

        self._at(self.now + self._late(self.network), dealt)

    def _begin(self, clerk: Clerk, call: _Call) -> None:
        self._at(self.now + self._late(self.network), lambda: self._arrive(clerk, call))

    def _arrive(self, clerk: Clerk, call: _Call) -> None:
        if not clerk.alive:
            return
        self.arrivals.append(Arrival(self.now, call.tokens, call.lane, self.now - call.came, call.worker))
        self.open_calls += 1
        self.most_open = max(self.most_open, self.open_calls)
        self._at(self.now + self.lasts, lambda: self._end(clerk, call))

    def _end(self, clerk: Clerk, call: _Call) -> None:
        self.open_calls -= 1
        clerk.gate.end(call.tokens, self.used(call.tokens))
        self._look(clerk)

    def _late(self, most: float) -> float:
        return self.chance.uniform(0, most)


def most_in_window(sizes: list[tuple[float, int]], window: float) -> int:
    """The most that any span of this length has, as a sliding window counts; a fixed one never counts more."""
    most = total = first = 0
    for at, size in sizes:
        total += size
        while sizes[first][0] <= at - window:
            total -= sizes[first][1]
            first += 1
        most = max(most, total)
    return most


def most_in_bucket(sizes: list[tuple[float, int]], rate: float) -> float:
    """How much a bucket that is refilled at this rate must hold, for nothing to be refused."""
    lacking = most = 0.0
    last = sizes[0][0] if sizes else 0.0
    for at, size in sizes:
        lacking = max(0.0, lacking - (at - last) * rate) + size
        last = at
        most = max(most, lacking)
    return most
