"""Who gets how much of a deployment's quota? The one book that all workers share, as a value: an ask in, a lease out.

In Redis a script does the same with the real book (`fleet/leases.py`), and a test holds the two together: what is
proved of this function holds of it. A worker that cannot reach Redis deals from a book of its own, with its share.

A lease is calls that may begin, in the order in which they were asked for, and places for calls at once. Calls that a
dead worker had are simply not made; its places are free when it has not been heard for a while.

After a reload a worker asks under two names, as long as calls of the former configuration are open: `<worker>~1` and
`<worker>~2`. Each holds what it holds, but the two of them have one worker's share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Final, NamedTuple

from services.router_worker.quota.flow import MINUTE, Flow, Opening

__all__ = ["FORGOTTEN_SECONDS", "Ask", "Book", "Holder", "Lease", "Placed", "Terms", "deal", "member_of", "place"]

FORGOTTEN_SECONDS: Final = 5.0
"""A worker that has not asked for so long holds no place any more; whoever has calls open asks far more often."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The limits of a deployment as they are to be kept just now; None is no limit."""

    requests: Flow | None = None
    tokens: Flow | None = None
    places: int | None = None
    """Calls at once."""

    @property
    def paced(self) -> bool:
        return self.requests is not None or self.tokens is not None

    @property
    def free(self) -> bool:
        return not self.paced and self.places is None


@dataclass(frozen=True, slots=True)
class Ask:
    worker: str
    terms: Terms
    interactive: tuple[int, ...] = ()
    """The tokens of each call that waits."""
    batch: tuple[int, ...] = ()
    spare: int = 0
    """So many more for calls to come, if there is plenty."""
    spare_tokens: int = 0
    """Of each of these."""
    refund: int = 0
    """Tokens of earlier calls that were not used; less than none when they used more."""
    running: int = 0
    stock: int = 0
    """Openings it has and has not used yet."""
    need: int = 0
    """Places for what runs and what waits."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Times are relative to the moment of the dealing, so that nobody's clock has to be right."""

    interactive: int = 0
    batch: int = 0
    spare: int = 0
    requests_begin: float = 0.0
    """Where the first call's piece begins."""
    tokens_begin: float = 0.0
    requests_given: float = 0.0
    """Until when the time is given away now."""
    tokens_given: float = 0.0
    places: float = 0
    batch_places: float = 0
    """With so many calls open, batch jobs begin no more."""
    workers: int = 1
    """How many share the quota."""

    def serves(self, ask: Ask) -> bool:
        """Whether everybody got what was asked for."""
        everybody = self.interactive == len(ask.interactive) and self.batch == len(ask.batch)
        return everybody and self.places >= ask.need


@dataclass(frozen=True, slots=True)
class Holder:
    places: float
    need: int
    heard: float


def member_of(name: str) -> str:
    """Which worker it is that asks under this name."""
    return name.rpartition("~")[0] or name


@dataclass(frozen=True, slots=True)
class Book:
    requests: float = 0.0
    """Until when the time is given away."""
    tokens: float = 0.0
    holders: Mapping[str, Holder] = field(default_factory=dict)


class Placed(NamedTuple):
    """A call that is let in, and until when the time is given away behind it."""

    opening: Opening
    requests: float
    tokens: float


def place(terms: Terms, requests: float, tokens: float, cost: int, *, batch: bool) -> Placed:
    """Put a call behind what is given away in both flows.

    Its two openings have to meet: where one flow has time from long ago and the other none before soon, the older time
    is given up. It would have been gone by then.
    """
    by_requests = _opening(terms.requests, requests, 1, batch=batch)
    by_tokens = _opening(terms.tokens, tokens, cost, batch=batch)
    at = max(by_requests.at, by_tokens.at)
    requests, tokens = _caught_up(terms.requests, requests, at), _caught_up(terms.tokens, tokens, at)
    until = min(
        _opening(terms.requests, requests, 1, batch=batch).until,
        _opening(terms.tokens, tokens, cost, batch=batch).until,
    )
    return Placed(Opening(at, until), requests + _unit(terms.requests), tokens + cost * _unit(terms.tokens))


def deal(book: Book, ask: Ask, now: float) -> tuple[Book, Lease]:
    """Interactive calls first. Whatever does not fit in ends the list: nothing overtakes."""
    terms = ask.terms
    requests = _begin(book.requests, terms.requests, now)
    tokens = _begin(book.tokens - ask.refund * _unit(terms.tokens), terms.tokens, now)
    others = {
        worker: holder
        for worker, holder in book.holders.items()
        if worker != ask.worker and now - holder.heard < FORGOTTEN_SECONDS
    }
    places, batch_places = _places(ask, others)
    holders = {**others, ask.worker: Holder(places, ask.need, now)}
    dealing = _Dealing(terms, now, requests, tokens)
    taken = ask.running + ask.stock
    interactive = dealing.take(ask.interactive, places - taken, batch=False)
    batch, spare = 0, 0
    if interactive == len(ask.interactive):
        batch = dealing.take(ask.batch, batch_places - taken - interactive, batch=True)
        spare = dealing.take_spare(ask, places - taken - interactive - batch) if batch == len(ask.batch) else 0
    lease = Lease(
        interactive=interactive,
        batch=batch,
        spare=spare,
        requests_begin=requests - now,
        tokens_begin=tokens - now,
        requests_given=dealing.requests - now,
        tokens_given=dealing.tokens - now,
        places=places,
        batch_places=batch_places,
        workers=len({member_of(name) for name in holders}),
    )
    return Book(dealing.requests, dealing.tokens, holders), lease


def _opening(flow: Flow | None, begin: float, units: int, *, batch: bool) -> Opening:
    return flow.opening(begin, units, batch=batch) if flow else Opening(-inf, inf)


def _caught_up(flow: Flow | None, begin: float, at: float) -> float:
    return max(begin, at - flow.burst) if flow else begin


def _begin(given: float, flow: Flow | None, now: float) -> float:
    """Where the next piece begins. A time far ahead is no debt but a server's clock that was set back."""
    return now if flow is None else max(min(given, now + MINUTE), now - flow.burst)


def _unit(flow: Flow | None) -> float:
    return flow.unit if flow else 0.0


@dataclass(slots=True)
class _Dealing:
    """The two flows while a list is gone through."""

    terms: Terms
    now: float
    requests: float
    tokens: float

    def take(self, costs: tuple[int, ...], places: float, *, batch: bool) -> int:
        for taken, cost in enumerate(costs):
            if taken >= places:
                return taken
            for flow, given in ((self.terms.requests, self.requests), (self.terms.tokens, self.tokens)):
                if flow is not None and given > self.now + flow.ahead(batch=batch):
                    return taken
            self._give(cost, batch=batch)
        return len(costs)

    def take_spare(self, ask: Ask, places: float) -> int:
        """Only from the older half of what a quiet time has left over: it would be gone before long."""
        for taken in range(ask.spare):
            if taken >= places or not self._is_plenty(self.terms.requests, self.requests, 1):
                return taken
            if not self._is_plenty(self.terms.tokens, self.tokens, ask.spare_tokens):
                return taken
            self._give(ask.spare_tokens, batch=False)
        return ask.spare

    def _is_plenty(self, flow: Flow | None, given: float, units: int) -> bool:
        return flow is None or given + units * flow.unit <= self.now - flow.burst / 2

    def _give(self, cost: int, *, batch: bool) -> None:
        _, self.requests, self.tokens = place(self.terms, self.requests, self.tokens, cost, batch=batch)


def _places(ask: Ask, others: Mapping[str, Holder]) -> tuple[float, float]:
    """How many calls this worker may have open, and with how many open batch jobs begin no more.

    Nobody takes more than an even share while another who needs more has less; what is open stays open.
    """
    limit = ask.terms.places
    if limit is None:
        return inf, inf
    left = limit - sum(holder.places for holder in others.values())
    own, rivals = 0.0, dict[str, tuple[float, int]]()
    for name, holder in others.items():
        if (member := member_of(name)) == member_of(ask.worker):
            own += holder.places
        else:
            places, need = rivals.get(member, (0.0, 0))
            rivals[member] = (places + holder.places, need + holder.need)
    claimants = 1 + sum(need > 0 for _, need in rivals.values())
    share = ceil(limit / claimants)
    wanting = any(need > places and places < share for places, need in rivals.values())
    places = max(ask.running, min(ask.need, left, (share if wanting else limit) - own))
    return places, min(places, left - limit // 8)
