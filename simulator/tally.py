"""How many times has this come before? Remembers a bounded number of things, the latest ones."""

from collections.abc import Hashable

__all__ = ["Tally"]


class Tally:
    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._counts: dict[Hashable, int] = {}

    def count(self, thing: Hashable) -> int:
        """1 when it comes for the first time, then 2, and so on."""
        nth = self._counts.pop(thing, 0) + 1
        self._counts[thing] = nth
        if len(self._counts) > self._keep:
            del self._counts[next(iter(self._counts))]
        return nth

    def clear(self) -> None:
        self._counts.clear()
