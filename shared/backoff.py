"""How long to wait before trying again: exponential, capped, and with a jitter that the caller draws."""

from dataclasses import dataclass

__all__ = ["Backoff"]

_STEPS = 40
"""Doubling more often than this is beyond any cap, and would overflow a float in the end."""


@dataclass(frozen=True, slots=True)
class Backoff:
    base_seconds: float
    cap_seconds: float

    def delay(self, failures: int, jitter: float) -> float:
        """Seconds to wait after so many failures in a row (from 1).

        `jitter` in [0, 1) is drawn by the caller: half of the delay is fixed, half is chance, so that many who failed
        together do not come back together.
        """
        full = min(self.cap_seconds, self.base_seconds * 2.0 ** min(max(failures, 1) - 1, _STEPS))
        return full / 2 + full / 2 * jitter
