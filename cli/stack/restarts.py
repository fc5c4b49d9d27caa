"""When is a service that ended by itself started again? Soon, then ever later, and soon again once it has held out."""

from dataclasses import dataclass
from typing import Final

from shared.backoff import Backoff

__all__ = ["Patience"]

_BACKOFF: Final = Backoff(base_seconds=0.5, cap_seconds=30.0)

HELD_OUT_SECONDS: Final = 30.0
"""A service that ran this long did start: its end is a new misfortune, not the old one."""

HOPELESS_AFTER: Final = 3


@dataclass(slots=True)
class Patience:
    """With one service."""

    failures: int = 0
    restarts: int = 0
    was_ready: bool = False

    def ended(self, lived_seconds: float, jitter: float) -> float:
        """It ended by itself; tells how many seconds to wait before the next start."""
        self.failures = 1 if lived_seconds >= HELD_OUT_SECONDS else self.failures + 1
        self.restarts += 1
        return _BACKOFF.delay(self.failures, jitter)

    @property
    def is_hopeless(self) -> bool:
        """It was never ready and ended too often: the set-up is wrong, and starting it again would not mend that."""
        return not self.was_ready and self.failures >= HOPELESS_AFTER
