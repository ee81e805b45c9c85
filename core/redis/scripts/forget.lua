-- Ends a session for good, unless a newer generation holds it.
--
--   KEYS[1]  <channel>:session:<pid>   the record
--   ARGV[1]  the writer's generation
--
-- Returns 1 if there was one.

local held = redis.call('HGET', KEYS[1], 'g')
if held and tonumber(held) > tonumber(ARGV[1]) then return 0 end
return redis.call('DEL', KEYS[1])
