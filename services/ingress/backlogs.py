"""How long would a job wait now? From what the workers told lately, and what was promised here since."""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from services.ingress.admission import Backlog, Wait, backlog_of, foresee, grown
from shared.contracts import Job, Lane
from shared.load import LaneLoad, WorkerLoad
from shared.sharding import partitions_of
from shared.telemetry import Instruments
from shared.telemetry.metrics import EXPECTED_WAIT, WORKERS_SEEN
from shared.topics import JOBS

__all__ = ["Backlogs"]


@dataclass(slots=True)
class _Tally:
    """Jobs that were promised in a while."""

    jobs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By tenant and model."""
    first_at: float = math.inf

    def add(self, job: Job, now: float) -> None:
        self.jobs[job.tenant, job.model] += 1
        self.first_at = min(self.first_at, now)


class Backlogs:
    """Never blocks and never raises. Somebody has to keep telling it what the workers tell."""

    def __init__(
        self,
        weights: Mapping[str, int],
        share: Callable[[str], int | None],
        instruments: Instruments,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`share` says how many partitions of the batch lane a tenant has; None is all of them."""
        self._weights = weights
        self._share = share
        self._clock = clock
        self._workers: Collection[WorkerLoad] | None = None
        """None while nobody can tell."""
        self._backlogs: dict[tuple[Lane, int | None, str], Backlog | None] = {}
        """Made of these, as they are asked for: by lane and, where tenants are kept apart, by tenant."""
        self._served_at: dict[Lane, float] = {}
        """When a worker last was there."""
        self._since_told = {lane: _Tally() for lane in Lane}
        self._promised = {lane: _Tally() for lane in Lane}
        """Since the telling before the last: what the workers told may be older than the last one."""
        instruments.gauge(WORKERS_SEEN).set_function(lambda: len(self._workers or ()))
        for lane in Lane:
            instruments.gauge(EXPECTED_WAIT).labels(lane).set_function(partial(self._newcomers_seconds, lane))

    def told(self, workers: Collection[WorkerLoad]) -> None:
        """How busy each living worker is."""
        now = self._clock()
        self._workers = workers
        self._backlogs.clear()
        self._promised, self._since_told = self._since_told, {lane: _Tally() for lane in Lane}
        for lane in Lane:
            if any(load.slots for load in self._loads(lane)):
                self._served_at[lane] = now
            else:
                self._served_at.setdefault(lane, now)

    def unknown(self) -> None:
        """Nobody can tell how busy the workers are."""
        self._workers = None
        self._backlogs.clear()
        self._served_at.clear()

    def promised(self, job: Job) -> None:
        """It is about to be queued. Not only when it is: of many at once all would be promised the same slot."""
        if job.not_before is not None:
            return
        for tallies in (self._promised, self._since_told):
            tallies[job.lane].add(job, self._clock())

    def wait(self, lane: Lane, tenant: str, model: str) -> Wait | None:
        """Of the tenant's next job for the model; None when nobody can tell."""
        if self._workers is None:
            return None
        share = self._share(tenant) if lane is Lane.BATCH else None
        kind = (lane, share, "" if share is None else tenant)
        if kind not in self._backlogs:
            self._backlogs[kind] = backlog_of(self._reached_by(lane, tenant, share))
        backlog = self._backlogs[kind]
        now = self._clock()
        if backlog is None:
            # Of a silence nobody knows more than how long it has lasted; it may well last as long again.
            silence = timedelta(seconds=now - self._served_at[lane])
            return Wait(silence, silence, workers=False)
        promised = self._promised[lane]
        return foresee(grown(backlog, promised.jobs, now - promised.first_at), tenant, model, self._weights)

    def _reached_by(self, lane: Lane, tenant: str, share: int | None) -> Sequence[LaneLoad]:
        """The workers where a job of the tenant may come to stand; all of them when those are just changing."""
        loads = self._loads(lane)
        if share is None:
            return loads
        count = max([JOBS[lane].partitions, *(1 + max(load.partitions, default=0) for load in loads)])
        own = set(partitions_of(tenant, count, share))
        return [load for load in loads if load.slots and own.intersection(load.partitions)] or loads

    def _loads(self, lane: Lane) -> Sequence[LaneLoad]:
        return [worker.lanes[lane] for worker in self._workers or () if lane in worker.lanes]

    def _newcomers_seconds(self, lane: Lane) -> float:
        """The wait of a tenant that has nothing waiting, for a model that is not at its limit."""
        wait = self.wait(lane, "", "")
        return math.nan if wait is None else wait.of_others.total_seconds()
