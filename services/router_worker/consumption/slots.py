"""How many jobs may run at once in one lane. A job that only waits for another worker gives its slot back."""

import asyncio
from types import TracebackType
from typing import Self

__all__ = ["Slot", "Slots"]


class Slots:
    """A bounded number of slots. Intake asks `free` and waits for `room`; a job takes one and must give it back."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def free(self) -> int:
        return max(0, self._limit - self._taken)

    @property
    def taken(self) -> int:
        return self._taken

    async def room(self) -> None:
        """Wait until a slot is free; it may be gone again for the second of two who waited."""
        while not self.free:
            self._room.clear()
            await self._room.wait()

    def take(self) -> "Slot":
        """Take a slot at once. Whoever held one before may go over the limit: it must not wait behind new work."""
        self._taken += 1
        return Slot(self)

    def _give_back(self) -> None:
        self._taken -= 1
        self._room.set()


class Slot:
    """One taken slot; giving it back twice is harmless."""

    __slots__ = ("_slots",)

    def __init__(self, slots: Slots) -> None:
        self._slots: Slots | None = slots

    def give_back(self) -> None:
        if self._slots is not None:
            self._slots._give_back()  # noqa: SLF001 - the two are one thing
            self._slots = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.give_back()
