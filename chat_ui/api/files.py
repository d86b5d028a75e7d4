"""The endpoints that give conversations out as files, and take such files, and files of roles."""

from typing import Any

import gradio as gr

from chat_core.errors import InvalidInput

from ..page import document
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
            if format not in _ENDINGS:
                raise InvalidInput("format", "json or markdown")
            exported = await self._service.export(visitor.user_id, session_id)
            roles = await self._service.roles_for(visitor.user_id, exported.role_keys)
        is_json = format == "json"
        content = exported.to_json() if is_json else document(exported, roles, visitor.language)
        filename = f"{exported.title or 'chat'}.{_ENDINGS[format]}"
        return {"session_id": session_id, "filename": filename, "content": content}

    async def import_session(self, request: gr.Request, user_id: str, file: Any) -> Json:
        """Makes a conversation of a file that /export_session gave as "json". Returns it as /sessions lists
        it."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            data = await uploaded_file(file)
            session = await self._service.import_session(visitor.user_id, data, address=visitor.address)
        return session_object(session)

    async def import_roles(self, request: gr.Request, user_id: str, file: Any) -> Json:
        """Makes the roles in a file the user's own: a roles file, a CSV table with the columns act and
        prompt, or a character card (JSON or PNG). Returns {"roles": as /save_role returns them, "rejected":
        [{"name", "reason"}]}."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            data = await uploaded_file(file)
            found = await self._service.import_roles(visitor.user_id, data, address=visitor.address)
        rejected = [{"name": role.name, "reason": visitor.error_text(role.error)} for role in found.rejected]
        return {"roles": [role_object(role, own=True) for role in found.roles], "rejected": rejected}


_ENDINGS = {"json": "json", "markdown": "md"}
