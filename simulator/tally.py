"""How many times has this come before? Remembers a bounded number of things, the latest ones."""

from collections.abc import Hashable

__all__ = ["Tally"]


class Tally:
    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._counts: dict[tuple[str, Hashable], int] = {}

    def count(self, model: str, thing: Hashable) -> int:
        """1 when this thing of `model` comes for the first time, then 2, and so on."""
        key = model, thing
        nth = self._counts.pop(key, 0) + 1
        self._counts[key] = nth
        if len(self._counts) > self._keep:
            del self._counts[next(iter(self._counts))]
        return nth

    def forget(self, model: str) -> None:
        self._counts = {key: nth for key, nth in self._counts.items() if key[0] != model}

    def clear(self) -> None:
        self._counts.clear()
