"""Which of the records that wait goes next, now, with so many slots free? Pure: time and slots are arguments.

Theory. A record joins the line when it is read. One that must not go yet sleeps until its time. The others stand in the
deficit round robin of their tenants. One whose deadline passes while it waits goes at once, before everybody: it only
has to be ended, which costs no provider call and next to no time.

The last slots are reserved for those who want little: only a tenant whose jobs, running and waiting, all fit into the
reserve may take them. Without this, a few jobs that come after a flood would wait until some of the flood's end, which
may take minutes. Among those who have a backlog the turns alone decide, and so the weights hold.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Final, Generic, Protocol, TypeVar

from services.router_worker.scheduling.deficit import DeficitRoundRobin

__all__ = ["Line", "Standing", "reserve_of"]

_LAST_WORDS: Final = 16
"""How many expired jobs may be ended beyond the limit while all slots are taken."""
_SLACK: Final = 1024


def reserve_of(slots: int) -> int:
    """How many of a lane's slots are for those who want little."""
    return slots // 8


class Standing(Protocol):
    """Something in the line; the line alone changes `waits`."""

    waits: bool

    @property
    def tenant(self) -> str: ...

    @property
    def cost(self) -> int: ...

    @property
    def kind(self) -> str: ...


Item = TypeVar("Item", bound=Standing)


class Line(Generic[Item]):
    def __init__(self, weights: Mapping[str, int], reserve: int) -> None:
        self._reserve = reserve
        self._turns: DeficitRoundRobin[Item] = DeficitRoundRobin(weights)
        self._sleeping: list[tuple[datetime, int, Item]] = []
        self._deadlines: list[tuple[datetime, int, Item]] = []
        self._expired: deque[Item] = deque()
        self._waiting = 0
        self._numbers = itertools.count()
        """Breaks ties in the heaps, whose items cannot be compared."""

    def __len__(self) -> int:
        return self._waiting

    def standing(self) -> Mapping[str, int]:
        """How many of each tenant could go now, at most: some may have gone by another way, or be held back."""
        return self._turns.standing()

    def aside(self) -> Mapping[str, Mapping[str, int]]:
        """How many were held back when their turn came, at most, by kind and tenant."""
        return self._turns.aside()

    def join(self, item: Item, now: datetime, *, not_before: datetime | None, deadline: datetime | None) -> None:
        """`item.waits` must be true. A deadline before `not_before` ends the sleep."""
        self._waiting += 1
        if deadline is not None:
            heapq.heappush(self._deadlines, (deadline, next(self._numbers), item))
        if not_before is not None and not_before > now:
            heapq.heappush(self._sleeping, (min(not_before, deadline or not_before), next(self._numbers), item))
        else:
            self._turns.enqueue(item)

    def next(
        self, now: datetime, free: int, held: Callable[[str], int], held_back: Collection[str] = ()
    ) -> Item | None:
        """Who goes now, no longer waiting; None when nobody waits or nobody may go.

        `free` slots are left, less than none beyond the limit; `held` says how many a tenant has. Kinds that are
        `held_back` do not go, unless their time is over.
        """
        self._pass_time(now)
        if self._expired and free > -_LAST_WORDS:
            self._waiting -= 1
            return self._expired.popleft()
        if free > self._reserve:
            item = self._turns.next(held_back)
        elif free > 0:
            item = self._turns.next_before_its_turn(
                lambda tenant, waiting: held(tenant) + waiting <= self._reserve, held_back
            )
        else:
            item = None
        return None if item is None else self._leave(item)

    def wakes_at(self) -> datetime | None:
        """When `next` may have another answer although nobody joined and no slot came free."""
        for heap in (self._sleeping, self._deadlines):
            while heap and not heap[0][2].waits:
                heapq.heappop(heap)
        return min((heap[0][0] for heap in (self._sleeping, self._deadlines) if heap), default=None)

    def dismiss(self, is_dismissed: Callable[[Item], bool]) -> None:
        """These need not go any more; the others keep their order."""
        sleeping = (item for _, _, item in self._sleeping if item.waits)
        for item in [item for item in (*sleeping, *self._turns.items()) if is_dismissed(item)]:
            self._leave(item)
        self._turns.sweep()
        self._sleeping = [entry for entry in self._sleeping if entry[2].waits]
        heapq.heapify(self._sleeping)
        staying = deque(item for item in self._expired if not is_dismissed(item))
        self._waiting -= len(self._expired) - len(staying)
        self._expired = staying

    def _leave(self, item: Item) -> Item:
        item.waits = False
        self._waiting -= 1
        return item

    def _pass_time(self, now: datetime) -> None:
        while self._sleeping and self._sleeping[0][0] <= now:
            item = heapq.heappop(self._sleeping)[2]
            if item.waits:
                self._turns.enqueue(item)
        while self._deadlines and self._deadlines[0][0] <= now:
            item = heapq.heappop(self._deadlines)[2]
            if item.waits:
                item.waits = False
                self._turns.prune(item.tenant)
                self._expired.append(item)
        if len(self._deadlines) > 2 * self._waiting + _SLACK:
            self._deadlines = [entry for entry in self._deadlines if entry[2].waits]
            heapq.heapify(self._deadlines)
