-- Opens the journal of a channel for a reader: where it ends, and how a reader that knows an earlier
-- position goes on.
--
--   KEYS[1]  <channel>:journal   the stream
--   KEYS[2]  <channel>:meta      its epoch and its end
--
--   ARGV[1]  a name for a new epoch, as append.lua takes it
--   ARGV[2]  the last position the reader knows, or ''
--
-- Returns {head, from, base}: `head` is the position of the journal's end; the reader goes on behind
-- the stream id `from`. `base` is '' if all it knew still stands, else what comes next follows this
-- position: the journal is another one, or was restored to an older state.
--
-- A head that is behind what a reader has seen means that entries were lost and their ids may be
-- given out again: the epoch is renewed, so that nobody takes the new ones for the old ones.

local candidate, known = ARGV[1], ARGV[2]

local meta = redis.call('HMGET', KEYS[2], 'epoch', 'head')
local epoch, head = meta[1], meta[2]
if not epoch or not head or
    (head:sub(-4) ~= '.0-0' and redis.call('EXISTS', KEYS[1]) == 0) then
  epoch = candidate
  head = epoch .. '.0-0'
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  if newest and newest[2][1] == 'x' then head = newest[2][2] .. '.' .. newest[1] end
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'head', head)
end

local function split(position)
  return position:match('^(.-)%.(.*)$')
end

-- Ids are beyond what a Lua number holds exactly in theory only (2^53 ms are 285,000 years).
local function before(a, b)
  local a_ms, a_seq = a:match('^(%d+)-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)-(%d+)$')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  return tonumber(a_seq) < tonumber(b_seq)
end

local _, head_id = split(head)
if known == '' or known == head then return {head, head_id, ''} end

local known_epoch, known_id = split(known)
if known_epoch == epoch then
  if not before(head_id, known_id) then return {head, known_id, ''} end
  redis.call('HSET', KEYS[2], 'epoch', candidate)
  return {head, head_id, head}
end

-- Another epoch, but perhaps of the same stream: then what the reader knew stands there still, or
-- was trimmed right before the oldest entry.
local nearest = redis.call('XREVRANGE', KEYS[1], known_id, '-', 'COUNT', 1)[1]
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local oldest_previous = oldest and oldest[2][3] == 'p' and oldest[2][4]
local lineage
if nearest then
  lineage = nearest[2][1] == 'x' and nearest[2][2]
elseif oldest_previous then
  lineage = split(oldest_previous)
else
  lineage = split(head)
end
if lineage == known_epoch then
  if not before(head_id, known_id) then return {head, known_id, ''} end
  return {head, head_id, head}
end
return {head, '0-0', oldest_previous or head}
