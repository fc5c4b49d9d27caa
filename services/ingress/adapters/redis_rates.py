"""The book of `ports.RateBook` in Redis, on the Lua that ingress and workers share."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from redis.asyncio import Redis

from services.ingress.adapters.redis_log import as_unavailable
from services.ingress.admission import Allowance, Denied, Granted, Left, Pace, tightest
from shared.ids import JobId
from shared.job_log import Keyspace
from shared.rates import GIVE_BACK, TAKE, UNIT, Bucket, Resource, Scope, missing_ms

__all__ = ["RedisRates"]

_LEASE: Final = timedelta(seconds=30)
"""Longer than a job takes from here to Kafka's acknowledgement. Should this process die, everything is free then."""


class RedisRates:
    def __init__(self, redis: Redis, keyspace: Keyspace, *, lease: timedelta = _LEASE) -> None:
        self._take = redis.register_script(TAKE)
        self._give_back = redis.register_script(GIVE_BACK)
        self._keyspace = keyspace
        self._lease_ms = _ms(lease)

    async def take(self, job: JobId, pace: Pace) -> Granted | Denied:
        keys = [self._keyspace.hold(job)]
        for scope in pace.scopes:
            keys += self._keyspace.rates(scope.name)
        patience = -1 if pace.patience is None else _ms(pace.patience)
        limits = [limit or 0 for scope in pace.scopes for limit in (scope.requests, scope.tokens, scope.places)]
        with as_unavailable():
            reply = await self._take(keys, [job, pace.tokens, patience, self._lease_ms, self._lease_ms, *limits])
        if reply[0] == b"taken":
            return Granted(timedelta(milliseconds=int(reply[2])), _allowance(pace.scopes, reply[3:]))
        retry_ms = int(reply[2])
        return Denied(
            scope=pace.scopes[int(reply[3])],
            resource=Resource(reply[4].decode()),
            retry=None if retry_ms < 0 else timedelta(milliseconds=retry_ms),
            allowance=_allowance(pace.scopes, reply[5:]),
        )

    async def give_back(self, job: JobId) -> None:
        with as_unavailable():
            await self._give_back([self._keyspace.hold(job)])


def _allowance(scopes: Sequence[Scope], levels: Sequence[Any]) -> Allowance:
    return Allowance(
        tightest(list(_lefts(Resource.REQUESTS, scopes, levels))),
        tightest(list(_lefts(Resource.TOKENS, scopes, levels))),
    )


def _lefts(resource: Resource, scopes: Sequence[Scope], levels: Sequence[Any]) -> Iterator[Left]:
    at = 0 if resource is Resource.REQUESTS else 2
    for number, scope in enumerate(scopes):
        limit = dict(scope.limits()).get(resource)
        if limit is not None:
            bucket = Bucket(int(levels[number * 4 + at]), int(levels[number * 4 + at + 1]))
            full_in = missing_ms(bucket, limit, limit * UNIT) or 0
            yield Left(limit, max(0, bucket.level // UNIT), timedelta(milliseconds=full_in))


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
