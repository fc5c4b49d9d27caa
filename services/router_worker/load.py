"""How busy is this worker, in each lane? What it shows to the ingresses, who promise no more than the fleet can do."""

import heapq
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.measures import WorkerMeasures
from shared.contracts import Lane
from shared.load import DeploymentHealth, HeldBack, LaneLoad, WorkerLoad

__all__ = ["LetIn", "Load", "Stall", "named"]

_MOST_TENANTS: Final = 32
_LOOKS: Final = 30
_FIRST_SECONDS: Final = 2.0


@dataclass(slots=True)
class Stall:
    """For how long has no slot been handed out although somebody waits? So long has every job run that runs."""

    handed_out: int = -1
    since: float = 0.0

    def look(self, handed_out: int, waiting: int, now: float) -> float:
        if not waiting or handed_out != self.handed_out:
            self.handed_out, self.since = handed_out, now
        return now - self.since


@dataclass(slots=True)
class LetIn:
    """How many jobs a second of a model that is at its limit have gone lately?"""

    looks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_LOOKS))

    def look(self, taken: int, now: float) -> float | None:
        """None as long as nobody can tell. One more than has gone is taken to be about to go."""
        self.looks.append((now, taken))
        since, before = self.looks[0]
        return (taken - before + 1) / (now - since) if now - since >= _FIRST_SECONDS else None


class Load:
    def __init__(
        self,
        lanes: Mapping[Lane, WatermarkSubscriber],
        measures: WorkerMeasures,
        deployments: Callable[[], Mapping[str, DeploymentHealth]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lanes = lanes
        self._measures = measures
        self._deployments = deployments
        self._clock = clock
        self._stalls = {lane: Stall() for lane in lanes}
        self._let_in: dict[tuple[Lane, str], LetIn] = {}
        """Of the models that are at their limit."""
        self._beat = 0

    def look(self) -> WorkerLoad:
        self._beat += 1
        return WorkerLoad(
            beat=self._beat,
            lanes={lane: self._of(lane, each) for lane, each in self._lanes.items()},
            deployments=dict(self._deployments()),
        )

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
            held_back=self._held_back(lane, subscriber),
        )

    def _held_back(self, lane: Lane, subscriber: WatermarkSubscriber) -> dict[str, HeldBack]:
        aside, now = subscriber.room.aside(), self._clock()
        for kind in [kind for kind in self._let_in if kind[0] is lane and kind[1] not in aside]:
            del self._let_in[kind]
        found = {}
        for model, standing in aside.items():
            let_in = self._let_in.setdefault((lane, model), LetIn())
            per_second = let_in.look(subscriber.room.taken[model], now)
            if per_second is not None:
                waiting, rest = named(standing)
                found[model] = HeldBack(waiting=waiting, unnamed=rest, per_second=per_second)
        return found


def named(standing: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Those with the most, and how many jobs the others have together."""
    most = dict(heapq.nlargest(_MOST_TENANTS, standing.items(), key=lambda each: each[1]))
    return most, sum(standing.values()) - sum(most.values())
