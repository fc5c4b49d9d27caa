"""Where records wait for a slot: all that was read of a lane and does not run yet, in bounded memory.

Theory. Reading does not stop when all slots are taken, or one tenant's backlog would hide everybody behind it. What was
read joins the line (`scheduling/line.py`), which needs of a record no more than its tenant, its cost and its times. Its
content is kept while there is room on the shelf, and is read a second time when its turn comes otherwise; so what is
bounded by the windows of the partitions is a small ticket a record, and by the shelf the contents.

A model whose deployments are at their limit takes no more jobs than will be let in soon: those behind them in the line
may be for another model, and turns are worth nothing once a job stands in the next line.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from services.router_worker.consumption.offset_ledger import OffsetLedger
from services.router_worker.consumption.ports import Crowds
from services.router_worker.consumption.slots import Slots
from services.router_worker.scheduling.line import Line, reserve_of
from services.router_worker.scheduling.weighing import Weight
from shared.clock import Clock

__all__ = ["NO_CROWDS", "Ticket", "WaitingRoom"]

_SHELF_BYTES: Final = 32 * 2**20
_TENANT_BYTES: Final = 4 * 2**20
_RECORD_BYTES: Final = 1024
"""What a record costs beside its value."""


class _NoCrowds:
    def held_back(self, on_way: Mapping[str, int]) -> Collection[str]:  # noqa: ARG002
        return ()

    def watch(self, stirred: Callable[[], None]) -> None:
        pass


NO_CROWDS: Final = _NoCrowds()


@dataclass(slots=True, eq=False)
class Ticket:
    """A record in the line."""

    tenant: str
    cost: int
    kind: str
    """Its model."""
    partition: TopicPartition
    offset: int
    ledger: OffsetLedger
    record: ConsumerRecord | None
    """None when it has to be read again."""
    waits: bool = True


class WaitingRoom:
    def __init__(
        self,
        slots: int,
        weights: Mapping[str, int],
        weigh: Callable[[ConsumerRecord], Weight],
        clock: Clock,
        crowds: Crowds = NO_CROWDS,
    ) -> None:
        self._stirred = asyncio.Event()
        self.slots = Slots(slots, self._stirred.set)
        self._line = Line[Ticket](weights, reserve_of(slots))
        self._weigh = weigh
        self._clock = clock
        self._crowds = crowds
        self._on_way: Counter[str] = Counter()
        """Records that were taken and have not come to where calls begin, by model."""
        self.taken: Counter[str] = Counter()
        """How many ever were, by model."""
        crowds.watch(self._stirred.set)
        self._shelf: Counter[str] = Counter()
        """Bytes of each tenant's records."""
        self._shelf_bytes = 0

    def __len__(self) -> int:
        """Records that were read and have no slot yet."""
        return len(self._line)

    def standing(self) -> Mapping[str, int]:
        """How many of each tenant could go now."""
        return self._line.standing()

    def aside(self) -> Mapping[str, Mapping[str, int]]:
        """How many wait for their model, by model and tenant."""
        return self._line.aside()

    def admit(self, partition: TopicPartition, record: ConsumerRecord, ledger: OffsetLedger) -> None:
        weight = self._weigh(record)
        # Every record brings copies of its own, and there may be very many.
        tenant, model = sys.intern(weight.tenant), sys.intern(weight.model)
        kept = record if self._put_on_shelf(tenant, record) else None
        ticket = Ticket(tenant, weight.cost, model, partition, record.offset, ledger, kept)
        self._line.join(ticket, self._clock(), not_before=weight.not_before, deadline=weight.deadline)
        self._stirred.set()

    def take(self) -> Ticket | None:
        """Whoever may go now; it has left the line and holds no slot yet. Must be followed by `arrived`."""
        held_back = self._crowds.held_back(self._on_way)
        ticket = self._line.next(self._clock(), self.slots.free, self.slots.held, held_back)
        if ticket is not None:
            self._on_way[ticket.kind] += 1
            self.taken[ticket.kind] += 1
            self._take_from_shelf(ticket)
        return ticket

    def arrived(self, ticket: Ticket) -> None:
        """It has come to where calls begin, or will not come there."""
        self._on_way[ticket.kind] -= 1
        self._stirred.set()

    async def stirred(self) -> None:
        """Waits until `take` may have another answer."""
        wakes_at = self._line.wakes_at()
        patience = None if wakes_at is None else max(0.0, (wakes_at - self._clock()).total_seconds())
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._stirred.wait()
        self._stirred.clear()

    def dismiss(self, is_dismissed: Callable[[Ticket], bool]) -> None:
        """These run elsewhere from now on, or have ended there."""

        def leaves(ticket: Ticket) -> bool:
            if not is_dismissed(ticket):
                return False
            self._take_from_shelf(ticket)
            return True

        self._line.dismiss(leaves)

    def _put_on_shelf(self, tenant: str, record: ConsumerRecord) -> bool:
        size = _size(record)
        if self._shelf[tenant] + size > _TENANT_BYTES or self._shelf_bytes + size > _SHELF_BYTES:
            return False
        self._shelf[tenant] += size
        self._shelf_bytes += size
        return True

    def _take_from_shelf(self, ticket: Ticket) -> None:
        if ticket.record is None:
            return
        size = _size(ticket.record)
        self._shelf_bytes -= size
        self._shelf[ticket.tenant] -= size
        if not self._shelf[ticket.tenant]:
            del self._shelf[ticket.tenant]


def _size(record: ConsumerRecord) -> int:
    return _RECORD_BYTES + len(record.value or b"")
