"""The book of `ports.BudgetBook` in Redis, on the Lua that ingress and accounting share."""

from collections.abc import Sequence

from redis.asyncio import Redis

from services.ingress.adapters.redis_log import as_unavailable
from services.ingress.admission import Short
from services.ingress.ports import Dependency, UnavailableError
from shared.budgets import DROP, HOLD, BudgetRule, Held, held_entry
from shared.clock import Clock, unix_ms
from shared.contracts import Reserved
from shared.ids import JobId
from shared.job_log import Keyspace

__all__ = ["RedisBudgets"]


class RedisBudgets:
    def __init__(self, redis: Redis, keyspace: Keyspace, clock: Clock) -> None:
        self._hold = redis.register_script(HOLD)
        self._drop = redis.register_script(DROP)
        self._keyspace = keyspace
        self._clock = clock

    async def hold(self, job: JobId, reserved: Reserved, rules: Sequence[BudgetRule]) -> Sequence[Short]:
        entry = held_entry(Held(reserved.nanodollars, unix_ms(self._clock()), reserved.windows))
        windows = [
            word
            for window, rule in zip(reserved.windows, rules, strict=True)
            for word in (window, rule.name, rule.limit)
        ]
        with as_unavailable():
            verdict, *rest = await self._hold(
                self._keyspace.budgets(rules[0].tenant), [job, entry, reserved.nanodollars, *windows]
            )
        if verdict == b"unknown":
            raise UnavailableError(Dependency.REDIS, "its book of budgets is being made anew from the ledger")
        numbers = [int(word) for word in rest]
        return [
            Short(rules[number], spent, held)
            for number, spent, held in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        ]

    async def drop(self, tenant: str, job: JobId) -> None:
        with as_unavailable():
            await self._drop(self._keyspace.budgets(tenant), [job])
