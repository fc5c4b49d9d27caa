"""What a job holds of its tenant's budgets, in Redis, on the Lua that ingress and accounting share."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.ports import Hold, Unreachable
from shared.budgets import EXTEND
from shared.contracts import Job
from shared.job_log import Keyspace
from shared.money import Nanodollars

__all__ = ["RedisHolds"]


class RedisHolds:
    """`ports.Holds`."""

    def __init__(self, redis: Redis, keyspace: Keyspace) -> None:
        self._extend = redis.register_script(EXTEND)
        self._keyspace = keyspace

    async def extend(self, job: Job, amount: Nanodollars) -> Hold:
        try:
            return Hold((await self._extend(self._keyspace.budgets(job.tenant), [job.id, amount])).decode())
        except (RedisError, OSError) as error:
            raise Unreachable(f"Redis: {error!r}") from error
