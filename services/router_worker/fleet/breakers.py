"""Which deployments do the workers leave alone? One hash in Redis; of each deployment the latest time told counts."""

from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.failures import FailureKind
from services.router_worker.ports import Unreachable
from services.router_worker.resilience.breaker import Opened
from shared.job_log import Keyspace

__all__ = ["RedisBreakers"]

# By the server's clock: those of the workers need not agree. ARGV: deployment, milliseconds from now, words; and so on.
_SHARE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #ARGV, 3 do
  local had = redis.call('HGET', KEYS[1], ARGV[i])
  local till = now + tonumber(ARGV[i + 1])
  if not had or tonumber(string.match(had, '^%d+')) < till then
    redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f', till) .. ' ' .. ARGV[i + 2])
  end
end
local open, last = {}, 0
local told = redis.call('HGETALL', KEYS[1])
for i = 1, #told, 2 do
  local till, words = string.match(told[i + 1], '^(%d+) (.*)$')
  local left = tonumber(till) - now
  if left <= 0 then
    redis.call('HDEL', KEYS[1], told[i])
  else
    open[#open + 1] = told[i]
    open[#open + 1] = left
    open[#open + 1] = words
    last = math.max(last, left)
  end
end
if last > 0 then redis.call('PEXPIRE', KEYS[1], last) end
return open
"""


class RedisBreakers:
    """The port `Sharing`."""

    def __init__(self, redis: Redis, keyspace: Keyspace) -> None:
        self._share = redis.register_script(_SHARE)
        self._key = keyspace.breakers

    async def share(self, opened: Mapping[str, Opened]) -> Mapping[str, Opened]:
        words = [word for name, each in opened.items() for word in (name, *_written(each))]
        try:
            reply: list[Any] = await self._share([self._key], words)
        except (RedisError, OSError) as error:
            raise Unreachable(f"Redis: {error!r}") from error
        told = zip(reply[::3], reply[1::3], reply[2::3], strict=True)
        return {name.decode(): read for name, left, said in told if (read := _read(left, said)) is not None}


def _written(opened: Opened) -> tuple[int, str]:
    return int(opened.seconds * 1000), f"{opened.openings} {opened.because}"


def _read(left_ms: int, said: bytes) -> Opened | None:
    """None for what a worker of another version may have said: it says nothing to us."""
    openings, _, because = said.decode().partition(" ")
    if not openings.isdigit() or because not in list(FailureKind):
        return None
    return Opened(left_ms / 1000, int(openings), FailureKind(because))
