"""The service: what a user interface calls.

ChatService consists of parts: `turns` (start, follow, stop, regenerate, undo, rate), `conversations`
(sessions, their history, the user's own role) and `exports`; beside them stand `logins`. `chat_service`
builds it, opens and closes it.
"""

from .chat_service import ChatService, HealthReport, Notice
from .logins import LOGIN_SECONDS, Logins
from .turns import StopResult
from .users import new_user_id

__all__ = [
    "LOGIN_SECONDS",
    "ChatService",
    "HealthReport",
    "Logins",
    "Notice",
    "StopResult",
    "new_user_id",
]
