"""The endpoints that give conversations out as files, and take such files, and files of roles."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import gradio as gr

from chat_core.archive import RejectedPart
from chat_core.errors import InvalidInput
from chat_core.role_import import RejectedRole

from ..page import ARCHIVE_NAME, document
from ..uploads import uploaded_file
from ..visitor import Visitor
from .base import EndpointsBase, Json, role_object, session_object


class FileEndpoints(EndpointsBase):
    """See Endpoints."""

    async def export_session(
        self, request: gr.Request, user_id: str, session_id: str, format: str = "json"
    ) -> Json:
        """A conversation as the text of a file: "json", which /import_session takes, or "markdown". Returns
        {"session_id", "filename", "content"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            if not isinstance(format, str) or format not in _ENDINGS:
                raise InvalidInput("format", "json or markdown")
            exported = await self._service.export(visitor.user_id, session_id)
            roles = await self._service.roles_for(visitor.user_id, exported.role_keys)
        is_json = format == "json"
        content = exported.to_json() if is_json else document(exported, roles, visitor.language)
        filename = f"{exported.title or 'chat'}.{_ENDINGS[format]}"
        return {"session_id": session_id, "filename": filename, "content": content}

    async def export_all(self, request: gr.Request, user_id: str) -> Json:
        """Everything of the user as a zip, which /import_session takes: each conversation as JSON, with its
        folder, pin and summary, and as Markdown; pictures, as far as 10 MB have room for them; roles of the
        user's own and notes. Returns {"filename", "base64"}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            data = await self._service.export_all(
                visitor.user_id,
                lambda exported, roles: document(exported, roles, visitor.language),
                address=visitor.address,
            )
        return {"filename": ARCHIVE_NAME, "base64": b64encode(data).decode()}

    async def import_session(self, request: gr.Request, user_id: str, file: Any) -> Json:
        """Makes conversations of a file: one that /export_session gave as "json" or /export_all as a zip, or
        the export of ChatGPT or Claude (conversations.json, or the zip with it). Returns the latest as
        /sessions lists it, with "imported": {"sessions": [id], "roles", "notes": how many} and "rejected":
        [{"name", "reason"}]."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            data = await uploaded_file(file)
            found = await self._service.import_file(visitor.user_id, data, address=visitor.address)
        return {
            **(session_object(found.sessions[-1]) if found.sessions else {}),
            "imported": {
                "sessions": [session.id for session in found.sessions],
                "roles": len(found.roles),
                "notes": len(found.notes),
            },
            "rejected": _rejected(visitor, found.rejected),
        }

    async def import_roles(self, request: gr.Request, user_id: str, file: Any) -> Json:
        """Makes the roles in a file the user's own: a roles file, a CSV table with the columns act and
        prompt, or a character card (JSON or PNG). Returns {"roles": as /save_role returns them, "rejected":
        [{"name", "reason"}]}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            data = await uploaded_file(file)
            found = await self._service.import_roles(visitor.user_id, data, address=visitor.address)
        stored = [role_object(role, own=True) for role in found.roles]
        return {"roles": stored, "rejected": _rejected(visitor, found.rejected)}


def _rejected(visitor: Visitor, parts: Sequence[RejectedPart | RejectedRole]) -> list[Json]:
    return [{"name": part.name, "reason": visitor.error_text(part.error)} for part in parts]


_ENDINGS = {"json": "json", "markdown": "md"}
