"""What the package offers; a change here is a change for everybody who builds on it."""

import chat_core


def test_the_public_names_are_these():
    assert chat_core.__all__ == [
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


def test_every_public_name_is_there():
    assert [name for name in chat_core.__all__ if not hasattr(chat_core, name)] == []
