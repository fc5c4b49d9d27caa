"""The Lua that keeps log and claim consistent. Each script is one atomic step; its comment: what it takes and returns.

Theory. A job has a *claim* (who runs it, under which epoch) and a *log* (what its readers see). Two rules hold them
together. (1) A claim changes hands only together with an entry of the new epoch in the log, so every later append of
the former owner is refused. (2) The terminal entry and the outcome are written in one step, so a job that its readers
saw end is one that no worker runs again.

A log has no holes: an append says how many entries the log must already hold. A log that is behind (a flush, a lost
tail, a lagging replica) takes nothing and tells its length; the owner, who keeps the entries until the end, refills it.
A length tells that only if logs begin alike: whoever is first, the door or a worker, writes `accepted` (`0-1`).
A claim that was lost cannot tell that there was one. So a server knows since when it remembers everything. A job that
was accepted before, and that nobody owns, is not to be taken until an owner who lives has had the time to say so again;
then it begins in an epoch, and numbers its attempts, beyond any that may have been.

Publishing is grouped: one message per following ingress and call; an ingress nobody hears is dropped from the set.
"""

__all__ = [
    "ABANDON",
    "ACCEPT",
    "APPEND",
    "BEGIN",
    "CANCEL",
    "END",
    "FOLLOW",
    "HAND_OVER",
    "LIVES",
    "REMEMBER",
    "RESTORE",
    "TAKE",
]

_TOP_EPOCH = """
local function top_epoch(log)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
  if #last == 0 then return 0 end
  return tonumber(string.match(last[1][1], '^(%d+)'))
end
"""

_TELL = """
local function tell(readers, job, id, entry)
  for _, channel in ipairs(redis.call('SMEMBERS', readers)) do
    if redis.call('SPUBLISH', channel, job .. '\\n' .. id .. '\\n' .. entry) == 0 then
      redis.call('SREM', readers, channel)
    end
  end
end
"""

_REMEMBERS = """
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function remembers_since(memory)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local known = redis.call('HMGET', memory, 'run', 'since')
  if known[1] == run then return tonumber(known[2]) end
  local now = now_ms()
  redis.call('HSET', memory, 'run', run, 'since', now)
  return now
end
"""

REMEMBER = (
    _REMEMBERS
    + """
-- KEYS: memory. Returns since when, in Unix ms, this server has lost nothing that it was told: a restart, a failover
-- and a flush begin that anew. Asked once a second, so that it begins when that happened.
return remembers_since(KEYS[1])
"""
)

LIVES = (
    _REMEMBERS
    + """
-- KEYS: heartbeat, memory. ARGV: after how many ms of silence a worker is dead.
-- Returns 1 when it lives, or when the server cannot know yet: it may have lost the heartbeat itself.
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
local since = remembers_since(KEYS[2])
if now_ms() - since < tonumber(ARGV[1]) then return 1 end
return 0
"""
)

APPEND = (
    _TOP_EPOCH
    + """
-- KEYS per job: log, readers. ARGV per job: job, epoch, entries the log must hold, ttl ms, n, then n times (id, entry).
-- Returns {{job, length} of logs that are behind, ...}, {job that is fenced, ...}; n may be 0, to ask just that.
local out, order, behind, fenced, a = {}, {}, {}, {}, 1
for i = 1, #KEYS / 2 do
  local job, epoch, expected, n = ARGV[a], tonumber(ARGV[a+1]), tonumber(ARGV[a+2]), tonumber(ARGV[a+4])
  local log, readers = KEYS[i*2-1], KEYS[i*2]
  local length = redis.call('XLEN', log)
  if length < expected then
    behind[#behind+1] = {job, length}
  else
    local channels = nil
    if n == 0 and top_epoch(log) > epoch then fenced[#fenced+1] = job end
    for k = 0, n - 1 do
      local id, entry = ARGV[a+5+k*2], ARGV[a+6+k*2]
      local added = redis.pcall('XADD', log, id, 'd', entry)
      if type(added) == 'table' and added.err then
        if top_epoch(log) > epoch then fenced[#fenced+1] = job; break end
      else
        channels = channels or redis.call('SMEMBERS', readers)
        for _, channel in ipairs(channels) do
          local t = out[channel]
          if not t then t = {message = {}, readers = {}}; out[channel] = t; order[#order+1] = channel end
          local m = t.message
          m[#m+1] = job; m[#m+1] = id; m[#m+1] = entry
          t.readers[readers] = true
        end
      end
    end
    if length == 0 then redis.call('PEXPIRE', log, ARGV[a+3]) end
  end
  a = a + 5 + n * 2
end
for _, channel in ipairs(order) do
  if redis.call('SPUBLISH', channel, table.concat(out[channel].message, '\\n')) == 0 then
    for readers in pairs(out[channel].readers) do redis.call('SREM', readers, channel) end
  end
end
return {behind, fenced}
"""
)

FOLLOW = """
-- KEYS: log, readers. ARGV: channel of this ingress, cursor, ttl ms. Returns the entries after the cursor.
-- Registering and reading are one step: whatever is appended later comes by the channel.
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return redis.call('XRANGE', KEYS[1], '(' .. ARGV[2], '+')
"""

ACCEPT = (
    _TELL
    + """
-- KEYS: log, readers, claim. ARGV: job, facts of the job, accepted entry, ttl ms.
-- After Kafka has acknowledged the job. Harmless when a worker was faster, and when repeated.
redis.call('HSETNX', KEYS[3], 'job', ARGV[2])
if redis.call('PTTL', KEYS[3]) < 0 then redis.call('PEXPIRE', KEYS[3], ARGV[4]) end
local added = redis.pcall('XADD', KEYS[1], '0-1', 'd', ARGV[3])
if type(added) == 'table' and added.err then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
tell(KEYS[2], ARGV[1], '0-1', ARGV[3])
return 1
"""
)

TAKE = (
    _TOP_EPOCH
    + _TELL
    + _REMEMBERS
    + """
-- KEYS: log, readers, claim, memory.
-- ARGV: job, worker, owner believed dead ('' for none), its epoch, facts, ttl ms, first entry of epoch 1, of a later,
--   when the job was accepted (Unix ms), accepted entry, within how many ms an owner restores a claim that was lost.
-- Returns {'finished', outcome, owner, whether its messages are out} | {'running', owner, epoch}
--   | {'uncertain', for how many ms an owner may still be heard}
--   | {'taken', epoch, log length, fields and values of the claim, how many attempts may have been forgotten}.
local claim = redis.call('HMGET', KEYS[3], 'outcome', 'owner', 'epoch', 'published')
if claim[1] then return {'finished', claim[1], claim[2] or '', claim[4] and 1 or 0} end
if claim[2] and not (claim[2] == ARGV[3] and claim[3] == ARGV[4]) then return {'running', claim[2], claim[3]} end
local since = remembers_since(KEYS[4])
local forgotten = math.max(0, since - tonumber(ARGV[9]))
local unheard = since + tonumber(ARGV[11]) - now_ms()
if not claim[2] and forgotten > 0 and unheard > 0 then return {'uncertain', unheard} end
local epoch = math.max(tonumber(claim[3] or '0'), top_epoch(KEYS[1]), forgotten) + 1
redis.call('HSETNX', KEYS[3], 'job', ARGV[5])
redis.call('HSET', KEYS[3], 'owner', ARGV[2], 'epoch', epoch)
if claim[4] then redis.call('HDEL', KEYS[3], 'published') end -- of an end that was lost
if claim[2] then redis.call('HINCRBY', KEYS[3], 'deaths', 1) end
redis.call('PEXPIRE', KEYS[3], ARGV[6])
if redis.call('XLEN', KEYS[1]) == 0 then
  redis.call('XADD', KEYS[1], '0-1', 'd', ARGV[10])
  tell(KEYS[2], ARGV[1], '0-1', ARGV[10])
end
local id, entry = epoch .. '-1', epoch == 1 and ARGV[7] or ARGV[8]
redis.call('XADD', KEYS[1], id, 'd', entry)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
tell(KEYS[2], ARGV[1], id, entry)
return {'taken', epoch, redis.call('XLEN', KEYS[1]), redis.call('HGETALL', KEYS[3]), forgotten}
"""
)

BEGIN = """
-- KEYS: claim. ARGV: epoch, field, value, [field, value ...]. Records attempts before and after the provider call.
-- Returns 'fenced' | 'lost' (no claim, or that of an epoch before: restore it and call again) | 'cancel' | 'ok'.
local claim = redis.call('HMGET', KEYS[1], 'epoch', 'cancel')
if tonumber(claim[1] or '0') > tonumber(ARGV[1]) then return 'fenced' end
if tonumber(claim[1] or '0') < tonumber(ARGV[1]) then return 'lost' end
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1]) end
if claim[2] then return 'cancel' end
return 'ok'
"""

HAND_OVER = """
-- KEYS: claim. ARGV: worker, epoch. The owner stops: whoever sees the record next may take the job at once.
local claim = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if claim[1] == ARGV[1] and claim[2] == ARGV[2] then redis.call('HDEL', KEYS[1], 'owner') end
return 'ok'
"""

RESTORE = """
-- KEYS: claim. ARGV: epoch, ttl ms, then fields and values. After Redis lost the claim of a running job.
-- Returns 'fenced' when a higher epoch has taken the job meanwhile, else 'ok'.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[1]) then return 'fenced' end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'ok'
"""

END = (
    _TOP_EPOCH
    + _TELL
    + """
-- KEYS: log, readers, claim. ARGV: job, worker, epoch, entries the log must hold, id, entry, outcome, ttl ms.
-- Returns {'fenced'} | {'behind', length} | {'ended'}. Repeating it after a lost reply is harmless.
local epoch = tonumber(ARGV[3])
local claim = redis.call('HMGET', KEYS[3], 'epoch', 'outcome')
if claim[1] and tonumber(claim[1]) > epoch then return {'fenced'} end
if claim[2] then return {'ended'} end
local length = redis.call('XLEN', KEYS[1])
if length < tonumber(ARGV[4]) then return {'behind', length} end
local added = redis.pcall('XADD', KEYS[1], ARGV[5], 'd', ARGV[6])
if type(added) == 'table' and added.err and top_epoch(KEYS[1]) > epoch then return {'fenced'} end
redis.call('HSET', KEYS[3], 'outcome', ARGV[7], 'owner', ARGV[2], 'epoch', ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[8])
redis.call('PEXPIRE', KEYS[1], ARGV[8])
tell(KEYS[2], ARGV[1], ARGV[5], ARGV[6])
return {'ended'}
"""
)

_MARK = """
local function mark(claim, ttl)
  local found = redis.call('HMGET', claim, 'outcome', 'owner')
  if found[1] then return {'ended'} end
  redis.call('HSET', claim, 'cancel', '1')
  if redis.call('PTTL', claim) < 0 then redis.call('PEXPIRE', claim, ttl) end
  if found[2] then return {'running', found[2]} end
  return {'queued'}
end
"""

CANCEL = (
    _MARK
    + """
-- KEYS: claim. ARGV: ttl ms. Returns {'ended'} | {'queued'} | {'running', owner}.
-- The mark outlives a lost message: a worker sees it when it takes the job and whenever it begins an attempt.
return mark(KEYS[1], ARGV[1])
"""
)

ABANDON = (
    _MARK
    + """
-- KEYS: readers, claim. ARGV: ttl ms, channel of the ingress that has no reader left ('' when it has).
-- As CANCEL, unless somebody else follows the job: then {'followed'}. An ingress that died follows nothing, and may
-- still be in the set of a job that has said nothing since: an empty message finds out.
if ARGV[2] ~= '' then redis.call('SREM', KEYS[1], ARGV[2]) end
for _, channel in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('SPUBLISH', channel, '') > 0 then return {'followed'} end
end
return mark(KEYS[2], ARGV[1])
"""
)
