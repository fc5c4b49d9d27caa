"""The Lua that keeps a tenant's budgets in Redis. Each script is one atomic step; its comment says what it takes and
returns.

Theory. A tenant has a *book*: the limits, what is spent in each window, as the ledger says, and how much of it is held;
and its *holds*: by job, what it may cost at most, and the windows that is reserved in. A hold is made before the job is
queued, if spent and held leave room for it in every window; it is extended, if there is room, before another call is
made for a job whose last one has cost something; and dropped when all that the job cost is in the ledger. In between,
both may count the same money: a window then seems fuller than it is, and never emptier.

The ledger is the truth. A server knows its book by its own run: after a restart, a failover or a flush nobody knows
what it has forgotten, so nothing is held until accounting has written the book anew. What is spent comes with a number
that grows with each change of it in the ledger, so that a message that comes late changes nothing back.

Amounts are whole nanodollars. They are added up as integers of 64 bits, and compared as doubles, which are exact up to
nine million dollars.
"""

from typing import Final, NamedTuple

__all__ = ["DROP", "EXTEND", "HOLD", "OPEN", "READ", "SETTLE", "STATE", "Held", "held_entry", "parse_held"]

_RUN: Final = """
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
local function is_open(book)
  return redis.call('HGET', book, 'run') == run()
end
"""

_HOLDS: Final = """
local function parsed(entry)
  local lines = {}
  for line in string.gmatch(entry, '[^\\n]+') do lines[#lines + 1] = line end
  return string.match(lines[1], '^%d+'), lines
end
local function hold(book, holds, job, entry)
  if redis.call('HSETNX', holds, job, entry) == 0 then return end
  local amount, lines = parsed(entry)
  for i = 2, #lines do redis.call('HINCRBY', book, 'h:' .. lines[i], amount) end
end
local function drop(book, holds, job)
  local entry = redis.call('HGET', holds, job)
  if not entry then return 0 end
  redis.call('HDEL', holds, job)
  local amount, lines = parsed(entry)
  for i = 2, #lines do
    if amount ~= '0' and redis.call('HINCRBY', book, 'h:' .. lines[i], '-' .. amount) == 0 then
      redis.call('HDEL', book, 'h:' .. lines[i])
    end
  end
  return 1
end
local function know(book, at, count)
  for i = at, at + (count - 1) * 2, 2 do redis.call('HSET', book, 'k:' .. ARGV[i], ARGV[i + 1]) end
end
local function spend(book, at, count)
  for i = at, at + (count - 1) * 3, 3 do
    local known = tonumber(redis.call('HGET', book, 'r:' .. ARGV[i]) or -1)
    if tonumber(ARGV[i + 2]) >= known then
      redis.call('HSET', book, 's:' .. ARGV[i], ARGV[i + 1], 'r:' .. ARGV[i], ARGV[i + 2])
    end
  end
end
"""

HOLD: Final = (
    _RUN
    + _HOLDS
    + """
-- KEYS: book, holds. ARGV: job, entry, amount, then of each window: its name, the name of its budget, the limit.
-- Returns {'held'}; {'unknown'}: the book is not open, or does not know one of the budgets; or {'short', number of the
-- window, spent, held, ...}: nothing was held. A job that has its hold keeps that.
local book, holds, amount = KEYS[1], KEYS[2], tonumber(ARGV[3])
if not is_open(book) then return {'unknown'} end
if redis.call('HEXISTS', holds, ARGV[1]) == 1 then return {'held'} end
local short = {'short'}
for i = 4, #ARGV, 3 do
  if redis.call('HEXISTS', book, 'k:' .. ARGV[i + 1]) == 0 then return {'unknown'} end
  local spent = redis.call('HGET', book, 's:' .. ARGV[i]) or '0'
  local held = redis.call('HGET', book, 'h:' .. ARGV[i]) or '0'
  if tonumber(spent) + tonumber(held) + amount > tonumber(ARGV[i + 2]) then
    short[#short + 1] = (i - 4) / 3
    short[#short + 1] = spent
    short[#short + 1] = held
  end
end
if #short > 1 then return short end
hold(book, holds, ARGV[1], ARGV[2])
return {'held'}
"""
)

EXTEND: Final = (
    _RUN
    + _HOLDS
    + """
-- KEYS: book, holds. ARGV: job, amount. The job holds so much in each of its windows, or what it held.
-- A budget that was removed since has room for anything.
-- Returns 'held'; 'short': a window has not enough left; 'unknown': the book is not open, or does not know the hold.
local book, holds, job = KEYS[1], KEYS[2], ARGV[1]
local entry = redis.call('HGET', holds, job)
if not entry or not is_open(book) then return 'unknown' end
local amount, lines = parsed(entry)
local more = tonumber(ARGV[2]) - tonumber(amount)
if more <= 0 then return 'held' end
for i = 2, #lines do
  local limit = redis.call('HGET', book, 'k:' .. string.match(lines[i], ' (.*)$'))
  local spent = redis.call('HGET', book, 's:' .. lines[i]) or '0'
  local held = redis.call('HGET', book, 'h:' .. lines[i]) or '0'
  if limit and tonumber(spent) + tonumber(held) + more > tonumber(limit) then return 'short' end
end
drop(book, holds, job)
hold(book, holds, job, ARGV[2] .. string.sub(entry, #amount + 1))
return 'held'
"""
)

DROP: Final = (
    _HOLDS
    + """
-- KEYS: book, holds. ARGV: jobs. Returns how many of them had a hold.
local dropped = 0
for _, job in ipairs(ARGV) do dropped = dropped + drop(KEYS[1], KEYS[2], job) end
return dropped
"""
)

SETTLE: Final = (
    _RUN
    + _HOLDS
    + """
-- KEYS: book, holds. ARGV: how many budgets, windows and jobs to drop; of each budget its name and limit; of each
-- window its name, what is spent, and the number of that; the jobs; then of each job that must have a hold: its id, its
-- entry.
-- Returns 1, or 0 when the book is not open: then nothing was changed.
local book, holds = KEYS[1], KEYS[2]
if not is_open(book) then return 0 end
local budgets, windows, jobs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at = 4
know(book, at, budgets)
spend(book, at + budgets * 2, windows)
at = at + budgets * 2 + windows * 3
for i = at, at + jobs - 1 do drop(book, holds, ARGV[i]) end
for i = at + jobs, #ARGV, 2 do hold(book, holds, ARGV[i], ARGV[i + 1]) end
return 1
"""
)

OPEN: Final = (
    _RUN
    + _HOLDS
    + """
-- KEYS: book, holds. ARGV: how many budgets and windows; their limits and figures as in SETTLE; then id and entry of
-- each job that has a hold. Returns 1, or 0 when the book is open already: then nothing was changed.
local book, holds = KEYS[1], KEYS[2]
if is_open(book) then return 0 end
local budgets, windows = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('DEL', book, holds)
local at = 3
know(book, at, budgets)
spend(book, at + budgets * 2, windows)
for i = at + budgets * 2 + windows * 3, #ARGV, 2 do hold(book, holds, ARGV[i], ARGV[i + 1]) end
redis.call('HSET', book, 'run', run())
return 1
"""
)

READ: Final = (
    _RUN
    + """
-- KEYS: book, holds. Returns whether the book is open, and all fields of both, as they are in one moment.
return {is_open(KEYS[1]) and 1 or 0, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}
"""
)

STATE: Final = (
    _RUN
    + """
-- KEYS: book. Returns 1 when it is open.
if is_open(KEYS[1]) then return 1 end
return 0
"""
)


class Held(NamedTuple):
    nanodollars: int
    made_ms: int
    """Unix time."""
    windows: tuple[str, ...]


def held_entry(held: Held) -> str:
    return "\n".join([f"{held.nanodollars} {held.made_ms}", *held.windows])


def parse_held(entry: bytes | str) -> Held:
    text = entry.decode() if isinstance(entry, bytes) else entry
    first, *windows = text.split("\n")
    amount, made_ms = first.split(" ")
    return Held(int(amount), int(made_ms), tuple(windows))
