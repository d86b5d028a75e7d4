-- Writes pieces of a running turn to its log, renews its lease, and says how the turn stands.
--
-- KEYS: the session's head, the lease, the turn's log, its stop flag.
-- ARGV: the turn's id, how long the lease lasts (ms), how long the log is kept (seconds, 0: for ever), then
--       for each piece its position, its kind and its text.
--
-- Returns whether the turn is still open, and whether somebody asked it to stop. Pieces are written only
-- while it is open, in one step with that question: what was deleted must not come back. A lease that ran
-- out in an outage is renewed too, for an open turn belongs to nobody else.

local session, lease, log, stop = unpack(KEYS)
local turn_id, lease_ms, ttl_seconds = unpack(ARGV)
if redis.call('HGET', session, 'open_turn') ~= turn_id then return {0, 0} end
redis.call('SET', lease, turn_id, 'PX', lease_ms)
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local written = newest and tonumber(string.match(newest[1], '%d+')) or 0
for i = 4, #ARGV, 3 do
    -- What is there already was written by a flush whose answer got lost.
    if tonumber(ARGV[i]) > written then redis.call('XADD', log, ARGV[i] .. '-0', ARGV[i + 1], ARGV[i + 2]) end
end
if ttl_seconds ~= '0' then redis.call('EXPIRE', log, ttl_seconds) end
return {1, redis.call('EXISTS', stop)}
