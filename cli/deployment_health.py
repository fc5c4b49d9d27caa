"""How do the deployments do, all workers together? Read where the workers show it once a second."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from redis.exceptions import RedisError

from cli.environment import Known
from shared.errors import OperatorError
from shared.job_log import Keyspace
from shared.load import DeploymentHealth, WorkerLoad
from shared.redis import is_clustered, redis_client

__all__ = ["Seen", "is_callable", "look", "together"]

_SECONDS = 3.0
_SEVERITY = ("closed", "half_open", "open")


@dataclass(frozen=True, slots=True)
class Seen:
    workers: int
    deployments: Mapping[str, DeploymentHealth]


def look(redis_url: Known, namespace: str) -> Seen:
    """Raises OperatorError when Redis cannot be asked."""
    try:
        loads = asyncio.run(_loads(redis_url.value, namespace))
    except (RedisError, OSError, ValueError) as error:
        raise OperatorError(f"Redis at {redis_url.value} ({redis_url.source}) cannot be asked: {error}") from error
    return Seen(len(loads), together([load.deployments for load in loads]))


async def _loads(url: str, namespace: str) -> list[WorkerLoad]:
    """Of the workers that live: who was killed could not take its own away."""
    redis = redis_client(url, call_seconds=_SECONDS)
    try:
        keyspace = Keyspace(namespace, clustered=is_clustered(redis))
        fields = cast("Mapping[bytes, bytes]", await redis.hgetall(keyspace.loads))
        shown = {worker.decode(): load for worker, load in fields.items()}
        lives = {worker: await redis.exists(keyspace.heartbeat(worker)) for worker in shown}
        return [WorkerLoad.model_validate_json(load) for worker, load in shown.items() if lives[worker]]
    finally:
        await redis.aclose(close_connection_pool=True)


def together(workers: Sequence[Mapping[str, DeploymentHealth]]) -> dict[str, DeploymentHealth]:
    """Of each deployment the worst that any worker finds, and the sum of their calls; by name."""
    names = sorted({name for worker in workers for name in worker})
    return {name: _one([worker[name] for worker in workers if name in worker]) for name in names}


def _one(seen: Sequence[DeploymentHealth]) -> DeploymentHealth:
    worst = max(seen, key=lambda each: (_SEVERITY.index(each.state), each.until is not None))
    times = [each.first_token_seconds for each in seen if each.first_token_seconds is not None]
    return DeploymentHealth(
        state=worst.state,
        until=max((each.until for each in seen if each.until is not None), default=None),
        because=worst.because,
        calls=sum(each.calls for each in seen),
        failures=sum(each.failures for each in seen),
        running=sum(each.running for each in seen),
        waiting=sum(each.waiting for each in seen),
        keys=min(each.keys for each in seen),
        first_token_seconds=sum(times) / len(times) if times else None,
    )


def is_callable(health: DeploymentHealth, now: datetime) -> bool:
    return health.keys > 0 and (health.until is None or health.until <= now)
