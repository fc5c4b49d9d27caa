"""How busy is this worker, in each lane? What it shows to the ingresses, who promise no more than the fleet can do."""

import heapq
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.measures import WorkerMeasures
from shared.contracts import Lane
from shared.load import LaneLoad, WorkerLoad

__all__ = ["Load", "Stall", "named"]

_MOST_TENANTS: Final = 32


@dataclass(slots=True)
class Stall:
    """For how long has no slot been handed out although somebody waits? So long has every job run that runs."""

    handed_out: int = -1
    since: float = 0.0

    def look(self, handed_out: int, waiting: int, now: float) -> float:
        if not waiting or handed_out != self.handed_out:
            self.handed_out, self.since = handed_out, now
        return now - self.since


class Load:
    def __init__(
        self,
        lanes: Mapping[Lane, WatermarkSubscriber],
        measures: WorkerMeasures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lanes = lanes
        self._measures = measures
        self._clock = clock
        self._stalls = {lane: Stall() for lane in lanes}
        self._beat = 0

    def look(self) -> WorkerLoad:
        self._beat += 1
        return WorkerLoad(beat=self._beat, lanes={lane: self._of(lane, each) for lane, each in self._lanes.items()})

    def _of(self, lane: Lane, subscriber: WatermarkSubscriber) -> LaneLoad:
        slots = subscriber.slots
        waiting, rest = named(subscriber.room.standing())
        stalled = self._stalls[lane].look(slots.handed_out, len(waiting), self._clock())
        return LaneLoad(
            slots=0 if subscriber.halted or subscriber.consumer is None else slots.limit,
            free=max(0, slots.free),
            job_seconds=max(self._measures.job_seconds(lane), stalled),
            waiting=waiting,
            unnamed=rest + subscriber.behind,
            partitions=tuple(sorted(each.partition for each in subscriber.commits.spans())),
        )


def named(standing: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Those with the most, and how many jobs the others have together."""
    most = dict(heapq.nlargest(_MOST_TENANTS, standing.items(), key=lambda each: each[1]))
    return most, sum(standing.values()) - sum(most.values())
