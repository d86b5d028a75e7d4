"""What is shown to whoever has a link: a conversation as it was, without what concerns its owner alone."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, FiniteFloat

from .exchange import ConversationExport
from .messages import ChatMessage
from .roles import Roles, Words

# What a shared message still has; its pictures keep their previews.
_SHOWN = (
    "role",
    "content",
    "timestamp",
    "status",
    "reasoning",
    "reasoning_seconds",
    "model",
    "finish_reason",
)


class Share(BaseModel):
    """A link, as the user who made it sees it: whoever has the `token` may read what was copied of the
    session until `expires_at`. Times are in seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token: str
    session_id: str
    title: str
    created_at: FiniteFloat
    expires_at: FiniteFloat


class SharedFace(BaseModel):
    """What a role that spoke is recognised by."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    icon: str
    name: Words


class SharedConversation(BaseModel):
    """A conversation as it was when it was shared, and the `faces` of the roles that spoke in it, by key. It
    has no ids: roles of the user's own are numbered, and so are turns."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    conversation: ConversationExport
    faces: Mapping[str, SharedFace]

    @classmethod
    def of(cls, exported: ConversationExport, roles: Roles, everybodys: Roles) -> Self:
        """A copy of what was exported; `roles` has those that spoke, as far as they are still there."""
        keys: dict[str, str] = {}
        turns: dict[str, str] = {"": ""}

        def key_of(key: str) -> str:
            return key if key in everybodys else keys.setdefault(key, f"own-{len(keys) + 1}") if key else ""

        def shown(message: ChatMessage) -> ChatMessage:
            return ChatMessage(
                id="",
                turn_id=turns.setdefault(message.turn_id, str(len(turns))),
                role_key=key_of(message.role_key),
                images=tuple(image.model_copy(update={"id": ""}) for image in message.images),
                **{name: getattr(message, name) for name in _SHOWN},
            )

        copy = exported.model_copy(
            update={"messages": tuple(map(shown, exported.messages)), "role": key_of(exported.role)}
        )
        faces = {
            key_of(key): SharedFace(icon=roles[key].icon, name=roles[key].name)
            for key in sorted(exported.role_keys)
            if key in roles
        }
        return cls(conversation=copy, faces=faces)
