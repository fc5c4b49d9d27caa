"""What of a worker's life is measured: one method per thing that happens, none of them blocks."""

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiokafka import TopicPartition
from prometheus_client import Gauge

from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.failures import FailureKind
from services.router_worker.governing.post import Posts
from services.router_worker.outcome import AttemptBegun
from services.router_worker.resilience.breaker import State
from shared.contracts import AttemptFinished, JobEnded, Lane
from shared.telemetry import metrics
from shared.telemetry.instruments import Instruments, Reading

__all__ = ["LaneMeasures", "WorkerMeasures"]

_STATES: Final[Mapping[State, int]] = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}

_NEWEST_COUNTS: Final = 0.05
"""How much the latest job moves the mean: some twenty of them are what it remembers."""


@dataclass(slots=True)
class _Pace:
    """How long jobs keep their slot lately. A second, until one has ended here."""

    mean_seconds: float | None = None

    def ended(self, seconds: float) -> None:
        mean = seconds if self.mean_seconds is None else self.mean_seconds
        self.mean_seconds = mean + (seconds - mean) * _NEWEST_COUNTS

    @property
    def job_seconds(self) -> float:
        return 1.0 if self.mean_seconds is None else self.mean_seconds


class LaneMeasures:
    """What happens to the partitions of one lane."""

    def __init__(self, instruments: Instruments, lane: str) -> None:
        self._commits = instruments.counter(metrics.COMMITS)
        self._rebalances = instruments.counter(metrics.REBALANCES).labels(lane)
        self._buried = instruments.counter(metrics.DEAD_LETTERS)
        self._rebuilds = instruments.counter(metrics.REBUILDS).labels(lane)
        self._lane = lane

    def committed(self, outcome: str) -> None:
        self._commits.labels(self._lane, outcome).inc()

    def rebalanced(self) -> None:
        self._rebalances.inc()

    def buried(self, topic: str, reason: str) -> None:
        self._buried.labels(topic, reason).inc()

    def rebuilt(self) -> None:
        self._rebuilds.inc()


class WorkerMeasures:
    def __init__(self, instruments: Instruments) -> None:
        self._posts: Posts | None = None
        self._instruments = instruments
        self._attempts = instruments.counter(metrics.ATTEMPTS)
        self._failures = instruments.counter(metrics.ATTEMPT_FAILURES)
        self._attempt_seconds = instruments.histogram(metrics.ATTEMPT_SECONDS)
        self._first_token = instruments.histogram(metrics.FIRST_TOKEN_SECONDS)
        self._open_calls = instruments.gauge(metrics.ATTEMPTS_RUNNING)
        self._tokens = instruments.counter(metrics.TOKENS)
        self._ended = instruments.counter(metrics.JOBS_ENDED)
        self._job_seconds = instruments.histogram(metrics.JOB_SECONDS)
        self._queue_seconds = instruments.histogram(metrics.QUEUE_SECONDS)
        self._restarts = instruments.counter(metrics.RESTARTS)
        self._fenced = instruments.counter(metrics.FENCED)
        self._flush_seconds = instruments.histogram(metrics.FLUSH_SECONDS)
        self._flush_entries = instruments.histogram(metrics.FLUSH_ENTRIES)
        self._refills = instruments.counter(metrics.LOG_REFILLS)
        self._records = instruments.counter(metrics.RECORDS)
        self._failovers = instruments.counter(metrics.FAILOVERS)
        self._quota_seconds = instruments.histogram(metrics.QUOTA_SECONDS)
        self._quota_leases = instruments.counter(metrics.QUOTA_LEASES)
        self._quota_share = instruments.gauge(metrics.QUOTA_SHARE)
        self._hedges = instruments.counter(metrics.HEDGES)
        self._probes = instruments.counter(metrics.PROBES)
        self._openings = instruments.counter(metrics.BREAKER_OPENINGS)
        self._pace: dict[str, _Pace] = {lane: _Pace() for lane in Lane}

    def of_lane(self, lane: str) -> LaneMeasures:
        return LaneMeasures(self._instruments, lane)

    def job_seconds(self, lane: str) -> float:
        """How long a job of the lane keeps its slot lately."""
        return self._pace[lane].job_seconds

    def watch(self, lanes: Mapping[str, WatermarkSubscriber], shadowed: Sized) -> None:
        """The levels that are read when somebody asks, instead of being told."""
        self._instruments.gauge(metrics.JOBS_SHADOWED).set_function(lambda: len(shadowed))
        for lane, subscriber in lanes.items():
            self._watch_lane(lane, subscriber)
        subscribers = list(lanes.values())
        self._instruments.readings(
            metrics.UNCOMMITTED, lambda: _by_partition([subscriber.commits.spans() for subscriber in subscribers])
        )
        self._instruments.readings(
            metrics.WATERMARK_AGE, lambda: _by_partition([subscriber.commits.ages() for subscriber in subscribers])
        )

    def watch_posts(self, posts: Posts) -> None:
        """How many wait for a permit at each deployment, and whether it may be called."""
        level = self._instruments.gauge(metrics.QUOTA_WAITING)
        for keeper in (keeper for post in posts.values() for keeper in post.keepers):
            for lane in Lane:
                level.labels(keeper.deployment, lane).set_function(partial(keeper.account.gate.waiting, lane))
        if self._posts is None:
            self._instruments.readings(metrics.BREAKER_STATE, self._breakers)
            self._instruments.readings(metrics.KEYS_IN_USE, self._keys)
        self._posts = posts

    def _breakers(self) -> list[Reading]:
        return [((post.name,), _STATES[post.state()]) for post in (self._posts or {}).values()]

    def _keys(self) -> list[Reading]:
        return [((post.name,), post.keys_in_use()) for post in (self._posts or {}).values()]

    def _watch_lane(self, lane: str, subscriber: WatermarkSubscriber) -> None:
        def level(metric: metrics.Level) -> Gauge:
            return self._instruments.gauge(metric).labels(lane)

        level(metrics.JOBS_RUNNING).set_function(lambda: subscriber.slots.taken)
        level(metrics.JOBS_WAITING).set_function(lambda: len(subscriber.room))
        level(metrics.RECORDS_BEHIND).set_function(lambda: subscriber.behind)
        level(metrics.POLL_AGE).set_function(lambda: subscriber.poll_age)
        level(metrics.OLDEST_JOB).set_function(lambda: subscriber.oldest_job)
        if pace := self._pace.get(lane):
            level(metrics.WORK_SECONDS).set_function(
                lambda: pace.job_seconds * (subscriber.behind + len(subscriber.room))
            )

    def attempt_began(self, begun: AttemptBegun) -> None:
        self._open_calls.labels(begun.provider, begun.deployment).inc()

    def attempt_ended(self, attempt: AttemptFinished) -> None:
        self.attempt_inherited(attempt)
        place = (attempt.provider, attempt.deployment)
        self._open_calls.labels(*place).dec()
        self._attempt_seconds.labels(*place).observe((attempt.ended_at - attempt.started_at).total_seconds())
        if attempt.first_token_at is not None:
            self._first_token.labels(*place).observe((attempt.first_token_at - attempt.started_at).total_seconds())

    def attempt_inherited(self, attempt: AttemptFinished) -> None:
        place = (attempt.provider, attempt.deployment)
        self._attempts.labels(attempt.model_asked, *place, attempt.status).inc()
        if attempt.error_kind is not None:
            self._failures.labels(*place, attempt.error_kind).inc()
        usage = attempt.usage
        for kind in ("uncached_input", "cache_write", "cache_read", "output"):
            self._tokens.labels(*place, kind).inc(getattr(usage, kind))

    def job_ended(self, job: JobEnded) -> None:
        self._ended.labels(job.model, job.lane, job.status).inc()
        self._job_seconds.labels(job.lane, job.status).observe((job.ended_at - job.accepted_at).total_seconds())
        if job.started_at is not None:
            self._queue_seconds.labels(job.lane).observe((job.started_at - job.accepted_at).total_seconds())
            self._pace[job.lane].ended((job.ended_at - job.started_at).total_seconds())

    def record_taken(self, lane: str, outcome: str) -> None:
        self._records.labels(lane, outcome).inc()

    def failed_over(self, model: str, cause: str) -> None:
        self._failovers.labels(model, cause).inc()

    def let_in(self, deployment: str, lane: Lane, waited_seconds: float) -> None:
        self._quota_seconds.labels(deployment, lane).observe(waited_seconds)

    def leased(self, deployment: str, outcome: str) -> None:
        self._quota_leases.labels(deployment, outcome).inc()

    def slowed(self, deployment: str, share: float) -> None:
        self._quota_share.labels(deployment).set(share)

    def opened(self, deployment: str, because: FailureKind, *, heard: bool) -> None:
        self._openings.labels(deployment, because, "heard" if heard else "found").inc()

    def hedged(self, model: str, outcome: str) -> None:
        self._hedges.labels(model, outcome).inc()

    def probed(self, deployment: str, outcome: str) -> None:
        self._probes.labels(deployment, outcome).inc()

    def restarted(self, model: str, cause: str) -> None:
        self._restarts.labels(model, cause).inc()

    def fenced(self) -> None:
        self._fenced.inc()

    def flushed(self, entries: int, seconds: float) -> None:
        self._flush_seconds.observe(seconds)
        self._flush_entries.observe(entries)

    def refilled(self, logs: int) -> None:
        self._refills.inc(logs)


def _by_partition(levels: Sequence[Mapping[TopicPartition, float]]) -> Iterator[Reading]:
    for each in levels:
        for partition, level in each.items():
            yield (partition.topic, str(partition.partition)), level
