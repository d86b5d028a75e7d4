-- Puts a key aside that is of another type than it should be.
--
-- KEYS: the key, and its name from then on. ARGV: the type that it should be of, how long it is kept (seconds).
--
-- Returns the type that it is of, or an empty text when nothing is wrong.

local found = redis.call('TYPE', KEYS[1]).ok
if found == 'none' or found == ARGV[1] then return '' end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return found
