"""When does it pay to ask a second deployment beside one that is slow to begin? Mutable, but pure: no clock, no I/O.

A call is slow when its first output takes longer than that of 95 of the last 100 calls to its deployment. Every call
that might be hedged earns a part of a second call, its model's share; a second call spends a whole one. So of all calls
no more than that share are ever made twice, even when all of them have become slow: then a second call would not help.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final

from shared.config.patience import Hedge

__all__ = ["Hedging"]

_REMEMBERED: Final = 100
_ENOUGH: Final = 20
_SLOW: Final = 0.95
_MOST_SAVED: Final = 3.0
"""Second calls that may be made in a row after a quiet time."""


class Hedging:
    """`rules` are by the model that is asked for; models without one are never hedged."""

    def __init__(self, rules: Mapping[str, Hedge]) -> None:
        self._rules = rules
        self._waits: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._saved: defaultdict[str, float] = defaultdict(float)

    def watches(self, model: str) -> bool:
        return model in self._rules

    def answered(self, deployment: str, seconds: float) -> None:
        """Its first output came after so many seconds."""
        self._waits[deployment].append(seconds)

    def began(self, model: str, deployment: str) -> float | None:
        """A call begins: after how many seconds without output it is slow; None when it is not to be hedged."""
        rule, waits = self._rules.get(model), self._waits[deployment]
        if rule is None:
            return None
        self._saved[model] = min(self._saved[model] + rule.most_share, _MOST_SAVED)
        if len(waits) < _ENOUGH:
            return None
        return max(sorted(waits)[int(len(waits) * _SLOW)], rule.least_seconds)

    def may_spend(self, model: str) -> bool:
        """Whether a second call may be made."""
        return self._saved[model] >= 1

    def spend(self, model: str) -> None:
        self._saved[model] -= 1
