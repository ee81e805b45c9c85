-- Writes a session's record, unless a newer generation holds it.
--
--   KEYS[1]  <channel>:session:<pid>   the record
--
--   ARGV[1]  the writer's generation
--   ARGV[2]  the record
--   ARGV[3]  how long it is kept, in milliseconds
--
-- Returns 1, or 0 if it was refused.

local held = redis.call('HGET', KEYS[1], 'g')
if held and tonumber(held) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'g', ARGV[1], 'r', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
