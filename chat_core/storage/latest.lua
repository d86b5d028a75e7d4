-- The id of the user's session with this role that something was said in last, or an empty text.
--
-- KEYS: the index of sessions. ARGV: what the names of the sessions' heads begin with, the role's key.

local prefix, role = ARGV[1], ARGV[2]
for _, session_id in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
    local key = prefix .. session_id
    if redis.pcall('HGET', key, 'role') == role and redis.call('TYPE', key .. ':messages').ok == 'list' then
        return session_id
    end
end
return ''
