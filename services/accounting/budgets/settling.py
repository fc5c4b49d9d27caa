"""When is a book settled? Soon after the ledger or the jobs were written, and whenever it is found to be wrong.

Theory. The ledger never waits for Redis. What was written is noted, and a moment later one transaction finds out
which of the noted jobs are settled and what their tenants have spent, and one script writes both into the book. That
may fail, or be lost with this process: every few seconds all books are compared with the ledger, and whatever is wrong
in them is mended. A job that holds something and is unknown to the ledger was never queued, if it holds it for long and
every job that Kafka had meanwhile has been recorded.

A book that Redis has lost is opened again in three steps. Whatever was reserved before is on Kafka or given up after a
while. Then what Kafka has of jobs and calls is recorded. Then the ledger knows all there is to know, also what a job
held for another call, and the book is made of it.
A tenant of whose budgets nothing was ever held needs none of this.

A budget that an administrator has set, or that is new in the configuration, comes into force when its sum is made and
its book knows it: admission, which would otherwise ask a book that does not, goes by it from then on. One that is gone
the book forgets when it is compared with the ledger.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Never

import structlog

from services.accounting.budget_ports import BookNames, BudgetBooks, BudgetLedger, Figure, HardBudgets, Settled
from services.accounting.budgets.noted import Noted
from services.accounting.ports import AwayError
from shared.budgets import Held
from shared.clock import Clock, unix_ms
from shared.money import Nanodollars

__all__ = ["Patience", "Settling"]

log = structlog.get_logger("accounting")

_NOTHING: Final = BookNames(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds."""

    reopen: float = 15.0
    """Longer than a reservation may take to become a job on Kafka."""
    unqueued: float = 120.0
    """So long a job may hold something without the ledger knowing it."""
    tick: float = 0.05
    """Between two settlements: what comes meanwhile is settled together."""
    coming: float = 0.25
    """Between two looks whether an administrator has set a budget."""
    look: float = 1.0
    """Between two looks whether the books are open."""
    compare: float = 5.0
    """Between two comparisons of all books with the ledger."""


class Settling:
    def __init__(
        self,
        ledger: BudgetLedger,
        books: BudgetBooks,
        noted: Noted,
        all_jobs_recorded: Callable[[], Awaitable[bool]],
        clock: Clock,
        patience: Patience = Patience(),
    ) -> None:
        """`all_jobs_recorded` tells whether the ledger knows every job that Kafka has now. It may raise AwayError."""
        self._ledger = ledger
        self._books = books
        self._noted = noted
        self._all_jobs_recorded = all_jobs_recorded
        self._clock = clock
        self._patience = patience
        self._budgets: Mapping[str, HardBudgets] = {}
        self._closed_since: dict[str, float] = {}

    async def run(self) -> Never:
        """Until cancelled."""
        looked = compared = asked = -self._patience.compare
        while True:
            await self._noted.wait(self._patience.coming)
            try:
                now = time.monotonic()
                if now - compared >= self._patience.compare:
                    compared = looked = now
                    await self.compare()
                elif now - looked >= self._patience.look:
                    looked = now
                    await self.look()
                if now - asked >= self._patience.coming:
                    asked = now
                    await self.bring_into_force()
                await self.settle()
            except AwayError as error:
                log.warning("budgets_not_settled", reason=str(error))
                await asyncio.sleep(self._patience.look)
            await asyncio.sleep(self._patience.tick)

    async def settle(self) -> None:
        """What was noted. Raises AwayError; what was not settled then is found by comparing."""
        noted = self._noted.take()
        if not noted:
            return
        done = await self._ledger.settle(noted, [job for jobs in noted.values() for job in jobs])
        for tenant, settled in done.items():
            await self._books.settle(tenant, {}, settled, {})

    async def bring_into_force(self) -> None:
        """What has been set and has its sum. Raises AwayError; what is not in force then is found again."""
        coming = await self._ledger.coming()
        if not coming:
            return
        await self._read_budgets()
        await self._open_those_closed([tenant for tenant in coming if tenant in self._budgets])
        for tenant in coming:
            figures = await self._ledger.figures(tenant)
            is_known = await self._books.settle(tenant, self._limits(tenant), Settled(tuple(figures)), {})
            await self._ledger.in_force(tenant, self._limits(tenant) if is_known else ())
        await self._books.announce()

    async def look(self) -> None:
        """Open the books that are not, as soon as it is time. Raises AwayError."""
        await self._open_those_closed(list(self._budgets))

    async def compare(self) -> None:
        """Mend whatever differs between the books and the ledger. Raises AwayError."""
        # What a book knew before the ledger was asked, and that knows it not, is gone.
        names = {tenant: await self._books.names(tenant) for tenant in self._budgets}
        await self._read_budgets()
        for tenant in await self._open_those_closed(list(self._budgets)):
            figures = await self._mend(tenant)
            await self._forget(tenant, names.get(tenant, _NOTHING), figures)
        for tenant in names.keys() - self._budgets.keys():
            await self._forget(tenant, names[tenant], ())

    async def _read_budgets(self) -> None:
        self._budgets = await self._ledger.hard()
        self._noted.only_of(self._budgets)

    async def _forget(self, tenant: str, names: BookNames, figures: Sequence[Figure]) -> None:
        """What of these names is not in the figures, and is no budget that waits for its sum."""
        unbegun = self._budgets[tenant].unbegun if tenant in self._budgets else frozenset[str]()
        budgets = names.budgets - self._limits(tenant).keys() - unbegun
        windows = frozenset(
            window
            for window in names.windows - {figure.window for figure in figures}
            if window.partition(" ")[2] not in unbegun
        )
        if budgets or windows:
            await self._books.forget(tenant, BookNames(budgets, windows))

    async def _mend(self, tenant: str) -> Sequence[Figure]:
        """Returns what was written."""
        found = await self._books.holds(tenant)
        due = await self._ledger.held(tenant)
        settled = (await self._ledger.settle([tenant], found.keys() | due.keys()))[tenant]
        over = [*settled.jobs, *await self._over(found)]
        done = frozenset(over)
        missing = {job: held for job, held in due.items() if job not in found and job not in done}
        # Asked last: whatever the dropped jobs cost is in them.
        figures = tuple(await self._ledger.figures(tenant))
        if await self._books.settle(tenant, self._limits(tenant), Settled(figures, tuple(over)), missing):
            if not self._budgets[tenant].opened:
                await self._ledger.opened([tenant])
            if missing:
                log.warning("budget_holds_restored", tenant=tenant, jobs=len(missing))
        return figures

    async def _over(self, held: Mapping[str, Held]) -> Sequence[str]:
        """Those of the jobs that hold something for nothing."""
        known = await self._ledger.known(held)
        before = unix_ms(self._clock()) - self._patience.unqueued * 1000
        unknown = [
            job
            for job, entry in held.items()
            if entry.made_ms < before and job not in known.settled and job not in known.waiting
        ]
        if unknown and not await self._all_jobs_recorded():
            unknown = []
        if unknown:
            # Asked again: what Kafka had was recorded in between.
            later = await self._ledger.known(unknown)
            unknown = [job for job in unknown if job not in later.settled and job not in later.waiting]
            log.info("budget_holds_given_back", jobs=len(unknown))
        return [*known.settled, *unknown]

    async def _open_those_closed(self, tenants: Sequence[str]) -> frozenset[str]:
        """Returns those that are open."""
        if not tenants:
            return frozenset()
        is_open = await self._books.open_ones(tenants)
        now = time.monotonic()
        for tenant in tenants:
            if tenant in is_open:
                self._closed_since.pop(tenant, None)
                continue
            since = self._closed_since.setdefault(tenant, now)
            is_new = not self._budgets[tenant].opened
            if is_new or (now - since >= self._patience.reopen and await self._all_jobs_recorded()):
                await self._open(tenant)
        return is_open

    async def _open(self, tenant: str) -> None:
        due = await self._ledger.held(tenant)
        settled = (await self._ledger.settle([tenant], due.keys()))[tenant]
        held = {job: entry for job, entry in due.items() if job not in settled.jobs}
        await self._books.open(tenant, self._limits(tenant), await self._ledger.figures(tenant), held)
        await self._ledger.opened([tenant])
        log.info("budget_book_opened", tenant=tenant, holds=len(held))

    def _limits(self, tenant: str) -> Mapping[str, Nanodollars]:
        budgets = self._budgets.get(tenant)
        return budgets.limits if budgets else {}
