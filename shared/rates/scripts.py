"""The Lua that takes from all the buckets of a job at once, and gives back. Each script may be repeated.

State of a scope: HASH with `at` (ms), `requests`, `requests_owed`, `tokens`, `tokens_owed`, as in `buckets`; beside it
a ZSET of the jobs that have a place, by when they lose it. What a job has taken is its *hold*, a STRING: while it is
there, the job has taken, and a repeated call finds that out. All keys share one hash tag, so that one call reaches
them; whoever gives back finds in the hold where to. A hold and its places end by themselves when nobody ends them.
"""

from typing import Final

from shared.rates.buckets import UNIT

__all__ = ["GIVE_BACK", "KEEP", "SETTLE", "TAKE"]

_WORDS: Final = """
local function words(text)
  local found = {}
  for word in string.gmatch(text, '[^\\n]+') do found[#found+1] = word end
  return found
end
local function whole(number) return string.format('%.0f', number) end
"""

TAKE: Final = (
    f"local UNIT = {UNIT}"
    + _WORDS
    + """
-- KEYS: hold, then of each scope state and places. ARGV: job, tokens, patience in ms (-1: none), how long a place is
-- kept and how long the hold, in ms; then of each scope its limits of requests, tokens and places (0: none).
-- Returns 'taken', now, wait in ms, or 'refused', now, ms until it may be tried again (-1: never), number of the scope
-- from 0, resource; then of each scope the level and the debt of requests and of tokens.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local job, tokens, patience = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local scopes = (#KEYS - 1) / 2
local costs = {requests = UNIT, tokens = tokens * UNIT}
local wait, refused, found = 0, nil, {}

local function refuse(scope, resource, ms)
  if not refused or (refused[1] >= 0 and (ms < 0 or ms > refused[1])) then refused = {ms, scope, resource} end
end
local function missing(bucket)
  if bucket.cost > bucket.limit * UNIT then return -1 end
  local need = bucket.cost - bucket.level
  if need <= 0 then return 0 end
  return math.min(math.ceil(need / bucket.limit), math.ceil((need + bucket.owed) / (bucket.limit * 8)))
end

for i = 1, scopes do
  local state = redis.call('HMGET', KEYS[i*2], 'at', 'requests', 'requests_owed', 'tokens', 'tokens_owed')
  local gone = math.max(0, now - tonumber(state[1] or now))
  found[i] = {}
  for n, resource in ipairs({'requests', 'tokens'}) do
    local limit = tonumber(ARGV[5 + (i-1) * 3 + n])
    if limit > 0 then
      local bucket = {limit = limit, cost = costs[resource], level = limit * UNIT, owed = 0}
      if state[n*2] then
        local owed = tonumber(state[n*2+1])
        local paid = math.min(owed, gone * limit * 7)
        bucket.level = math.min(limit * UNIT, tonumber(state[n*2]) + gone * limit * 8 - paid)
        bucket.owed = owed - paid
      end
      found[i][resource] = bucket
      if bucket.level < bucket.cost or (bucket.owed > 0 and patience >= 0) then
        if patience < 0 then
          refuse(i - 1, resource, missing(bucket))
        else
          bucket.owes = true
          local ms = math.ceil((bucket.owed + bucket.cost) / (limit * 7))
          wait = math.max(wait, ms)
          if ms > patience then
            local missed = missing(bucket)
            if missed >= 0 then missed = math.max(missed, math.ceil(bucket.owed / (limit * 7))) end
            if math.ceil(bucket.cost / (limit * 7)) <= patience then
              missed = missed < 0 and ms - patience or math.min(missed, ms - patience)
            end
            refuse(i - 1, resource, missed)
          end
        end
      end
    end
  end
  local most = tonumber(ARGV[5 + i * 3])
  if most > 0 and patience < 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[i*2+1], '-inf', now)
    if redis.call('ZCARD', KEYS[i*2+1]) >= most then refuse(i - 1, 'places', 0) end
  end
end

local before = redis.call('GET', KEYS[1])
if before then
  refused, wait = nil, tonumber(words(before)[2])
elseif not refused then
  local hold = {whole(tokens), whole(wait), job}
  for i = 1, scopes do
    local how = ''
    local kept = {'at', whole(now)}
    for _, resource in ipairs({'requests', 'tokens'}) do
      local bucket = found[i][resource]
      if bucket then
        if bucket.owes then bucket.owed = bucket.owed + bucket.cost else bucket.level = bucket.level - bucket.cost end
        kept[#kept+1] = resource
        kept[#kept+1] = whole(bucket.level)
        kept[#kept+1] = resource .. '_owed'
        kept[#kept+1] = whole(bucket.owed)
      end
      how = how .. (bucket and (bucket.owes and 'o' or 'l') or '-')
    end
    if #kept > 2 then
      redis.call('HSET', KEYS[i*2], unpack(kept))
      redis.call('PEXPIRE', KEYS[i*2], whole(wait + 900000))
    end
    if tonumber(ARGV[5 + i * 3]) > 0 and patience < 0 then
      redis.call('ZADD', KEYS[i*2+1], whole(now + tonumber(ARGV[4])), job)
      redis.call('PEXPIRE', KEYS[i*2+1], whole(tonumber(ARGV[5]) + 900000))
    end
    hold[#hold+1] = how
    hold[#hold+1] = KEYS[i*2]
    hold[#hold+1] = KEYS[i*2+1]
  end
  redis.call('SET', KEYS[1], table.concat(hold, '\\n'), 'PX', whole(wait + tonumber(ARGV[5])))
end

local reply = {'taken', whole(now), whole(wait)}
if refused then reply = {'refused', whole(now), whole(refused[1]), refused[2], refused[3]} end
for i = 1, scopes do
  for _, resource in ipairs({'requests', 'tokens'}) do
    local bucket = found[i][resource] or {level = 0, owed = 0}
    reply[#reply+1] = whole(bucket.level)
    reply[#reply+1] = whole(bucket.owed)
  end
end
return reply
"""
)

KEEP: Final = (
    _WORDS
    + """
-- KEYS: hold. ARGV: for how long, in ms. The job was accepted: what it holds, it keeps for so long.
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local hold = words(text)
local time = redis.call('TIME')
local until_ms = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
for i = 6, #hold, 3 do
  if redis.call('ZADD', hold[i], 'XX', 'CH', whole(until_ms), hold[3]) == 1 then
    redis.call('PEXPIRE', hold[i], whole(tonumber(ARGV[1]) + 900000))
  end
end
return 1
"""
)

_RETURN: Final = """
local function give(key, resource, parts)
  if parts ~= 0 and redis.call('HEXISTS', key, resource) == 1 then
    redis.call('HINCRBY', key, resource, whole(parts))
    if parts < 0 then redis.call('PEXPIRE', key, 900000) end
  end
end
"""

SETTLE: Final = (
    f"local UNIT = {UNIT}"
    + _WORDS
    + _RETURN
    + """
-- KEYS: hold. ARGV: tokens that the job has used. It has ended: its places are free, and its tokens are corrected.
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
redis.call('DEL', KEYS[1])
local hold = words(text)
for i = 4, #hold, 3 do
  if string.sub(hold[i], 2, 2) ~= '-' then
    give(hold[i+1], 'tokens', (tonumber(hold[1]) - tonumber(ARGV[1])) * UNIT)
  end
  redis.call('ZREM', hold[i+2], hold[3])
end
return 1
"""
)

GIVE_BACK: Final = (
    f"local UNIT = {UNIT}"
    + _WORDS
    + _RETURN
    + """
-- KEYS: hold. The job was not accepted after all: everything is as if it had never been asked for.
local text = redis.call('GET', KEYS[1])
if not text then return 0 end
redis.call('DEL', KEYS[1])
local hold = words(text)
local costs = {UNIT, tonumber(hold[1]) * UNIT}
for i = 4, #hold, 3 do
  for n, resource in ipairs({'requests', 'tokens'}) do
    local how = string.sub(hold[i], n, n)
    if how == 'l' then give(hold[i+1], resource, costs[n]) end
    if how == 'o' then
      local owed = tonumber(redis.call('HGET', hold[i+1], resource .. '_owed') or '0')
      give(hold[i+1], resource .. '_owed', -math.min(owed, costs[n]))
    end
  end
  redis.call('ZREM', hold[i+2], hold[3])
end
return 1
"""
)
