-- Changes a session in one step, unless somebody else has changed first what the change was made for.
--
-- KEYS: the session's head, the index of the user's sessions, the set of the pinned ones, the session's
--       messages, and every other key that expires together with the head.
-- ARGV: the session's id, the time of the change (empty: the order of the sessions stays), how many seconds
--       it is kept (0: for ever), how many messages (0: all), the number of guards; then each guard and each
--       command as the number of its parts and the parts. The first part of a guard is the reply that its
--       command must get.
--
-- Returns the commands' replies, or nil when a guard does not hold and nothing is changed.

local head, index, pinned, messages = unpack(KEYS)
local session_id, now, ttl_seconds = ARGV[1], ARGV[2], ARGV[3]
local max_messages, guards = tonumber(ARGV[4]), tonumber(ARGV[5])
local position = 6

local function next_parts()
    local first, last = position + 1, position + tonumber(ARGV[position])
    position = last + 1
    return first, last
end

for _ = 1, guards do
    local expected, last = next_parts()
    if tostring(redis.call(unpack(ARGV, expected + 1, last)) or '') ~= ARGV[expected] then return false end
end

-- A script that fails has done what came before: of these it is asked whether they are what they should be.
redis.call('ZCARD', index)
redis.call('SCARD', pinned)

local replies = {}
while position <= #ARGV do
    replies[#replies + 1] = redis.call(unpack(ARGV, next_parts()))
end

if redis.call('EXISTS', head) == 0 then return replies end -- deleted

if now ~= '' then
    redis.call('HSET', head, 'updated_at', now)
    redis.call('ZADD', index, now, session_id)
end
redis.call('HINCRBY', head, 'revision', 1)

-- The head tells how many messages the limit has cost, for nothing disappears without a word.
local too_many = max_messages > 0 and redis.call('LLEN', messages) - max_messages or 0
if too_many > 0 then
    redis.call('LTRIM', messages, too_many, -1)
    redis.call('HINCRBY', head, 'dropped', too_many)
end

local function keep(key, for_ever)
    if for_ever or ttl_seconds == '0' then
        redis.call('PERSIST', key)
    else
        redis.call('EXPIRE', key, ttl_seconds)
    end
end

-- The index of a user's sessions lasts as long as the one that lasts longest.
local any_pinned = redis.call('SCARD', pinned) > 0
keep(index, any_pinned)
if any_pinned then redis.call('PERSIST', pinned) end -- of none there is no set
local is_pinned = any_pinned and redis.call('SISMEMBER', pinned, session_id) == 1
keep(head, is_pinned)
for i = 4, #KEYS do keep(KEYS[i], is_pinned) end
return replies
