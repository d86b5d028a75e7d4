"""The chat without a user interface: sessions, turns, roles, models, and where they are kept."""

from .backends import Notice
from .errors import ChatError, ConfigError, ModelError
from .messages import (
    ChatMessage,
    ContextReceipt,
    Delta,
    Feedback,
    Image,
    Sampling,
    Session,
    TurnEnd,
    TurnError,
    TurnEvent,
    Usage,
)
from .portable import Headings, Portable
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
    "Headings",
    "Health",
    "Image",
    "Language",
    "Messages",
    "ModelError",
    "Notice",
    "Portable",
    "Role",
    "Roles",
    "Sampling",
    "Session",
    "Settings",
    "Stopped",
    "TurnEnd",
    "TurnError",
    "TurnEvent",
    "Usage",
    "new_user_id",
]
