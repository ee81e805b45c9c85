-- Appends envelopes to the journal of a channel and publishes them: the only way in, for every
-- language. One round trip; Redis runs it as a whole or not at all.
--
--   KEYS[1]  <channel>:journal     the stream
--   KEYS[2]  <channel>:meta        its epoch and its end
--   KEYS[3]  <channel>:id:<id>     what was answered to this id; <id> is the envelope's
--
--   ARGV[1]  the envelope's JSON text
--   ARGV[2]  the envelope's ts
--   ARGV[3]  the channel
--   ARGV[4]  how many entries are kept, about             (1000000)
--   ARGV[5]  how long an entry is kept, in milliseconds   (900000)
--   ARGV[6]  how long an id is known, in milliseconds     (300000)
--   ARGV[7]  a name for a new epoch, should one begin: random, 1 to 64 of 0-9 a-z A-Z _ -
--   ARGV[8]  1: PUBLISH the envelope on the channel, too; 0: it was heard there
--   ARGV[9]  when it is too late, in this server's time (TIME) in milliseconds; may be left out
--
-- Returns {position, ts, duplicate}. An id that is known appends nothing and gets the first answer
-- with duplicate = 1. So a caller whose answer was lost calls again with the same id.
--
-- Several envelopes may come in one call, in their order: for each one more a key KEYS[4], KEYS[5],
-- ... and its text and ts, ARGV[10] and ARGV[11], ARGV[12] and ARGV[13], ...; ARGV[9] is then there,
-- be it ''. The answer has three elements for each. A reader gets them all at once, and each costs
-- half as much. One that fails has its error for a position, and harms none of the others.
--
-- ARGV[9] is for callers that call again by themselves. A call may lie in the socket of a server that
-- stands still until the id is forgotten, which an earlier call has appended. Allow it less than
-- ARGV[6] from the first one; too late, it appends nothing and fails with TOOLATE.
--
-- An error means that nothing was appended; a PUBLISH that fails is no error, for the entry stands
-- and is read from the stream.
--
-- An entry has the fields x (its epoch), p (the position before it) and e (the envelope). A position
-- is "<epoch>.<stream id>". A reader that finds another p than the position it read last has missed
-- something.

local channel, epoch_candidate = ARGV[3], ARGV[7]
local id_prefix = channel .. ':id:'
local now, epoch, head  -- once they are needed
local last              -- the id of the last entry that was appended, if any

-- Sets epoch and head, the position behind which the next entry stands.
local function find_end()
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
  local limit = tonumber(ARGV[9] or '')
  if limit and now > limit then
    error({err = 'TOOLATE the call waited for too long, its id may be forgotten'})
  end

  -- A new epoch begins with a new stream: whoever holds a position of the old one is to learn that
  -- what was there is gone. (open.lua has the same lines.)
  local meta = redis.call('HMGET', KEYS[2], 'epoch', 'head')
  local known_epoch, known_head = meta[1], meta[2]
  if known_epoch and known_head and
      (known_head:sub(-4) == '.0-0' or redis.call('EXISTS', KEYS[1]) == 1) then
    epoch, head = known_epoch, known_head
  else
    if #epoch_candidate > 64 or not epoch_candidate:match('^[%w_-]+$') then
      error({err = 'ERR ARGV[7] is no name for an epoch'})
    end
    local base = epoch_candidate .. '.0-0'
    -- Only the meta data were lost: the new epoch goes on where the stream ends.
    local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
    if newest and newest[2][1] == 'x' then base = newest[2][2] .. '.' .. newest[1] end
    redis.call('HSET', KEYS[2], 'epoch', epoch_candidate, 'head', base)
    epoch, head = epoch_candidate, base
  end
end

local function append(id_key, text, ts)
  if not ts then error({err = 'ERR an envelope needs a key, its text and its ts'}) end
  -- Ids are the publishers' choice: a long one must not become a long key.
  if #id_key - #id_prefix > 64 then
    id_key = id_prefix .. redis.sha1hex(id_key:sub(#id_prefix + 1))
  end
  local known = redis.call('GET', id_key)
  if known then
    local position, first_ts = known:match('^(%S+) (.*)$')
    return position, first_ts, 1
  end
  if not head then find_end() end
  last = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*',
                    'x', epoch, 'p', head, 'e', text)
  head = epoch .. '.' .. last
  redis.call('SET', id_key, head .. ' ' .. ts, 'PX', ARGV[6])
  if ARGV[8] == '1' then redis.pcall('PUBLISH', channel, text) end
  return head, ts, 0
end

local answer, count, failure = {}, 0, nil
for i = 3, #KEYS do
  local at = i == 3 and 1 or 2 * i + 2
  local done, position, ts, duplicate = pcall(append, KEYS[i], ARGV[at], ARGV[at + 1])
  if not done then
    failure = type(position) == 'table' and position or redis.error_reply(tostring(position))
    position, ts, duplicate = failure, '', 0
  end
  answer[count + 1], answer[count + 2], answer[count + 3] = position, ts, duplicate
  count = count + 3
end

if last then
  redis.call('HSET', KEYS[2], 'head', head)
  -- XADD takes one of MAXLEN and MINID only. Exact, so that the retention is what it says; with the
  -- first entry of each millisecond, as an entry's age has no finer unit and this is the dearest
  -- line. (Where the clock was set back, ids stay in one millisecond: then with every hundredth.)
  local ending = last:sub(-2)
  if count > 3 or ending == '-0' or ending == '00' then
    redis.pcall('XTRIM', KEYS[1], 'MINID', string.format('%.0f', math.max(now - ARGV[5], 0)))
  end
end

if failure and count == 3 then return failure end
return answer
