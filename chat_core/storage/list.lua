-- The user's sessions, the one changed last first. What has expired is taken from the index.
--
-- KEYS: the index of sessions, the set of pinned ones. ARGV: what the names of the sessions' heads begin with.
--
-- Returns for each session its id, its head as names and values, the number of its messages, whether a turn
-- runs, and whether it is pinned.

local index, pinned = unpack(KEYS)
local found = {}
for _, session_id in ipairs(redis.call('ZREVRANGE', index, 0, -1)) do
    local key = ARGV[1] .. session_id
    local head = redis.call('HGETALL', key)
    if #head == 0 then
        redis.call('ZREM', index, session_id)
        redis.call('SREM', pinned, session_id)
    else
        found[#found + 1] = {
            session_id,
            head,
            redis.call('LLEN', key .. ':messages'),
            redis.call('EXISTS', key .. ':turn'),
            redis.call('SISMEMBER', pinned, session_id),
        }
    end
end
return found
