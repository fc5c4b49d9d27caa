"""What does this worker know of one deployment's limits, and who waits for them? Mutable, but pure: no clock, no I/O.

Seconds are on the worker's own clock. Lessons are in the book's time; `shift` tells how far the two are apart, which
need not be exact: a lesson is about seconds.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Generic, TypeVar

from services.router_worker.events import RateLimit
from services.router_worker.quota.book import Ask, Book, Lease, Terms, deal
from services.router_worker.quota.cost import Expectation
from services.router_worker.quota.gate import Gate, Waiting
from services.router_worker.quota.lesson import Lesson, Noted, Refusal, is_over, learned, share_of
from services.router_worker.quota.terms import Advertised, heard, terms_of
from services.router_worker.resilience.guard import Guard
from shared.config.schema import Quota

__all__ = ["Account"]

_NOBODY_KNOWS: Final = 2
"""How many workers share the quota, for one that has never reached the book."""
W = TypeVar("W", bound=Waiting)

_SHORT_HOLD: Final = 1.0
"""For so long those who wait stay in line."""


class Account(Generic[W]):
    def __init__(self, name: str, worker: str, quota: Quota, shift: float, guard: Guard | None = None) -> None:
        """`shift` is what to add to the worker's clock to get the book's, as far as that is known at first."""
        self.name = name
        self.gate: Gate[W] = Gate(worker, guard)
        self.expectation = Expectation()
        self.noted = Noted()
        self.drawn: Lesson | None = None
        """A lesson that the book does not have yet."""
        self._worker = worker
        self._quota = quota
        self._shift = shift
        self._advertised = Advertised()
        self._refusal: Refusal | None = None
        self._workers = _NOBODY_KNOWS
        self._alone: Book | None = None
        self.gate.terms = terms_of(quota, self._advertised, None, 0.0)

    @property
    def lesson(self) -> Lesson | None:
        return self.drawn or self.noted.lesson

    def share(self, now: float) -> float:
        return 1.0 if self.lesson is None else min(1.0, share_of(self.lesson, now + self._shift))

    def refresh(self, now: float) -> None:
        """The limits as they are now: what a refusal took comes back with time."""
        lesson = self.lesson
        if lesson is None:
            return
        if is_over(lesson, now + self._shift):
            self.drawn, self.noted = None, Noted(None, self.noted.version)
            lesson = None
        self.gate.terms = terms_of(self._quota, self._advertised, lesson, now + self._shift)
        self.gate.held_until = lesson.held_until - self._shift if lesson else float("-inf")

    def holds_long(self, now: float) -> bool:
        """Whether nobody is let in for longer than it is worth to stay in line."""
        return self.gate.held_until > now + _SHORT_HOLD

    def hear(self, limits: Iterable[RateLimit], now: float) -> bool:
        """What the headers of an answer say; whether that was new."""
        advertised = heard(self._advertised, limits)
        if advertised == self._advertised:
            return False
        self._advertised = advertised
        self.gate.terms = terms_of(self._quota, advertised, self.lesson, now + self._shift)
        return True

    def refuse(self, begun_at: float, retry_after: float, now: float) -> bool:
        """The provider has refused a call for its rate; whether that teaches anything."""
        self._refusal = Refusal(
            worker=self._worker,
            begun_at=begun_at + self._shift,
            rate=self.gate.rate(now),
            limit_known=terms_of(self._quota, self._advertised, None, 0.0).paced,
            retry_after=retry_after,
        )
        lesson = learned(self.lesson, self._refusal, now + self._shift)
        if lesson == self.lesson:
            return False
        self.drawn = lesson
        self.refresh(now)
        return True

    def dealt(self, lease: Lease, book_now: float, noted: Noted, sent: float, received: float) -> None:
        """The book has answered. It has the lesson that was drawn, or another that somebody was sooner with."""
        self._alone, self._workers = None, lease.workers
        self._shift = book_now - (sent + received) / 2
        again = None
        if self.drawn is not None and noted.lesson != self.drawn and self._refusal is not None:
            again = learned(noted.lesson, self._refusal, received + self._shift)
        self.drawn = again if again != noted.lesson else None
        self.noted = noted
        self.refresh(received)

    def deal_alone(self, ask: Ask, now: float) -> tuple[Ask, Lease]:
        """The book cannot be reached: what is asked for is asked of an even share, and nothing is made up for."""
        if self._alone is None:
            self._alone = Book(requests=now, tokens=now)
        modest = replace(ask, terms=_part(ask.terms, self._workers), spare=0)
        self._alone, lease = deal(self._alone, modest, now)
        return modest, lease


def _part(terms: Terms, workers: int) -> Terms:
    return Terms(
        requests=terms.requests.slowed(1 / workers) if terms.requests else None,
        tokens=terms.tokens.slowed(1 / workers) if terms.tokens else None,
        places=None if terms.places is None else max(1, terms.places // workers),
    )
