"""The job log of `ports.JobLog` in Redis, on the Lua that ingress and workers share."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.ingress.adapters.follower import Cause
from services.ingress.adapters.followers import Followers
from services.ingress.adapters.reachability import plain
from services.ingress.ports import Cancellation, Dependency, Following, JobRecord, Progress, UnavailableError
from shared.clock import Clock
from shared.contracts import Job, JobEnded, PlanEntry, WireModel
from shared.ids import JobId
from shared.job_log import (
    ABANDON,
    ACCEPT,
    CANCEL,
    FOLLOW,
    Cursor,
    Entry,
    JobFacts,
    Keyspace,
    PlanNoted,
    accepted_entry,
    facts_of,
    parse_entry,
)
from shared.rates import KEEP

__all__ = ["RedisJobLog", "as_unavailable"]

_READERS_TTL_MS: Final = 600_000
"""Longer than any silence after which a reader registers itself again."""
_END_IS_TOLD: Final = timedelta(minutes=1)
"""So long after its deadline a job has surely ended, and given back what it holds of its limits."""


class _Outcome(WireModel):
    """Of the claim's outcome, what concerns a reader."""

    ended: JobEnded


class RedisJobLog:
    def __init__(
        self,
        redis: Redis,
        keyspace: Keyspace,
        replica: str,
        followers: Followers,
        *,
        kept: timedelta,
        longest: timedelta,
        clock: Clock,
    ) -> None:
        """`kept` is how long an ended job's log stays, `longest` how far a deadline may be away."""
        self._redis = redis
        self._keyspace = keyspace
        self._replica = replica
        self._followers = followers
        self._clock = clock
        self._accept = redis.register_script(ACCEPT)
        self._follow = redis.register_script(FOLLOW)
        self._cancel = redis.register_script(CANCEL)
        self._keep = redis.register_script(KEEP)
        self._abandon = redis.register_script(ABANDON)
        self.go_by(kept=kept, longest=longest)

    def go_by(self, *, kept: timedelta, longest: timedelta) -> None:
        """For whatever comes from now on."""
        self._kept = kept
        self._mark_ttl_ms = _milliseconds(longest + kept)

    @asynccontextmanager
    async def follow(self, job: JobId, after: Cursor) -> AsyncIterator[Following]:
        async def read(cursor: Cursor) -> Sequence[Entry]:
            return await self._register_and_read(job, cursor)

        follower = self._followers.join(job, after, read)
        try:
            await follower.begin()
            yield follower
        finally:
            self._followers.leave(job, follower)
            if not follower.over and not self._followers.has(job):
                await self._sign_off(job)

    async def _sign_off(self, job: JobId) -> None:
        """Nobody follows the job here any more."""
        try:
            with as_unavailable():
                channel = self._keyspace.ingress_channel(self._replica, job)
                await self._redis.srem(self._keyspace.job(job).readers, channel)
        except UnavailableError:
            return  # until the set expires, or nobody hears what is told here, somebody seems to follow it still
        self._call_back(job)

    def _call_back(self, job: JobId) -> None:
        """Whoever came while this replica was signed off from the job was signed off, too."""
        self._followers.reread(job.encode(), Cause.CROSSED)

    async def _register_and_read(self, job: JobId, cursor: Cursor) -> Sequence[Entry]:
        keys = self._keyspace.job(job)
        channel = self._keyspace.ingress_channel(self._replica, job)
        with as_unavailable():
            rows = await self._follow([keys.log, keys.readers], [channel, str(cursor), _READERS_TTL_MS])
        return [parse_entry(entry_id, fields[1]) for entry_id, fields in rows]

    async def accept(self, job: Job) -> None:
        keys = self._keyspace.job(job.id)
        facts = facts_of(job).to_bytes()
        places = [keys.log, keys.readers, keys.claim]
        words: list[str | bytes | int] = [job.id, facts, accepted_entry(job), self._ttl_ms(job.deadline)]
        with as_unavailable():
            if not job.paced:
                await self._accept(places, words)
                return
            pipeline = self._redis.pipeline(transaction=False)
            await self._accept(places, words, client=pipeline)
            held_ms = _milliseconds(max(job.deadline - self._clock(), timedelta()) + _END_IS_TOLD)
            await self._keep([self._keyspace.hold(job.id)], [held_ms], client=pipeline)
            await pipeline.execute()

    async def look(self, job: JobId) -> JobRecord | None:
        keys = self._keyspace.job(job)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hmget(keys.claim, ["job", "owner", "cancel", "outcome"])
        pipeline.hkeys(keys.claim)
        pipeline.xrevrange(keys.log, count=1)
        with as_unavailable():
            (facts, owner, cancel, outcome), fields, last = await pipeline.execute()
        end = _terminal(last)
        ended = _ended(outcome, end)
        known = _facts(facts)
        if known is None:
            return _record_of_the_end(ended, end) if ended else None
        begun = [field for field in fields if _begins_attempt(field)]
        return JobRecord(
            id=known.id,
            tenant=known.tenant,
            model=known.model,
            lane=known.lane,
            accepted_at=known.accepted_at,
            progress=Progress.RUNNING if owner else Progress.QUEUED,
            custom_id=known.custom_id,
            deadline=known.deadline,
            not_before=known.not_before,
            cancel_requested=cancel is not None,
            attempts_begun=len(begun),
            plan=await self._plan(job, begun) if begun and ended is None else (),
            ended=ended,
            end=end.cursor if end else None,
        )

    async def _plan(self, job: JobId, begun: Sequence[bytes]) -> Sequence[PlanEntry]:
        """As the last call's worker noted it."""
        last = max(begun, key=lambda field: int(field[1:]))
        with as_unavailable():
            noted = await self._redis.hget(self._keyspace.job(job).claim, last)
        return (PlanNoted.model_validate_json(noted).plan if noted else None) or ()

    async def cancel(self, job: JobId) -> Cancellation:
        with as_unavailable():
            return await self._told(job, await self._cancel([self._keyspace.job(job).claim], [self._mark_ttl_ms]))

    async def abandon(self, job: JobId) -> Cancellation:
        keys = self._keyspace.job(job)
        channel = "" if self._followers.has(job) else self._keyspace.ingress_channel(self._replica, job)
        with as_unavailable():
            found = await self._told(job, await self._abandon([keys.readers, keys.claim], [self._mark_ttl_ms, channel]))
        if channel:
            self._call_back(job)
        return found

    async def _told(self, job: JobId, reply: list[bytes]) -> Cancellation:
        """After the mark was set: the worker that runs the job hears of it at once."""
        found = Cancellation(reply[0].decode())
        if found is Cancellation.RUNNING:
            await self._redis.spublish(self._keyspace.worker_channel(reply[1].decode()), f"cancel {job}")
        return found

    def _ttl_ms(self, deadline: datetime) -> int:
        return _milliseconds(max(deadline - self._clock(), timedelta()) + self._kept)


@contextmanager
def as_unavailable() -> Iterator[None]:
    """Whatever Redis's client raises becomes UnavailableError."""
    try:
        yield
    # A connection that dies under redis-py shows itself as AttributeError or RuntimeError, too.
    except (RedisError, OSError, TimeoutError, AttributeError, RuntimeError) as error:
        raise UnavailableError(Dependency.REDIS, plain(error)) from error


def _facts(raw: bytes | None) -> JobFacts | None:
    return JobFacts.model_validate_json(raw) if raw else None


def _terminal(last: list[tuple[bytes, dict[bytes, bytes]]]) -> Entry | None:
    """The log's last entry, if it is the end."""
    if not last:
        return None
    entry_id, fields = last[0]
    entry = parse_entry(entry_id, fields[b"d"])
    return entry if entry.type.is_terminal else None


def _ended(outcome: bytes | None, end: Entry | None) -> JobEnded | None:
    """From the claim; where that is lost, from the log."""
    if outcome:
        return _Outcome.model_validate_json(outcome).ended
    return JobEnded.model_validate_json(end.data) if end else None


def _record_of_the_end(ended: JobEnded, end: Entry | None) -> JobRecord:
    return JobRecord(
        id=ended.job_id,
        tenant=ended.tenant,
        model=ended.model,
        lane=ended.lane,
        accepted_at=ended.accepted_at,
        custom_id=ended.custom_id,
        ended=ended,
        end=end.cursor if end else None,
    )


def _begins_attempt(field: bytes) -> bool:
    return field[:1] == b"a" and field[1:].isdigit()


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
