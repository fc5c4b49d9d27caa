"""Which of the fleet's numbered seats is this worker's? A seat names it towards Kafka, and never two workers at once.

Theory. Kafka keeps the partitions of a member with a name for its whole session, so a worker that comes back under the
name of the one that died moves nothing. But Kafka lets the later of two live processes throw the other out, for ever in
turns; so a name is a lease: a field of one hash with the time it runs out, renewed by its holder. A seat is taken only
after it ran out by the server's clock, and its holder stops believing in it earlier, by its own.

A newcomer looks at all seats. One that was renewed within an interval is held; another is waited for, until its holder
renews it or it runs out. So is one whose holder has the newcomer's own name: who is started again in no time would take
its former self for a living neighbour. Of those that ran out the last one is taken, because Kafka most likely remembers
its member. A worker that will be back leaves its seat behind as run out; one that goes for good clears it away.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.job_log import Keyspace

__all__ = ["Seats"]

log = structlog.get_logger("fleet")

_LOOK_SECONDS: Final = 0.05
_CONFIRM_SECONDS: Final = 0.5
"""A whole group may wait for this answer."""
_INTERVALS: Final = 3
"""How many renewals may fail before the seat runs out."""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function read(number)
  local seat = redis.call('HGET', KEYS[1], number)
  if not seat then return nil end
  local renewed, ends, worker = string.match(seat, '^(%d+) (%d+) (.*)$')
  return {renewed = tonumber(renewed), ends = tonumber(ends), worker = worker}
end
"""

_LOOK = (
    _NOW
    + """
-- KEYS: seats. Returns {number, when it was renewed, ms since then, ms until it runs out, worker} of each, in no order.
local seats = {}
for _, number in ipairs(redis.call('HKEYS', KEYS[1])) do
  local seat = read(number)
  seats[#seats+1] = {tonumber(number), seat.renewed, now - seat.renewed, seat.ends - now, seat.worker}
end
return seats
"""
)

_SIT = (
    _NOW
    + """
-- KEYS: seats. ARGV: number, worker, ms it lasts. Takes or renews the seat; 0 when it is somebody else's.
local seat = read(ARGV[1])
if seat and seat.worker ~= ARGV[2] and seat.ends > now then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. now + ARGV[3] .. ' ' .. ARGV[2])
return 1
"""
)

_KEEP = (
    _NOW
    + """
-- KEYS: seats. ARGV: number, worker, ms it lasts. Renews the seat; 0 when somebody else has sat on it since.
local seat = read(ARGV[1])
if seat and seat.worker ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. now + ARGV[3] .. ' ' .. ARGV[2])
return 1
"""
)

_LEAVE = (
    _NOW
    + """
-- KEYS: seats. ARGV: number, worker, 'back' when it will be, 'gone' when not.
local seat = read(ARGV[1])
if not seat or seat.worker ~= ARGV[2] then return 0 end
if ARGV[3] == 'back' then
  redis.call('HSET', KEYS[1], ARGV[1], seat.renewed .. ' ' .. now .. ' ' .. ARGV[2])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1
"""
)


@dataclass(frozen=True, slots=True)
class _Seen:
    number: int
    renewed_at: int
    renewed_ago_ms: int
    ends_in_ms: int
    worker: bytes

    @property
    def ran_out(self) -> bool:
        return self.ends_in_ms <= 0


class Seats:
    """The seat of one worker. Its number is None while it has none, or cannot be sure of it."""

    def __init__(
        self, redis: Redis, keyspace: Keyspace, worker: str, *, name: str, every_seconds: float, session_seconds: float
    ) -> None:
        """`worker` is this process alone: its `name`, which stays when it is started again, and more behind a `-`."""
        self._key = keyspace.seats
        self._worker = worker
        self._former_self = f"{name}-".encode()
        self._every_seconds = every_seconds
        self._lasts_seconds = every_seconds * _INTERVALS
        self._session_ms = session_seconds * 1000
        self._look = redis.register_script(_LOOK)
        self._sit = redis.register_script(_SIT)
        self._keep = redis.register_script(_KEEP)
        self._leave = redis.register_script(_LEAVE)
        self._number: int | None = None
        self._sure_until = 0.0

    @property
    def name(self) -> str | None:
        """Under which this worker is a member of its groups now."""
        return None if self._number is None or time.monotonic() >= self._sure_until else f"seat-{self._number}"

    async def take(self) -> None:
        """Afterwards this worker has a seat. Waits as long as a seat lasts, at most. Raises RedisError."""
        first: dict[int, int] = {}
        while True:
            seen = [_Seen(*row) for row in await self._look([self._key])]
            first = {seat.number: seat.renewed_at for seat in seen} | first
            if any(self._is_doubtful(seat, first[seat.number]) for seat in seen):
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            number = self._best(seen)
            if await self._ask(self._sit, number):
                self._number = number
                log.info("seat_taken", seat=number)
                return

    async def confirm(self) -> str | None:
        """The name, after asking whether the seat is still ours; as far as we know when nobody answers in time."""
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await self._renew()
        except (RedisError, OSError, TimeoutError) as error:
            log.info("seat_not_confirmed", reason=repr(error))
        return self.name

    async def run(self, changed: Callable[[str | None], None]) -> None:
        """Renew until cancelled, and tell when the name is lost, and when it is ours again.

        Must run as long as the name is used.
        """
        told = self.name
        while True:
            await asyncio.sleep(self._every_seconds)
            name = await self.confirm()
            if name != told:
                log.warning("seat_changed", seat=self._number, held=name is not None)
                changed(name)
                told = name

    async def clear_away(self) -> None:
        """This worker goes for good. Raises RedisError."""
        await self._leave_as("gone")

    async def leave_behind(self) -> None:
        """This worker will be back: whoever comes next may sit here at once. Raises RedisError."""
        await self._leave_as("back")

    async def _leave_as(self, how: str) -> None:
        if self._number is not None:
            number, self._number = self._number, None
            await self._leave([self._key], [number, self._worker, how])

    async def _renew(self) -> None:
        if self._number is None:
            return
        if not await self._ask(self._keep, self._number):
            # For good: under this name there is another member now, and this one would have to throw it out.
            self._number = None

    async def _ask(self, script: Any, number: int) -> bool:  # noqa: ANN401 - redis-py's type says nothing
        asked_at = time.monotonic()
        ours = await script([self._key], [number, self._worker, int(self._lasts_seconds * 1000)])
        if ours:
            self._sure_until = asked_at + self._lasts_seconds
        return bool(ours)

    def _is_doubtful(self, seat: _Seen, renewed_at_first: int) -> bool:
        if seat.ran_out or seat.renewed_at != renewed_at_first:
            return False
        is_fresh = seat.renewed_ago_ms <= self._every_seconds * 1000
        return not is_fresh or seat.worker.startswith(self._former_self)

    def _best(self, seen: list[_Seen]) -> int:
        remembered = [seat for seat in seen if seat.ran_out and -seat.ends_in_ms < self._session_ms]
        if remembered:
            return max(remembered, key=lambda seat: seat.ends_in_ms).number
        held = {seat.number for seat in seen if not seat.ran_out}
        return next(number for number in range(len(held) + 1) if number not in held)
