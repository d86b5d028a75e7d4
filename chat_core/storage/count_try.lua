-- Counts a try of a password, unless it comes too early.
--
-- KEYS: how many tries there were, and what is there while the next one has to wait.
-- ARGV: how many tries are free, the longest wait (ms), after how long all are forgotten (ms).
--
-- Returns 0, or for how long (ms) no try is taken. It is counted before the password is looked at, in one step:
-- of many that come at once the first ones alone are taken. Each try beyond the free ones doubles the wait.

local tries, wait = unpack(KEYS)
local free, longest, memory = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local left = redis.call('PTTL', wait)
if left > 0 then return left end
local count = redis.call('INCR', tries)
redis.call('PEXPIRE', tries, memory)
if count >= free then
    redis.call('SET', wait, '1', 'PX', math.min(longest, 1000 * 2 ^ math.min(count - free, 30)))
end
return 0
