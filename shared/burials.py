"""How many records may be set aside before one must doubt oneself rather than them? Pure.

A process whose code or contract is wrong finds every record bad, and would move a topic of good ones to the dead
letters within minutes. So after a number of them within a time it stops, and a person looks.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

__all__ = ["BURIAL_SECONDS", "BurialLimit"]

BURIAL_SECONDS: Final = 600.0


@dataclass(slots=True)
class BurialLimit:
    """Once it is reached it stays so: only a restart forgets."""

    most: int
    within_seconds: float = BURIAL_SECONDS
    is_reached: bool = False
    _times: deque[float] = field(default_factory=deque)

    def admit(self, now: float, records: int = 1) -> bool:
        """Whether so many more may be set aside, all or none. `now` is any clock that does not go back."""
        while self._times and now - self._times[0] > self.within_seconds:
            self._times.popleft()
        if self.is_reached or len(self._times) + records > self.most:
            self.is_reached = True
            return False
        self._times.extend([now] * records)
        return True

    def __str__(self) -> str:
        return (
            f"more than {self.most} records within {self.within_seconds / 60:.0f} min would be dead letters: look at "
            "the last ones, then restart, or allow more by SLUICE_DEAD_LETTERS_MOST"
        )
