-- The user's sessions, the one changed last first: the latest ones, and wherever they stand the pinned ones and
-- the one that is asked for. What has expired is taken from the index.
--
-- KEYS: the index of sessions, the set of pinned ones. ARGV: what the names of the sessions' heads begin with,
-- how many of those that are not pinned (0: all), the id of the one that is asked for, and the ids of those that are
-- looked at, if not all are.
--
-- Returns how many were left out, of which no more is read than that they are there; and for each of the others
-- its id, its head as names and values, the number of its messages, whether a turn runs, and whether it is
-- pinned. A head that is none is empty, and messages that are none have no number.

local index, pinned = unpack(KEYS)
local prefix, limit, asked_for = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local is_pinned = {}
for _, session_id in ipairs(redis.call('SMEMBERS', pinned)) do
    is_pinned[session_id] = 1
end

local function read(command, key, otherwise) -- which a key of another type than it should be is taken for
    local reply = redis.pcall(command, key)
    return type(reply) == 'table' and reply.err and otherwise or reply
end

local function without_summary(head) -- which is long, and in no list
    for i = 1, #head, 2 do
        if head[i] == 'summary' then
            table.remove(head, i)
            table.remove(head, i)
            break
        end
    end
    return head
end

local looked_at = #ARGV > 3 and {unpack(ARGV, 4)} or redis.call('ZREVRANGE', index, 0, -1)
local found, others, left_out = {}, 0, 0
for _, session_id in ipairs(looked_at) do
    local key = prefix .. session_id
    if redis.call('EXISTS', key) == 0 then
        redis.call('ZREM', index, session_id)
        redis.call('SREM', pinned, session_id)
    elseif limit == 0 or others < limit or is_pinned[session_id] or session_id == asked_for then
        found[#found + 1] = {
            session_id,
            without_summary(read('HGETALL', key, {})),
            read('LLEN', key .. ':messages', ''),
            redis.call('EXISTS', key .. ':turn'),
            is_pinned[session_id] or 0,
        }
        others = others + 1 - (is_pinned[session_id] or 0)
    else
        left_out = left_out + 1
    end
end
return {left_out, found}
