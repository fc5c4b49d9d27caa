"""How far is the run? Numbers that everybody who works on it counts up, and that a display shows as they are."""

from collections import Counter
from dataclasses import dataclass, field

from shared.contracts import Door

__all__ = ["Progress"]


@dataclass(slots=True)
class Progress:
    planned: Counter[Door]
    accepted: Counter[Door] = field(default_factory=Counter)
    ended: Counter[Door] = field(default_factory=Counter)
    calls: int = 0
    """Provider calls that have ended."""
    failed_calls: int = 0
    tokens: int = 0
    readers: int = 0
    """Reading at this moment."""
    resumed: int = 0
    """Connections that went on where another broke."""
    events: int = 0

    @property
    def jobs_ended(self) -> int:
        return self.ended.total()

    @property
    def jobs_planned(self) -> int:
        return self.planned.total()
