"""How busy and how quick is each deployment, as all workers see it? Mutable, but pure: no clock, no I/O.

Quickness is a peak-sensitive moving average of the time to the first token (peak EWMA): a slow answer counts at once
and in full, quick ones win the trust back slowly. It fades while nobody asks, so that a deployment that was slow is
tried again. What other workers see arrives now and then; the own calls of this worker count at once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

__all__ = ["Reading", "Traffic"]

_MEMORY_SECONDS: Final = 10.0
"""After so long without a call, a third of what was measured is left."""
_FORGOTTEN: Final = 0.001


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one deployment, by one worker or by all."""

    in_flight: int = 0
    first_token_seconds: float | None = None


@dataclass(slots=True)
class _Peak:
    seconds: float
    at: float

    def faded(self, now: float) -> float:
        return self.seconds * _kept(now - self.at)

    def observe(self, waited: float, now: float) -> None:
        kept = _kept(now - self.at)
        self.seconds = max(waited, self.seconds * kept + waited * (1 - kept))
        self.at = now


class Traffic:
    """Deployments are told apart by their names; times are in seconds, by the clock of this worker."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self._peaks: dict[str, _Peak] = {}
        self._others: Sequence[Mapping[str, Reading]] = ()

    def began(self, deployment: str) -> None:
        self._in_flight[deployment] += 1

    def ended(self, deployment: str) -> None:
        self._in_flight[deployment] -= 1

    def answered(self, deployment: str, waited: float, now: float) -> None:
        """Its first output came after so many seconds."""
        peak = self._peaks.setdefault(deployment, _Peak(0.0, now))
        peak.observe(waited, now)

    def failed(self, deployment: str, waited: float, now: float) -> None:
        """No output came. To fail quickly is not to be quick: this never makes a deployment look better."""
        if (peak := self._peaks.get(deployment)) is None:
            self._peaks[deployment] = _Peak(waited, now)
        else:
            peak.observe(max(waited, peak.seconds), now)

    def own(self, now: float) -> dict[str, Reading]:
        """What this worker has to tell the others."""
        names = self._peaks.keys() | {name for name, count in self._in_flight.items() if count}
        readings = {name: Reading(self._in_flight[name], self._seconds(name, now)) for name in sorted(names)}
        return {name: each for name, each in readings.items() if each != Reading()}

    def hear(self, others: Sequence[Mapping[str, Reading]]) -> None:
        """All that the other workers say now, instead of what they said before."""
        self._others = others

    def of(self, deployment: str, now: float) -> Reading:
        """Calls are added up; of the times, the mean of those who know one."""
        told = [other[deployment] for other in self._others if deployment in other]
        readings = [Reading(self._in_flight[deployment], self._seconds(deployment, now)), *told]
        seconds = [each.first_token_seconds for each in readings if each.first_token_seconds is not None]
        return Reading(sum(each.in_flight for each in readings), sum(seconds) / len(seconds) if seconds else None)

    def _seconds(self, deployment: str, now: float) -> float | None:
        peak = self._peaks.get(deployment)
        faded = peak.faded(now) if peak else 0.0
        return faded if faded > _FORGOTTEN else None


def _kept(passed: float) -> float:
    return exp(-max(0.0, passed) / _MEMORY_SECONDS)
