"""What of a worker's life is measured: one method per thing that happens, none of them blocks."""

from collections.abc import Sequence
from functools import partial

from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.outcome import AttemptBegun
from shared.contracts import AttemptFinished, AttemptStatus, JobEnded, Lane
from shared.telemetry import metrics
from shared.telemetry.instruments import Instruments

__all__ = ["WorkerMeasures"]


class WorkerMeasures:
    def __init__(self, instruments: Instruments) -> None:
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

    def watch(self, lanes: Sequence[tuple[Lane, WatermarkSubscriber]]) -> None:
        """The levels that are read when somebody asks, instead of being told."""
        for lane, subscriber in lanes:
            running = self._instruments.gauge(metrics.JOBS_RUNNING).labels(lane)
            running.set_function(partial(getattr, subscriber, "running_jobs"))

    def attempt_began(self, begun: AttemptBegun) -> None:
        self._open_calls.labels(begun.provider, begun.deployment).inc()

    def attempt_ended(self, attempt: AttemptFinished) -> None:
        place = (attempt.provider, attempt.deployment)
        self._attempts.labels(attempt.model_asked, *place, attempt.status).inc()
        if attempt.error_kind is not None:
            self._failures.labels(*place, attempt.error_kind).inc()
        usage = attempt.usage
        for kind in ("uncached_input", "cache_write", "cache_read", "output"):
            self._tokens.labels(*place, kind).inc(getattr(usage, kind))
        if attempt.status is AttemptStatus.ABANDONED:
            return  # it ran in another process
        self._open_calls.labels(*place).dec()
        self._attempt_seconds.labels(*place).observe((attempt.ended_at - attempt.started_at).total_seconds())
        if attempt.first_token_at is not None:
            self._first_token.labels(*place).observe((attempt.first_token_at - attempt.started_at).total_seconds())

    def job_ended(self, job: JobEnded) -> None:
        self._ended.labels(job.model, job.lane, job.status).inc()
        self._job_seconds.labels(job.lane, job.status).observe((job.ended_at - job.accepted_at).total_seconds())
        if job.started_at is not None:
            self._queue_seconds.labels(job.lane).observe((job.started_at - job.accepted_at).total_seconds())

    def restarted(self, model: str, cause: str) -> None:
        self._restarts.labels(model, cause).inc()

    def fenced(self) -> None:
        self._fenced.inc()

    def flushed(self, entries: int, seconds: float) -> None:
        self._flush_seconds.observe(seconds)
        self._flush_entries.observe(entries)

    def refilled(self, logs: int) -> None:
        self._refills.inc(logs)
