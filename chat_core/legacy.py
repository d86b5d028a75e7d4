"""Legacy: conversations as the tutorial stored them that this app began as.

They are lists of JSON, the newest message first, at `conversation:USER:SESSION`. What its hashes
`user_sessions:USER` say of them stands in the lists too.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from .errors import ImportRejected
from .exchange import ConversationExport
from .foreign import parse_foreign
from .validation import USER_ID

_PREFIX = "conversation:"
_SENDERS = {"user": "human", "assistant": "assistant"}


class LegacyConversation(NamedTuple):
    """Whose it is, which one, and what was said; None if that cannot be read."""

    user_id: str
    session_id: str
    said: ConversationExport | None


async def legacy_conversations(redis: Any) -> AsyncIterator[LegacyConversation]:
    """All that are in that Redis. The client must decode responses."""
    async for key in redis.scan_iter(match=f"{_PREFIX}*", count=500):
        user_id, _, session_id = key.removeprefix(_PREFIX).partition(":")
        said = None
        if USER_ID.fullmatch(user_id) and USER_ID.fullmatch(session_id) and await redis.type(key) == "list":
            said = _said(reversed(await redis.lrange(key, 0, -1)))
        yield LegacyConversation(user_id, session_id, said)


def _said(rows: Any) -> ConversationExport | None:
    messages = [message for message in map(_message, rows) if message]
    try:
        return parse_foreign({"chat_messages": messages}, time.time())
    except ImportRejected:
        return None


def _message(row: str) -> Mapping[str, Any] | None:
    try:
        message = json.loads(row)
        sender = _SENDERS.get(message["role"])
        told = {"sender": sender, "text": message["content"], "created_at": message.get("timestamp")}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return told if sender else None
