"""A record on its way through the worker: where it came from, and the slot it occupies."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass

from aiokafka import TopicPartition

from services.router_worker.consumption.slots import Slot, Slots

__all__ = ["Acknowledgement", "Delivery", "current_delivery"]


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
    is_risky: bool
    """Whether a worker may have died of it."""
    arrive: Callable[[], None] = lambda: None
    """Tells that the job has come to where calls begin, or will not."""
    finished: bool = False
    """Set by the acknowledgement: the offset may be committed."""

    @property
    def origin(self) -> str:
        """Its name to people, as that of a dead letter."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def step_aside(self) -> None:
        """Hold the offset without a slot, while another worker runs the job."""
        self.arrive()
        self.slot.give_back()

    def step_back(self) -> None:
        self.slot.take_back()

    def resting(self) -> AbstractContextManager[None]:
        return self.slots.resting(self.slot)


class Acknowledgement:
    """What FastStream takes for the consumer: its `commit` marks one offset, its `seek` (a nack) leaves it pending."""

    __slots__ = ("_delivery",)

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def commit(self) -> None:
        self._delivery.finished = True

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Rewinding would repeat every job behind this one; a pending offset is redelivered to the next owner."""


current_delivery: ContextVar[Delivery] = ContextVar("current_delivery")
"""Set for the task of each record. (A FastStream `Context` argument costs a thread hop per message.)"""
