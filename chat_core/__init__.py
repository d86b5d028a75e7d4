"""The chat without a user interface: sessions, turns, roles, models, and where they are kept."""

from .errors import ChatError, ConfigError, ModelError
from .exchange import ConversationExport, Headings
from .messages import (
    ChatMessage,
    ContextReceipt,
    Delta,
    Feedback,
    Image,
    Note,
    Sampling,
    Session,
    SessionList,
    StoredMessages,
    Summary,
    TurnEnd,
    TurnError,
    TurnEvent,
    Usage,
    Voice,
    VoiceEnd,
)
from .models import ModelOffer, PictureOffer
from .pictures import PictureOrder
from .roles import Language, Role, Roles
from .service import ChatService, HealthReport, Imported, Notice, StopResult, UndoResult, new_user_id
from .settings import THIS_MACHINE, Settings
from .sharing import Share, SharedConversation, SharedFace
from .storage import TokensLeft
from .turns import TurnReport

__all__ = [
    "THIS_MACHINE",
    "ChatError",
    "ChatMessage",
    "ChatService",
    "ConfigError",
    "ContextReceipt",
    "ConversationExport",
    "Delta",
    "Feedback",
    "Headings",
    "HealthReport",
    "Image",
    "Imported",
    "Language",
    "ModelError",
    "ModelOffer",
    "Note",
    "Notice",
    "PictureOffer",
    "PictureOrder",
    "Role",
    "Roles",
    "Sampling",
    "Session",
    "SessionList",
    "Settings",
    "Share",
    "SharedConversation",
    "SharedFace",
    "StopResult",
    "StoredMessages",
    "Summary",
    "TokensLeft",
    "TurnEnd",
    "TurnError",
    "TurnEvent",
    "TurnReport",
    "UndoResult",
    "Usage",
    "Voice",
    "VoiceEnd",
    "new_user_id",
]
