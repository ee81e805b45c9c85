-- Takes a session over: whoever held it may no longer write its record, and is told.
--
--   KEYS[1]  <channel>:session:<pid>   the record
--
--   ARGV[1]  <channel>:control         where holders listen
--   ARGV[2]  the pid
--   ARGV[3]  how long the record is kept from now on, in milliseconds
--
-- Returns {generation, record}, or nil if there is no such session.

local record = redis.call('HGET', KEYS[1], 'r')
if not record then return false end
local generation = redis.call('HINCRBY', KEYS[1], 'g', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
-- A holder that does not hear of it finds out when it writes.
redis.pcall('PUBLISH', ARGV[1], 'taken ' .. ARGV[2] .. ' ' .. generation)
return {generation, record}
