"""Which deployments and keys do the workers leave alone? One hash in Redis; of each the latest time told counts."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.failures import FailureKind
from services.router_worker.governing.ports import News
from services.router_worker.ports import Unreachable
from services.router_worker.resilience.breaker import Opened
from services.router_worker.resilience.keys import Resting
from shared.job_log import Keyspace

__all__ = ["RedisBreakers"]

_KEY: Final = "key "
"""Before the name of a key, lest it be taken for a deployment."""

# By the server's clock: those of the workers need not agree. ARGV: how many are left alone no more, and their names;
# then name, milliseconds from now, words; and so on.
_SHARE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local renewed = tonumber(ARGV[1])
for i = 2, renewed + 1 do redis.call('HDEL', KEYS[1], ARGV[i]) end
for i = renewed + 2, #ARGV, 3 do
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

    async def share(self, told: News, renewed: Collection[str] = ()) -> News:
        words = [len(renewed), *(_KEY + name for name in renewed), *_written(told)]
        try:
            reply: list[Any] = await self._share([self._key], words)
        except (RedisError, OSError) as error:
            raise Unreachable(f"Redis: {error!r}") from error
        return _heard(zip(reply[::3], reply[1::3], reply[2::3], strict=True))


def _written(told: News) -> Iterator[str | int]:
    for name, opened in told.opened.items():
        yield from (name, int(opened.seconds * 1000), f"{opened.openings} {opened.because}")
    for name, resting in told.resting.items():
        yield from (_KEY + name, int(resting.seconds * 1000), f"1 {resting.because}")


def _heard(reply: Iterator[tuple[bytes, int, bytes]]) -> News:
    """Without what a worker of another version may have said: it says nothing to us."""
    opened: dict[str, Opened] = {}
    resting: dict[str, Resting] = {}
    for field, left_ms, said in reply:
        name = field.decode()
        openings, _, because = said.decode().partition(" ")
        if not openings.isdigit() or because not in list(FailureKind):
            continue
        if name.startswith(_KEY):
            resting[name.removeprefix(_KEY)] = Resting(left_ms / 1000, FailureKind(because))
        else:
            opened[name] = Opened(left_ms / 1000, int(openings), FailureKind(because))
    return News(opened, resting)
