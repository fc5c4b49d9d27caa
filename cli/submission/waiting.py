"""How did the jobs end? Asked of the gateway, or read off the topics: whichever door they went through."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from pydantic import ValidationError

from cli.environment import Known
from cli.gateway import Gateway, GatewayAwayError, UnansweredError
from cli.kafka import reading
from cli.submission.door import Accepted
from services.ingress.api.schemas import JobObject
from shared.contracts import DeadLetter, JobEnded
from shared.errors import OperatorError
from shared.ids import job_unix_ms, parse_job_id
from shared.topics import DEAD_LETTERS, RESULTS

__all__ = ["Ending", "GatewayWait", "TopicWait", "Wait"]

_WINDOW: Final = 100
"""Jobs end about in the order in which they came, so the oldest are asked after and the rest let be."""
_ASKED_AT_ONCE: Final = 4
_PAUSE_SECONDS: Final = 0.5
_GIVE_UP_SECONDS: Final = 120.0
"""Without an answer of the gateway. One that is started anew is waited for."""
_CLOCKS_APART: Final = timedelta(minutes=1)
"""How far the clocks of the broker, of the services and here may differ."""
_ENDS: Final = frozenset({"succeeded", "failed", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class Ending:
    accepted: Accepted
    status: str
    """`succeeded`, `failed`, `cancelled`, `expired`; `refused` when its record went to the dead letters."""
    why: str | None


class Wait(Protocol):
    def wait(self, jobs: Sequence[Accepted], ended: Callable[[Ending], None], give_up_at: float) -> bool:
        """Blocks until all have ended, each told once, or until `give_up_at` (monotonic): then False."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayWait:
    gateway: Gateway

    def wait(self, jobs: Sequence[Accepted], ended: Callable[[Ending], None], give_up_at: float) -> bool:
        open_jobs, heard_at = list(jobs), time.monotonic()
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            while open_jobs:
                if time.monotonic() >= give_up_at:
                    return False
                if time.monotonic() - heard_at > _GIVE_UP_SECONDS:
                    raise OperatorError("The gateway has not answered for two minutes.")
                looked_at, rest = open_jobs[:_WINDOW], open_jobs[_WINDOW:]
                still_open: list[Accepted] = []
                for job, found in zip(looked_at, pool.map(self._look, looked_at), strict=True):
                    heard_at = heard_at if found is None else time.monotonic()
                    if found is None or found.status not in _ENDS:
                        still_open.append(job)
                    else:
                        ended(Ending(job, found.status, found.error.message if found.error else None))
                if len(still_open) > len(looked_at) // 2:
                    time.sleep(_PAUSE_SECONDS)
                open_jobs = still_open + rest
        return True

    def _look(self, job: Accepted) -> JobObject | None:
        """None while the gateway cannot say."""
        try:
            return self.gateway.job(job.job or "")
        except (GatewayAwayError, UnansweredError):
            return None


@dataclass(frozen=True, slots=True)
class TopicWait:
    kafka: Known
    topic_prefix: str

    def wait(self, jobs: Sequence[Accepted], ended: Callable[[Ending], None], give_up_at: float) -> bool:
        return asyncio.run(self._wait(jobs, ended, give_up_at))

    async def _wait(self, jobs: Sequence[Accepted], ended: Callable[[Ending], None], give_up_at: float) -> bool:
        waited = {name: job for job in jobs for name in (job.job, job.record) if name is not None}
        since = _begin(jobs)
        topics = [RESULTS.at(self.topic_prefix), DEAD_LETTERS.at(self.topic_prefix)]
        patience = None if give_up_at == float("inf") else max(0.0, give_up_at - time.monotonic())
        if not waited:
            return True
        try:
            async with asyncio.timeout(patience), reading(self.kafka, topics, since=since) as opened:
                async for record in opened.records():
                    name, status, why = _end_told(record.topic == topics[0], record.value or b"")
                    job = waited.pop(name, None)
                    if job is None:
                        continue
                    waited.pop(job.job or "", None)
                    waited.pop(job.record or "", None)
                    ended(Ending(job, status, why))
                    if not waited:
                        break
        except TimeoutError:
            return False
        return True


def _begin(jobs: Sequence[Accepted]) -> datetime:
    """From before the first of them was sent, perhaps by an earlier run."""
    moments = [job_unix_ms(known) for job in jobs if job.job and (known := parse_job_id(job.job))]
    if len(moments) < len(jobs):
        raise OperatorError(
            "An earlier run sent some of the lines without the configuration, so nobody knows which jobs they are: "
            "leave --wait out, or send all of them --again."
        )
    return datetime.fromtimestamp(min(moments, default=0) / 1000, UTC) - _CLOCKS_APART


def _end_told(is_result: bool, value: bytes) -> tuple[str, str, str | None]:
    """Of which job or record, how it ended and why; of none when the record cannot be read."""
    try:
        if is_result:
            end = JobEnded.model_validate_json(value)
            return end.job_id, end.status.value, end.error.message if end.error else None
        letter = DeadLetter.model_validate_json(value)
    except ValidationError:
        return "", "", None
    return letter.origin, "refused", letter.message
