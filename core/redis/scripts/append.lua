-- Appends an envelope to the journal of a channel and publishes it: the only way in, for every
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

local text, ts, channel, epoch_candidate = ARGV[1], ARGV[2], ARGV[3], ARGV[7]
local limit = tonumber(ARGV[9] or '')

-- Ids are the publishers' choice: a long one must not become a long key.
local id_key = KEYS[3]
local id_prefix = channel .. ':id:'
if #id_key - #id_prefix > 64 then
  id_key = id_prefix .. redis.sha1hex(id_key:sub(#id_prefix + 1))
end

local known = redis.call('GET', id_key)
if known then
  local position, first_ts = known:match('^(%S+) (.*)$')
  return {position, first_ts, 1}
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if limit and now > limit then
  return redis.error_reply('TOOLATE the call waited for too long, its id may be forgotten')
end

-- A new epoch begins with a new stream: whoever holds a position of the old one is to learn that
-- what was there is gone. (open.lua has the same lines.)
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'head')
local epoch, head = meta[1], meta[2]
if not epoch or not head or
    (head:sub(-4) ~= '.0-0' and redis.call('EXISTS', KEYS[1]) == 0) then
  if #epoch_candidate > 64 or not epoch_candidate:match('^[%w_-]+$') then
    return redis.error_reply('ERR ARGV[7] is no name for an epoch')
  end
  epoch = epoch_candidate
  head = epoch .. '.0-0'
  -- Only the meta data were lost: the new epoch goes on where the stream ends.
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  if newest and newest[2][1] == 'x' then head = newest[2][2] .. '.' .. newest[1] end
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'head', head)
end

local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*',
                      'x', epoch, 'p', head, 'e', text)
local position = epoch .. '.' .. id
redis.call('HSET', KEYS[2], 'head', position)
redis.call('SET', id_key, position .. ' ' .. ts, 'PX', ARGV[6])

-- XADD takes one of MAXLEN and MINID only. Exact, so that the retention is what it says.
redis.pcall('XTRIM', KEYS[1], 'MINID', string.format('%.0f', math.max(now - ARGV[5], 0)))

if ARGV[8] == '1' then redis.pcall('PUBLISH', channel, text) end
return {position, ts, 0}
