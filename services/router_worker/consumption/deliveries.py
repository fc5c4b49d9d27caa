"""Runs the records whose turn has come, each as a task of its own through FastStream's whole pipeline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiokafka import ConsumerRecord

from services.router_worker.consumption.delivery import Acknowledgement, Delivery, current_delivery
from services.router_worker.consumption.offset_ledger import OffsetLedger
from services.router_worker.consumption.second_reading import SecondReading
from services.router_worker.consumption.slots import Slot
from services.router_worker.consumption.waiting_room import Ticket, WaitingRoom

__all__ = ["Deliveries"]

log = structlog.get_logger("consumption")


class Deliveries:
    def __init__(
        self,
        room: WaitingRoom,
        reading: SecondReading,
        consume: Callable[[ConsumerRecord], Awaitable[object]],
        on_finished: Callable[[], None],
    ) -> None:
        """`on_finished` is told when an offset may be committed."""
        self._room = room
        self._reading = reading
        self._consume = consume
        self._on_finished = on_finished
        self._running: dict[asyncio.Task[None], float] = {}

    def __len__(self) -> int:
        return len(self._running)

    @property
    def oldest_seconds(self) -> float:
        """How long the one that has run longest has run."""
        return time.monotonic() - next(iter(self._running.values()), time.monotonic())

    async def run(self, gate: asyncio.Event) -> None:
        """Until cancelled. What waits while the gate is shut may not be ours any more when it opens."""
        while True:
            await gate.wait()
            while (ticket := self._room.take()) is not None:
                self._launch(ticket)
            await self._room.stirred()

    async def drain(self, seconds: float) -> None:
        """Let what runs go on for so long, then cancel it; whatever has not ended is delivered again elsewhere."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=5)
        await self._reading.close()

    def _launch(self, ticket: Ticket) -> None:
        slot = self._room.slots.take(ticket.tenant)
        task = asyncio.create_task(self._deliver(ticket, slot), name=f"{ticket.partition.topic}@{ticket.offset}")
        self._running[task] = time.monotonic()
        task.add_done_callback(self._running.__delitem__)

    async def _deliver(self, ticket: Ticket, slot: Slot) -> None:
        arrival = _Arrival(self._room, ticket)
        with slot:
            try:
                done = await self._is_done_with(ticket, slot, arrival)
            finally:
                arrival.tell()
            if done:
                ticket.ledger.finish(ticket.offset)
                self._on_finished()

    async def _is_done_with(self, ticket: Ticket, slot: Slot, arrival: "_Arrival") -> bool:
        record = ticket.record or await self._reading.read(ticket.partition, ticket.offset)
        if record is None:
            # Its retention is longer than any job may take: it had expired long ago.
            log.error("record_gone", partition=str(ticket.partition), offset=ticket.offset)
            return True
        delivery = _delivery(record, self._room, slot, ticket.ledger, arrival)
        record.consumer = Acknowledgement(delivery)
        current_delivery.set(delivery)
        await self._consume(record)
        return delivery.finished


@dataclass(slots=True)
class _Arrival:
    """Of one record, told once."""

    room: WaitingRoom
    ticket: Ticket
    told: bool = False

    def tell(self) -> None:
        if not self.told:
            self.told = True
            self.room.arrived(self.ticket)


def _delivery(
    record: ConsumerRecord, room: WaitingRoom, slot: Slot, ledger: OffsetLedger, arrival: _Arrival
) -> Delivery:
    return Delivery(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value or b"",
        headers={name: value.decode("utf-8", "replace") for name, value in record.headers},
        slots=room.slots,
        slot=slot,
        is_risky=ledger.is_risky(record.offset),
        arrive=arrival.tell,
    )
