"""A record on its way through the worker: where it came from, and the slot it occupies."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from services.router_worker.consumption.slots import Slot, Slots

__all__ = ["Delivery", "current_delivery"]


@dataclass(slots=True)
class Delivery:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Mapping[str, str]
    slots: Slots
    slot: Slot
    finished: bool = False
    """Set by the acknowledgement: the offset may be committed."""

    def step_aside(self) -> None:
        """Hold the offset without a slot, while another worker runs the job."""
        self.slot.give_back()

    def step_back(self) -> None:
        self.slot.give_back()
        self.slot = self.slots.take()


current_delivery: ContextVar[Delivery] = ContextVar("current_delivery")
"""Set for the task of each record. (A FastStream `Context` argument costs a thread hop per message.)"""
