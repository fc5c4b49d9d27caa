"""How busy and how quick are the deployments, as the other workers see them? Told in Redis every second, all to all.

One call a second and worker, however many jobs run. What is lost, or comes late, makes a choice a little worse and
nothing wrong: while Redis is away, each worker goes by what it sees itself.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.routing.traffic import Reading, Traffic
from shared.clock import Clock
from shared.job_log import Keyspace

__all__ = ["TrafficExchange"]

log = structlog.get_logger("fleet")

_EVERY_SECONDS: Final = 1.0
_FRESH_MS: Final = 5000
"""Who has said nothing for so long is gone, or hangs: its calls are not counted any more."""

# By the server's clock: those of the workers need not agree.
_TELL: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local heard = {}
local told = redis.call('HGETALL', KEYS[1])
for i = 1, #told, 2 do
  local at, word = string.match(told[i + 1], '^(%d+) (.*)$')
  if not at or now - tonumber(at) > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], told[i])
  elseif told[i] ~= ARGV[1] then
    heard[#heard + 1] = word
  end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return heard
"""


class TrafficExchange:
    def __init__(self, redis: Redis, keyspace: Keyspace, worker: str, traffic: Traffic, clock: Clock) -> None:
        self._tell = redis.register_script(_TELL)
        self._key = keyspace.traffic
        self._worker = worker
        self._traffic = traffic
        self._clock = clock

    async def run(self) -> None:
        """Tell and hear until cancelled."""
        while True:
            try:
                await self.exchange()
            except (RedisError, OSError) as error:
                self._traffic.hear(())
                log.info("traffic_not_told", reason=repr(error))
            await asyncio.sleep(_EVERY_SECONDS)

    async def exchange(self) -> None:
        """Afterwards the others can hear what this worker sees, and it knows what they saw. Raises RedisError."""
        own = self._traffic.own(self._clock().timestamp())
        words: list[Any] = await self._tell([self._key], [self._worker, _written(own), _FRESH_MS])
        self._traffic.hear([_read(word) for word in words])


def _written(readings: Mapping[str, Reading]) -> bytes:
    return orjson.dumps({name: [each.in_flight, each.first_token_seconds] for name, each in readings.items()})


def _read(word: bytes) -> dict[str, Reading]:
    """Empty for what a worker of another version may have said: it says nothing to us."""
    try:
        return {
            str(name): Reading(int(in_flight), None if seconds is None else float(seconds))
            for name, (in_flight, seconds) in orjson.loads(word).items()
        }
    except (orjson.JSONDecodeError, AttributeError, ValueError, TypeError):
        return {}
