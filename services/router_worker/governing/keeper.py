"""Keeps the gate of one key to a deployment: lets in those who wait, and asks the book for leases for all of them."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Final

import structlog

from services.router_worker.governing.ports import Dealt, GateMeasures, Leases
from services.router_worker.ports import Unreachable
from services.router_worker.quota.account import Account
from services.router_worker.quota.book import Ask
from services.router_worker.quota.gate import Waiting
from services.router_worker.resilience.guard import Guard
from services.router_worker.resilience.keys import KeyRing
from services.router_worker.routing.plan import Candidate
from shared.contracts import Job

__all__ = ["Keeper", "Ticket"]

log = structlog.get_logger("quota")

_BOOK_SECONDS: Final = 0.5
"""How long the book is waited for before this worker goes on with its share."""
_SOON_ENOUGH: Final = 0.1
"""Where nobody waits, so much may pass before the stock is seen to."""
_AWAKE: Final = -inf
"""It looks at everything before it rests again."""
_ALONE_SECONDS: Final = 1.0
"""How long it then does without asking again."""


@dataclass(slots=True, eq=False)
class Ticket(Waiting):
    """A job in one of its lines."""

    candidate: Candidate = field(kw_only=True)
    keeper: "Keeper" = field(kw_only=True)
    turn: "asyncio.Future[Ticket | None]" = field(kw_only=True)
    """The same in all of them; None when a line was closed."""
    since: float = field(kw_only=True)
    lines: "list[Ticket]" = field(kw_only=True)
    """All of the job's: whoever is called up leaves them at once, or two would let it in."""

    def call_up(self, ticket: "Ticket | None") -> None:
        for each in self.lines:
            each.keeper.account.gate.leave(each)
        if not self.turn.done():
            self.turn.set_result(ticket)


class Keeper:
    """`run` must run as long as anybody calls. Everything else happens at once."""

    def __init__(
        self,
        deployment: str,
        number: int,
        key_name: str | None,
        ring: KeyRing,
        account: Account[Ticket],
        guard: Guard,
        leases: Leases,
        measures: GateMeasures,
    ) -> None:
        """`number` is the place of its key in the ring, `key_name` what that is called, if there are several; the guard
        is that of the account's gate."""
        self.deployment = deployment if key_name is None else f"{deployment} key {key_name}"
        """Its name to people."""
        self.number = number
        self.key_name = key_name
        self.account = account
        self._ring = ring
        self._guard = guard
        self._leases = leases
        self._measures = measures
        self._stirred = asyncio.Event()
        self._watchers: list[Callable[[], None]] = []
        self._wakes_at = _AWAKE
        self._alone_until = -inf

    def free_at(self, now: float) -> float:
        """When one may stand in line here, if not now: while its key rests, or its provider wants quiet for long."""
        held = self.account.gate.held_until if self.account.holds_long(now) else now
        return max(self._ring.rests_until(self.number), held, now)

    def cost(self, job: Job) -> int:
        """Tokens, of nobody who does not count them."""
        account = self.account
        return account.expectation.of(job) if account.gate.terms.tokens is not None else 0

    def may_pass(self, job: Job, now: float) -> bool:
        """Whether a call may begin at once."""
        return self.free_at(now) <= now and self.account.gate.may_pass(job.lane, self.cost(job), now)

    def stir(self) -> None:
        """Something has changed."""
        self._stirred.set()

    def nudge(self, now: float) -> None:
        """A call has come or gone: that alone does not wake the keeper, unless it has to do something sooner now."""
        gate = self.account.gate
        if gate.is_empty and (gate.terms.free or self._wakes_at < now + _SOON_ENOUGH):
            return
        due = self._due(now)
        if gate.terms.free or (due is not None and due < self._wakes_at):
            self._stirred.set()

    def watch(self, moved: Callable[[], None]) -> None:
        """`moved` is called whenever the line has become shorter."""
        self._watchers.append(moved)

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._stirred.clear()
            now = loop.time()
            self.account.refresh(now)
            self._let_in(now)
            asks_at = self._asks_at(now)
            if asks_at is not None and asks_at <= now:
                await self._ask(now)
            else:
                await self._rest(now)

    async def _rest(self, now: float) -> None:
        due = self._due(now)
        self._wakes_at = inf if due is None else due
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else due - now):
                await self._stirred.wait()
        self._wakes_at = _AWAKE

    def _due(self, now: float) -> float | None:
        """When there is something to do although nothing happens."""
        times = (self._asks_at(now), self.account.gate.wakes_at(now))
        return min((each for each in times if each is not None), default=None)

    def _asks_at(self, now: float) -> float | None:
        """A new lesson is told at once, whether anybody waits or not."""
        asks_at = self.account.gate.asks_at(now)
        if self.account.drawn is None:
            return asks_at
        telling_at = max(now, self._alone_until)
        return telling_at if asks_at is None else min(asks_at, telling_at)

    def _let_in(self, now: float) -> None:
        gate = self.account.gate
        if self._guard.is_shut(now) or self.free_at(now) > now:
            for ticket in gate.dismiss():
                ticket.call_up(None)
            return
        for ticket in gate.admit(now):
            self._measures.let_in(self.deployment, ticket.lane, now - ticket.since)
            ticket.call_up(ticket)
            for moved in self._watchers:
                moved()

    async def _ask(self, now: float) -> None:
        loop, account = asyncio.get_running_loop(), self.account
        ask = account.gate.ask(now)
        dealt = await self._deal(ask, now)
        if dealt is None:
            ask, lease = account.deal_alone(ask, now)
            outcome = "away"
        else:
            lease = dealt.lease
            account.dealt(lease, dealt.now, dealt.noted, now, loop.time())
            outcome = "all" if lease.serves(ask) else "some"
        self._measures.leased(self.deployment, outcome)
        self._measures.slowed(self.deployment, account.share(now))
        jitter = random.random()  # noqa: S311 - keeps workers apart, guards nothing
        account.gate.told(ask, lease, now, loop.time(), jitter)

    async def _deal(self, ask: Ask, now: float) -> Dealt | None:
        """None when the book cannot be reached."""
        if now < self._alone_until:
            return None
        account = self.account
        try:
            async with asyncio.timeout(_BOOK_SECONDS):
                return await self._leases.deal(account.name, ask, account.noted, account.drawn)
        except (Unreachable, TimeoutError) as error:
            log.warning("quota_shared_blindly", deployment=self.deployment, reason=repr(error))
            self._alone_until = asyncio.get_running_loop().time() + _ALONE_SECONDS
            return None
