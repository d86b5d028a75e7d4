"""RoleHandlers: what the page does with roles, a method for each intention."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import gradio as gr

from chat_core import ChatError, Role, Roles
from chat_core.errors import InvalidInput, TooManyRoles

from ..texts import error_text, t
from .handlers import Handlers
from .layout import Components
from .renderer import ComponentUpdates, properties
from .requests import PageRequest, TakeEvent, Values
from .variables_form import variables_form

Outputs = list[Any]

_ABOUT_CHARS = 160


class RoleHandlers(Handlers):
    """The handlers of choosing a role and of writing one's own. Those of writing answer with new values of
    `OUTPUTS`."""

    OUTPUTS = (*Components.CHOSEN, "chatbot", "role_saved")

    async def choose(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """The latest conversation with the role comes back. Where there is none the role answers from the
        next message on; an empty conversation greets in its name now."""
        page = self._parse(values, request)
        with page.errors_shown():
            key, user_id = _key(event), page.visitor.user_id
            role = (await self._service.roles_for(user_id, [key]))[key]
            is_there = page.tab.temporary or (page.tab.session_id and page.role == key)
            latest = "" if is_there else await self._service.latest_with_role(user_id, key)
            if not latest:
                return self._chosen(page, role).outputs()
            rendered = await self._renderer.render(page.visitor, page.tab.opening(latest))
            self._follower.leave(page.session_hash)
            return rendered.outputs()

    async def save(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """A role of the visitor's own was written; it is the chosen one then. What is wrong with it is told
        in the form, which stays."""
        page = self._parse(values, request)
        user_id = page.visitor.user_id
        try:
            written: Mapping[str, object] = getattr(event, "role", {})
            role = await self._service.save_role(user_id, written, address=page.visitor.address)
            roles = await self._service.roles_for(user_id)
        except ChatError as error:
            problem = error_text(page.visitor.language, error)
            return ComponentUpdates(role_saved=_saved(problem)).outputs(self.OUTPUTS)
        return self._chosen(page, role, roles, role_saved=_saved()).outputs(self.OUTPUTS)

    async def read_file(self, values: Values, request: gr.Request) -> dict[str, Any]:
        """A file was chosen: the page shows what roles are in it, and which cannot be used and why."""
        page = self._parse(values, request)
        visitor = page.visitor
        with page.errors_shown():
            found = await self._service.read_roles(visitor.user_id, page.file, address=visitor.address)
        shown = [
            {
                "icon": role.icon,
                "name": role.name[visitor.language],
                "about": (role.description[visitor.language] or role.prompt)[:_ABOUT_CHARS],
            }
            for role in found.roles
        ]
        refused = [{"name": role.name, "reason": visitor.error_text(role.error)} for role in found.rejected]
        return {"roles": shown, "rejected": refused, "found_id": uuid4().hex}

    async def take(self, values: Values, request: gr.Request, event: gr.EventData) -> str:
        """Of the roles in the file these are wanted: they are among the visitor's own then."""
        page = self._parse(values, request)
        visitor = page.visitor
        with page.errors_shown():
            found = await self._service.import_roles(
                visitor.user_id,
                page.file,
                chosen=page.happened(TakeEvent, event).chosen,
                address=visitor.address,
            )
            roles = await self._service.roles_for(visitor.user_id)
        gr.Info(t(visitor.language, "roles_taken", count=len(found.roles)), duration=3)
        for left_out in [role.error for role in found.rejected if isinstance(role.error, TooManyRoles)][:1]:
            gr.Warning(visitor.error_text(left_out))
        return self._renderer.role_picker(visitor, roles, page.role)

    async def delete(self, values: Values, request: gr.Request, event: gr.EventData) -> Outputs:
        """A role of the visitor's own is to be removed; if it was the chosen one, the default takes its
        place."""
        page = self._parse(values, request)
        with page.errors_shown():
            await self._service.delete_role(page.visitor.user_id, _key(event))
            roles = await self._service.roles_for(page.visitor.user_id)
            return self._chosen(page, roles.find_or_default(page.role), roles).outputs(self.OUTPUTS)

    def _chosen(
        self, page: PageRequest, role: Role, roles: Roles | None = None, **updates: Any
    ) -> ComponentUpdates:
        """What shows that the role is chosen, together with the `updates`; and all `roles` where they have
        changed. An empty conversation begins with what the role brings, another one keeps what the role does
        not bring."""
        is_empty = not page.tab.session_id
        model = role.model if role.model in self._service.models else ""
        default = self._service.models[0] if is_empty else ""
        language = page.visitor.language
        given = page.variables
        variables = {name: given[name] for name in role.variables if name in given}
        if roles:
            updates["role_picker"] = self._renderer.role_picker(page.visitor, roles, role.key)
        if model or default:
            updates["model"] = properties(value=model or default)
            updates["effort"] = self._renderer.effort(page.visitor, model or default, str(page.effort))
        if is_empty or role.temperature is not None:
            updates["temperature"] = role.temperature
        if is_empty or role.max_tokens is not None:
            updates["length"] = role.max_tokens
        return ComponentUpdates(
            updates,
            role=role.key,
            chatbot=properties(**self._renderer.greeting(role, language)),
            variables=variables,
            variables_form=variables_form(role, variables, language, is_open=True),
        )


def _saved(problem: str = "") -> dict[str, str]:
    """What came of saving a role; each time another value, so that the page hears of it."""
    return {"problem": problem, "save_id": uuid4().hex}


def _key(event: gr.EventData) -> str:
    key = getattr(event, "role", None)
    if not isinstance(key, str):
        raise InvalidInput("role", "text")
    return key
