"""The service: what a user interface calls.

ChatService consists of parts: `turns` (start, follow, stop, regenerate, undo, restore, rate), `conversations`
(sessions and their history), `exports`, `archives`, `shares`, `own_roles`, `memories`, `completions`; beside
them stand `logins`. `chat_service` builds it, opens and closes it.
"""

from .archives import Imported
from .chat_service import ChatService, HealthReport, Notice
from .logins import LOGIN_SECONDS, Logins
from .turns import StopResult, UndoResult
from .users import new_user_id

__all__ = [
    "LOGIN_SECONDS",
    "ChatService",
    "HealthReport",
    "Imported",
    "Logins",
    "Notice",
    "StopResult",
    "UndoResult",
    "new_user_id",
]
