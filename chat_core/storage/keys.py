"""The names of all Redis keys.

All keys of one user share the hash tag `{user_id}`, so that one transaction can write a turn on a cluster.
"""

RATE_LIMIT_PREFIX = "chat:limit"
# Never there: it is written to, where it is, to see whether the store can be written to.
HEALTH = "chat:health"
# Hash that expires: a process that lives -> its note for the others, as JSON.
PROCESSES = "chat:processes"


def of_user(user_id: str) -> str:
    """The pattern of all keys of a user; "*" stands for any."""
    return f"chat:{{{user_id}}}:*"


def sessions(user_id: str) -> str:
    """Sorted set: session id -> time of its last change, in seconds."""
    return f"chat:{{{user_id}}}:sessions"


def pinned(user_id: str) -> str:
    """Set: the ids of the sessions that do not expire."""
    return f"chat:{{{user_id}}}:pinned"


def roles(user_id: str) -> str:
    """Hash: a role's key -> the role of the user's own, as JSON."""
    return f"chat:{{{user_id}}}:roles"


def notes(user_id: str) -> str:
    """Hash: a note's id -> the note, as JSON, of whichever role."""
    return f"chat:{{{user_id}}}:notes"


def shares(user_id: str) -> str:
    """Hash: a link's token -> the link, as JSON."""
    return f"chat:{{{user_id}}}:shares"


def share(user_id: str, token: str) -> str:
    """String that expires: what is behind a link of the user's, as SharedConversation."""
    return f"chat:{{{user_id}}}:share:{token}"


def share_owner(token: str) -> str:
    """String that expires: the id of the user who made the link."""
    return f"chat:share:{token}"


def custom_prompt(user_id: str) -> str:
    """String: the prompt of the user's role "custom", as long as nothing else of it was written."""
    return f"chat:{{{user_id}}}:custom-prompt"


def damaged(key: str) -> str:
    """What was set aside from that key, of whatever type it is; it expires."""
    return f"{key}:damaged"


def session(user_id: str, session_id: str) -> str:
    """Hash: the session's head."""
    return f"chat:{{{user_id}}}:session:{session_id}"


def messages(user_id: str, session_id: str) -> str:
    """List: the session's messages as JSON, oldest first."""
    return f"{session(user_id, session_id)}:messages"


def images(user_id: str, session_id: str) -> str:
    """Hash: image id -> the data URL that models are sent, or have made."""
    return f"{session(user_id, session_id)}:images"


def undone(user_id: str, session_id: str) -> str:
    """String that expires: what was taken back last, as UndoneTurn."""
    return f"{session(user_id, session_id)}:undone"


def lease(user_id: str, session_id: str) -> str:
    """String that expires: the id of the turn that runs now."""
    return f"{session(user_id, session_id)}:turn"


def log(user_id: str, turn_id: str) -> str:
    """Stream: the pieces of one turn's reply and its end."""
    return f"chat:{{{user_id}}}:turn:{turn_id}"


def stop(user_id: str, turn_id: str) -> str:
    """String that expires: somebody asked this turn to stop."""
    return f"{log(user_id, turn_id)}:stop"


def tokens(kind: str, name: str, day: int) -> str:
    """Number that expires: the tokens that a user, or an address, has spent on that day since 1970."""
    return f"chat:tokens:{kind}:{name}:{day}"


def login(token_digest: str) -> str:
    """String that expires: the name of who logged in, and which of its passwords it was."""
    return f"chat:login:{token_digest}"


def login_tries(kind: str, digest: str) -> str:
    """Number that expires: how many passwords were tried for a name, or from an address."""
    return f"chat:login-tries:{{{kind}:{digest}}}"


def login_wait(tries: str) -> str:
    """String that expires: until then no other password is tried."""
    return f"{tries}:wait"
