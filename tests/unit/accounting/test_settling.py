"""Budgets' books follow the ledger, are mended where they differ, and are opened again only when all is known."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from services.accounting.budget_ports import BookNames, Figure, HardBudgets, HeldJobs, Settled
from services.accounting.budgets.noted import Noted
from services.accounting.budgets.settling import Patience, Settling
from services.accounting.ports import AwayError
from shared.budgets import Held
from shared.clock import unix_ms
from shared.money import Nanodollars
from tests.suites.budgets import Book

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WINDOW = "2026-11 month"


def held(amount: int = 5, *, made_ms: int = unix_ms(NOW)) -> Held:
    return Held(amount, made_ms, (WINDOW,))


@dataclass(slots=True)
class MemoryLedger:
    """`ports.BudgetLedger` of one tenant."""

    spent: int = 0
    revision: int = 0
    was_opened: bool = True
    is_in_force: bool = True
    is_unbegun: bool = False
    is_gone: bool = False
    queued: dict[str, Held] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    """Those whose cost is in the ledger."""
    settled: set[str] = field(default_factory=set)

    async def hard(self) -> Mapping[str, HardBudgets]:
        if self.is_gone:
            return {}
        limits = {} if self.is_unbegun else {"month": Nanodollars(100)}
        unbegun = frozenset(["month"]) if self.is_unbegun else frozenset[str]()
        return {"acme": HardBudgets(limits, unbegun, self.was_opened)}

    async def coming(self) -> Collection[str]:
        return () if self.is_in_force else ("acme",)

    async def in_force(self, tenant: str, known: Collection[str]) -> None:
        self.is_in_force = "month" in known

    async def opened(self, tenants: Collection[str]) -> None:
        self.was_opened = True

    async def settle(self, tenants: Collection[str], jobs: Collection[str]) -> Mapping[str, Settled]:
        done = tuple(sorted(self.ended.intersection(jobs) - self.settled))
        self.settled.update(done)
        return {"acme": Settled((Figure(WINDOW, self.spent, self.revision),), done)}

    async def figures(self, tenant: str) -> Sequence[Figure]:
        return () if self.is_unbegun else (Figure(WINDOW, self.spent, self.revision),)

    async def held(self, tenant: str) -> Mapping[str, Held]:
        return {job: entry for job, entry in self.queued.items() if job not in self.settled}

    async def known(self, jobs: Collection[str]) -> HeldJobs:
        known = self.queued.keys() & set(jobs)
        return HeldJobs(frozenset(known & self.settled), frozenset(known - self.settled))

    def charge(self, job: str, cost: int) -> None:
        self.spent, self.revision = self.spent + cost, self.revision + 1
        self.ended.add(job)


@dataclass(slots=True)
class MemoryBooks:
    """`ports.BudgetBooks` of one tenant."""

    book: Book = field(default_factory=lambda: Book(is_open=True))
    away: bool = False
    announced: int = 0

    async def open_ones(self, tenants: Sequence[str]) -> frozenset[str]:
        if self.away:
            raise AwayError("gone for lunch")
        return frozenset(tenants if self.book.is_open else ())

    async def settle(
        self, tenant: str, limits: Mapping[str, Nanodollars], settled: Settled, missing: Mapping[str, Held]
    ) -> bool:
        if self.away:
            raise AwayError("gone for lunch")
        plain = {job: (entry.nanodollars, entry.windows) for job, entry in missing.items()}
        return self.book.settle(list(limits), settled.figures, settled.jobs, plain)

    async def open(
        self, tenant: str, limits: Mapping[str, Nanodollars], figures: Sequence[Figure], held: Mapping[str, Held]
    ) -> None:
        self.book = Book()
        await self.settle(tenant, limits, Settled(tuple(figures)), held)

    async def names(self, tenant: str) -> BookNames:
        return BookNames(frozenset(self.book.known), frozenset(self.book.spent))

    async def forget(self, tenant: str, names: BookNames) -> None:
        self.book.known -= names.budgets
        for window in names.windows:
            del self.book.spent[window], self.book.revisions[window]

    async def announce(self) -> None:
        self.announced += 1

    async def holds(self, tenant: str) -> Mapping[str, Held]:
        old = unix_ms(NOW) - 600_000
        return {job: Held(amount, old, windows) for job, (amount, windows) in self.book.holds.items()}


@dataclass(slots=True)
class Scene:
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    books: MemoryBooks = field(default_factory=MemoryBooks)
    noted: Noted = field(default_factory=Noted)
    all_recorded: bool = True

    def settling(self, **patience: float) -> Settling:
        async def all_jobs_recorded() -> bool:
            return self.all_recorded

        quick = {"reopen": 0.0, "unqueued": 120.0} | patience
        return Settling(self.ledger, self.books, self.noted, all_jobs_recorded, lambda: NOW, Patience(**quick))

    def hold(self, job: str, amount: int = 5) -> None:
        self.books.book.holds[job] = (amount, (WINDOW,))
        self.ledger.queued[job] = held(amount)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_was_noted_is_settled(scene: Scene) -> None:
    settling = scene.settling()
    await settling.compare()
    scene.hold("a")
    scene.hold("b")
    scene.ledger.charge("a", 3)
    scene.noted.note([("acme", "a"), ("acme", "b"), ("somebody", "c")])
    await settling.settle()
    assert scene.books.book.spent == {WINDOW: 3}
    assert list(scene.books.book.holds) == ["b"]


async def test_an_older_figure_changes_nothing_back(scene: Scene) -> None:
    book = scene.books.book
    book.settle(["month"], [(WINDOW, 9, 2)], [], {})
    book.settle(["month"], [(WINDOW, 4, 1)], [], {})
    assert book.spent == {WINDOW: 9}


async def test_what_got_lost_on_the_way_is_found_by_comparing(scene: Scene) -> None:
    settling = scene.settling()
    await settling.compare()
    scene.hold("a")
    scene.ledger.charge("a", 3)
    scene.noted.note([("acme", "a")])
    scene.books.away = True
    with pytest.raises(AwayError):
        await settling.settle()
    scene.books.away = False
    await settling.compare()
    assert (scene.books.book.spent, scene.books.book.holds) == ({WINDOW: 3}, {})


async def test_a_hold_that_redis_forgot_is_restored(scene: Scene) -> None:
    scene.ledger.queued["a"] = held(7)
    await scene.settling().compare()
    assert scene.books.book.held(WINDOW) == 7


async def test_a_hold_of_a_job_that_was_never_queued_is_given_back(scene: Scene) -> None:
    scene.books.book.holds["ghost"] = (5, (WINDOW,))
    await scene.settling().compare()
    assert not scene.books.book.holds


async def test_but_not_before_everything_that_kafka_has_is_recorded(scene: Scene) -> None:
    scene.books.book.holds["late"] = (5, (WINDOW,))
    scene.all_recorded = False
    await scene.settling().compare()
    assert list(scene.books.book.holds) == ["late"]


async def test_nor_while_it_may_be_on_its_way(scene: Scene) -> None:
    scene.books.book.holds["new"] = (5, (WINDOW,))
    await scene.settling(unqueued=3600).compare()
    assert list(scene.books.book.holds) == ["new"]


async def test_a_lost_book_is_opened_with_all_that_is_spent_and_held(scene: Scene) -> None:
    scene.hold("running")
    scene.hold("done")
    scene.ledger.charge("done", 4)
    scene.books.book = Book(is_open=False)
    settling = scene.settling()
    await settling.compare()
    book = scene.books.book
    assert (book.is_open, book.spent, list(book.holds)) == (True, {WINDOW: 4}, ["running"])


async def test_it_stays_closed_for_as_long_as_a_reservation_may_be_on_its_way(scene: Scene) -> None:
    scene.books.book = Book(is_open=False)
    settling = scene.settling(reopen=3600)
    await settling.compare()
    await settling.look()
    assert not scene.books.book.is_open


async def test_it_stays_closed_until_all_jobs_are_recorded(scene: Scene) -> None:
    scene.books.book = Book(is_open=False)
    scene.all_recorded = False
    settling = scene.settling()
    await settling.compare()
    assert not scene.books.book.is_open
    scene.all_recorded = True
    await settling.look()
    assert scene.books.book.is_open


async def test_a_tenant_of_whose_budgets_nothing_was_ever_held_waits_for_nothing(scene: Scene) -> None:
    scene.ledger.was_opened = False
    scene.books.book = Book(is_open=False)
    scene.all_recorded = False
    await scene.settling(reopen=3600).compare()
    assert scene.books.book.is_open
    assert scene.ledger.was_opened


async def test_a_budget_is_in_force_once_its_book_knows_what_is_spent(scene: Scene) -> None:
    scene.ledger.is_in_force = scene.ledger.was_opened = False
    scene.books.book = Book(is_open=False)
    scene.ledger.spent = 6
    await scene.settling(reopen=3600).bring_into_force()
    assert (scene.books.book.known, scene.books.book.spent) == ({"month"}, {WINDOW: 6})
    assert (scene.ledger.is_in_force, scene.books.announced) == (True, 1)


async def test_it_is_not_while_the_book_is_closed(scene: Scene) -> None:
    scene.ledger.is_in_force = False
    scene.books.book = Book(is_open=False)
    await scene.settling(reopen=3600).bring_into_force()
    assert not scene.ledger.is_in_force


async def test_without_a_new_budget_nothing_is_announced(scene: Scene) -> None:
    await scene.settling().bring_into_force()
    assert scene.books.announced == 0


async def test_a_budget_that_is_gone_is_forgotten_with_its_limit_and_what_was_spent(scene: Scene) -> None:
    settling = scene.settling()
    await settling.compare()
    scene.books.book.settle(["day team=red"], [("2026-11-21 day team=red", 9, 1)], [], {})
    await settling.compare()
    assert (scene.books.book.known, set(scene.books.book.spent)) == ({"month"}, {WINDOW})
    scene.ledger.is_gone = True
    await settling.compare()
    assert (scene.books.book.known, scene.books.book.spent) == (set(), {})


async def test_one_whose_sum_is_being_made_anew_is_not_forgotten_meanwhile(scene: Scene) -> None:
    settling = scene.settling()
    scene.ledger.spent = 6
    await settling.compare()
    scene.ledger.is_unbegun = True
    await settling.compare()
    assert (scene.books.book.known, scene.books.book.spent) == ({"month"}, {WINDOW: 6})
