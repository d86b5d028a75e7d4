"""The chat without a user interface: sessions, turns, roles, models, and where they are kept."""

from .backends import Notice
from .errors import ChatError, ConfigError, ModelError
from .messages import (
    ChatMessage,
    ContextReceipt,
    Delta,
    Feedback,
    Image,
    Session,
    TurnEnd,
    TurnError,
    TurnEvent,
    Usage,
)
from .roles import Language, Role, Roles
from .service import ChatService, Health, Stopped, new_user_id
from .settings import Settings
from .store import Messages

__all__ = [
    "ChatError",
    "ChatMessage",
    "ChatService",
    "ConfigError",
    "ContextReceipt",
    "Delta",
    "Feedback",
    "Health",
    "Image",
    "Language",
    "Messages",
    "ModelError",
    "Notice",
    "Role",
    "Roles",
    "Session",
    "Settings",
    "Stopped",
    "TurnEnd",
    "TurnError",
    "TurnEvent",
    "Usage",
    "new_user_id",
]
