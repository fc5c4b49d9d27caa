"""The book of a deployment's quota in Redis: one script call deals a lease for all calls that wait at a worker.

The script does what `quota.book.deal` does, which says why; a test compares the two. It also carries the lesson of the
refusals to whoever asks, and takes a new one from whoever has drawn it from the newest.
"""

from math import inf
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.governing.ports import Dealt
from services.router_worker.ports import Unreachable
from services.router_worker.quota.book import FORGOTTEN_SECONDS, Ask, Lease
from services.router_worker.quota.flow import MINUTE, Flow
from services.router_worker.quota.lesson import Lesson, Noted
from shared.job_log import Keyspace

__all__ = ["RedisLeases"]

_KEPT_MS: Final = 900_000
"""Longer than any lesson lasts."""

_CONSTANTS: Final = f"local MINUTE, FORGOTTEN, KEPT_MS = {MINUTE}, {FORGOTTEN_SECONDS}, {_KEPT_MS}"
_DEAL: Final = (
    _CONSTANTS
    + """
-- KEYS: book. ARGV: worker; of requests and of tokens each unit, burst, reserve, horizon (unit 0: no limit); limit of
-- places (-1: none), running, stock, need, refund; version of the lesson known, a new lesson or ''; how many calls that
-- are interactive, batch and spare, the tokens of each spare one; then the tokens of each call.
-- Returns now; how many calls of each kind; begin and given, of requests and of tokens, relative to now; places, places
-- for batch; workers; version and lesson. Fields of the book: requests, tokens, lesson, version, @<worker>.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local arg = {}
for i = 2, 14 do arg[i] = tonumber(ARGV[i]) end
local fields = redis.call('HGETALL', KEYS[1])
local book = {}
for i = 1, #fields, 2 do book[fields[i]] = fields[i + 1] end

local flows = {
  {unit = arg[2], burst = arg[3], reserve = arg[4], horizon = arg[5], given = tonumber(book.requests or 0)},
  {unit = arg[6], burst = arg[7], reserve = arg[8], horizon = arg[9], given = tonumber(book.tokens or 0)},
}
local limit, running, stock, need, refund = arg[10], arg[11], arg[12], arg[13], arg[14]
flows[2].given = flows[2].given - refund * flows[2].unit
local begin = {}
for i, flow in ipairs(flows) do
  if flow.unit > 0 then
    flow.given = math.max(math.min(flow.given, now + MINUTE), now - flow.burst)
  else
    flow.given = now
  end
  begin[i] = flow.given
end

local function member_of(name) return string.match(name, '^(.+)~[^~]*$') or name end
local workers, others, own, claimants, rivals = 1, 0, 0, 1, {}
for name, value in pairs(book) do
  if string.sub(name, 1, 1) == '@' and name ~= '@' .. ARGV[1] then
    local places, wants, heard = string.match(value, '^(%S+) (%S+) (%S+)$')
    places, wants = tonumber(places), tonumber(wants)
    if now - tonumber(heard) < FORGOTTEN then
      others = others + places
      local member = member_of(string.sub(name, 2))
      if member == member_of(ARGV[1]) then
        own = own + places
      else
        rivals[member] = rivals[member] or {places = 0, wants = 0}
        rivals[member].places = rivals[member].places + places
        rivals[member].wants = rivals[member].wants + wants
      end
    else
      redis.call('HDEL', KEYS[1], name)
    end
  end
end
for _, rival in pairs(rivals) do
  workers = workers + 1
  if rival.wants > 0 then claimants = claimants + 1 end
end
local places, batch_places = math.huge, math.huge
if limit >= 0 then
  local left, share = limit - others, math.ceil(limit / claimants)
  local most = limit
  for _, rival in pairs(rivals) do
    if rival.wants > rival.places and rival.places < share then most = share end
  end
  places = math.max(running, math.min(need, left, most - own))
  batch_places = math.min(places, left - math.floor(limit / 8))
end

local function give(cost, reserved)
  local at, units = -math.huge, {1, cost}
  for i, flow in ipairs(flows) do
    if flow.unit > 0 then
      local over = flow.given + units[i] * flow.unit
      if reserved then over = over + flow.reserve end
      at = math.max(at, math.min(over, flow.given + flow.burst))
    end
  end
  for i, flow in ipairs(flows) do
    if flow.unit > 0 then flow.given = math.max(flow.given, at - flow.burst) + units[i] * flow.unit end
  end
end
local at = 21
local function take(count, room, reserved)
  for taken = 0, count - 1 do
    if taken >= room then return taken end
    for _, flow in ipairs(flows) do
      local ahead = flow.horizon
      if reserved then ahead = ahead - flow.reserve end
      if flow.unit > 0 and flow.given > now + ahead then return taken end
    end
    give(tonumber(ARGV[at]), reserved)
    at = at + 1
  end
  return count
end
local function take_spare(count, room, cost)
  for taken = 0, count - 1 do
    if taken >= room then return taken end
    for i, flow in ipairs(flows) do
      local units = i == 1 and 1 or cost
      if flow.unit > 0 and flow.given + units * flow.unit > now - flow.burst / 2 then return taken end
    end
    give(cost, false)
  end
  return count
end
local asked, asked_batch = tonumber(ARGV[17]), tonumber(ARGV[18])
local taken = running + stock
local interactive, batch, spare = take(asked, places - taken, false), 0, 0
if interactive == asked then
  batch = take(asked_batch, batch_places - taken - interactive, true)
  if batch == asked_batch then
    spare = take_spare(tonumber(ARGV[19]), places - taken - interactive - batch, tonumber(ARGV[20]))
  end
end

local version, lesson = tonumber(book.version or 0), book.lesson or ''
if ARGV[16] ~= '' and tonumber(ARGV[15]) == version then
  version, lesson = version + 1, ARGV[16]
  redis.call('HSET', KEYS[1], 'version', version, 'lesson', lesson)
end
local function exact(number) return string.format('%.6f', number) end
local held = limit >= 0 and places or 0
redis.call('HSET', KEYS[1], 'requests', exact(flows[1].given), 'tokens', exact(flows[2].given),
  '@' .. ARGV[1], held .. ' ' .. need .. ' ' .. exact(now))
redis.call('PEXPIRE', KEYS[1], KEPT_MS)
return {exact(now), interactive, batch, spare, exact(begin[1] - now), exact(begin[2] - now),
  exact(flows[1].given - now), exact(flows[2].given - now), held, limit >= 0 and batch_places or 0,
  workers, version, lesson}
"""
)


class RedisLeases:
    def __init__(self, redis: Redis, keyspace: Keyspace) -> None:
        self._deal = redis.register_script(_DEAL)
        self._keyspace = keyspace

    async def deal(self, account: str, ask: Ask, known: Noted, new: Lesson | None = None) -> Dealt:
        """`new` takes the place of the lesson that is known, unless somebody else has replaced that meanwhile.

        May block for the Redis time limit; raises Unreachable, and then nobody knows whether it was dealt.
        """
        try:
            reply: list[Any] = await self._deal([self._keyspace.quota(account)], _words(ask, known, new))
        except (RedisError, OSError) as error:
            raise Unreachable(f"Redis: {error!r}") from error
        limited = ask.terms.places is not None
        lease = Lease(
            interactive=reply[1],
            batch=reply[2],
            spare=reply[3],
            requests_begin=float(reply[4]),
            tokens_begin=float(reply[5]),
            requests_given=float(reply[6]),
            tokens_given=float(reply[7]),
            places=reply[8] if limited else inf,
            batch_places=reply[9] if limited else inf,
            workers=reply[10],
        )
        return Dealt(lease, float(reply[0]), Noted(_read(reply[12]), reply[11]))


def _words(ask: Ask, known: Noted, new: Lesson | None) -> list[str | int | float | bytes]:
    terms = ask.terms
    return [
        ask.worker,
        *_of_flow(terms.requests),
        *_of_flow(terms.tokens),
        -1 if terms.places is None else terms.places,
        ask.running,
        ask.stock,
        ask.need,
        ask.refund,
        known.version,
        _written(new) if new else b"",
        len(ask.interactive),
        len(ask.batch),
        ask.spare,
        ask.spare_tokens,
        *ask.interactive,
        *ask.batch,
    ]


def _of_flow(flow: Flow | None) -> tuple[float, float, float, float]:
    return (flow.unit, flow.burst, flow.reserve, flow.horizon) if flow else (0.0, 0.0, 0.0, 0.0)


def _written(lesson: Lesson) -> bytes:
    return orjson.dumps([lesson.at, lesson.share, lesson.held_until, dict(lesson.rates)])


def _read(written: bytes) -> Lesson | None:
    """None also for what a worker of another version may have written there: it says nothing to us."""
    try:
        at, share, held_until, rates = orjson.loads(written)
    except (orjson.JSONDecodeError, ValueError, TypeError):
        return None
    return Lesson(at, share, held_until, rates)
