"""How many jobs may run at once in one lane, and whose are they? A job that only waits gives its slot back."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

__all__ = ["Slot", "Slots"]


class Slots:
    """A bounded number of slots. Whoever hands them out asks `free` first; a job takes one and must give it back."""

    def __init__(self, limit: int, on_freed: Callable[[], None]) -> None:
        self._limit = limit
        self._on_freed = on_freed
        self._held: Counter[str] = Counter()
        self._taken = 0
        self._resting = 0
        self.handed_out = 0
        """How often one was, ever."""

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def free(self) -> int:
        """Less than none when jobs have come back beyond the limit."""
        return self._limit - self._taken

    @property
    def taken(self) -> int:
        return self._taken

    def held(self, tenant: str) -> int:
        return self._held[tenant]

    def take(self, tenant: str) -> "Slot":
        """Take a slot at once. Whoever held one before may go over the limit: it must not wait behind new work."""
        self._taken += 1
        self.handed_out += 1
        self._held[tenant] += 1
        return Slot(self, tenant)

    @contextmanager
    def resting(self, slot: "Slot") -> Iterator[None]:
        """Lend the slot to others for a while. No more may rest than there are slots: the next ones keep theirs."""
        if self._resting >= self._limit:
            yield
            return
        self._resting += 1
        slot.give_back()
        try:
            yield
        finally:
            self._resting -= 1
            slot.take_back()

    def _give_back(self, tenant: str) -> None:
        self._taken -= 1
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        self._on_freed()


class Slot:
    """One slot; giving it back twice, or taking it back twice, is harmless."""

    __slots__ = ("_slots", "_taken", "_tenant")

    def __init__(self, slots: Slots, tenant: str) -> None:
        self._slots = slots
        self._tenant = tenant
        self._taken = True

    def give_back(self) -> None:
        if self._taken:
            self._taken = False
            self._slots._give_back(self._tenant)  # noqa: SLF001 - the two are one thing

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.give_back()

    def take_back(self) -> None:
        if not self._taken:
            self._slots.take(self._tenant)
            self._taken = True
