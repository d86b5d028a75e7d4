"""Own roles: the part of ChatService that keeps the roles which users write."""

import asyncio
import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from ..errors import ImageTooLarge, ImageUnreadable, InvalidInput, TooManyRoles
from ..images import read_image
from ..role_import import FoundRoles, RejectedRole, read_roles
from ..roles import CUSTOM, PICTURE_CHARS, Role, Roles, parse_role
from ..storage import redis_errors_as_store_unavailable
from ..validation import validate_ids, validate_text
from .base import ServiceBase

MAX_OWN_ROLES = 100


class OwnRoles(ServiceBase):
    """See ChatService."""

    @redis_errors_as_store_unavailable()
    async def roles_for(self, user_id: str, keys: Iterable[str] | None = None) -> Roles:
        """Everybody's roles and after them the user's own, the oldest first. With `keys`, the own ones are
        only looked up if these name others than everybody's."""
        validate_ids(user_id)
        if keys is None:
            return self.roles.with_own(await self._roles.own(user_id))
        return await self._roles.roles_for(user_id, keys)

    @redis_errors_as_store_unavailable()
    async def own_roles(self, user_id: str) -> list[Role]:
        """The user's own roles, the oldest first."""
        validate_ids(user_id)
        return await self._roles.own(user_id)

    @redis_errors_as_store_unavailable()
    async def save_role(self, user_id: str, role: Mapping[str, object], *, address: str = "") -> Role:
        """The role, stored as one of the user's own: a new one if its "key" is empty, else in the place of
        that one. Its fields are those of Role; a plain text or list stands for both languages.

        Raises InvalidInput with the field's name, UnknownModel, TooManyRoles or RateLimited.
        """
        validate_ids(user_id)
        found = parse_role(role, new_key := new_role_key())
        if found.model:
            self._starter.choose_model(found.model, "")
        await self._limiter.check_address(address)
        own = [stored.key for stored in await self._roles.own(user_id)]
        if found.key not in (*own, new_key, CUSTOM.key):
            raise _not_own()
        if found.key not in own and len(own) >= MAX_OWN_ROLES:
            raise TooManyRoles(MAX_OWN_ROLES)
        await self._roles.save(user_id, found)
        return found

    @redis_errors_as_store_unavailable()
    async def read_roles(self, user_id: str, file: bytes, *, address: str = "") -> FoundRoles:
        """The roles in a file, which are not stored: a roles file, a table of prompts, or a character card
        (see `role_import`), whose picture becomes the icon. Counts as a message, because reading is the work.
        Raises ImportRejected or RateLimited."""
        validate_ids(user_id)
        await self._limiter.check(user_id, address)
        found = await asyncio.to_thread(read_roles, file)
        if not (found.has_picture and found.roles):
            return found
        with suppress(ImageUnreadable, ImageTooLarge):
            icon = (await read_image(file))[0].preview
            if len(icon) <= PICTURE_CHARS:
                (role,) = found.roles
                return found._replace(roles=[role.model_copy(update={"icon": icon})])
        return found

    @redis_errors_as_store_unavailable()
    async def import_roles(
        self, user_id: str, file: bytes, *, chosen: Collection[int] | None = None, address: str = ""
    ) -> FoundRoles:
        """Stores the roles in a file as the user's own, or those of them that are `chosen`, by their places
        from 0; a model that is not there gives way to the default. Of what comes back, `roles` are those that
        were stored. Raises what `read_roles` does."""
        found = await self.read_roles(user_id, file, address=address)
        room = MAX_OWN_ROLES - len(await self._roles.own(user_id))
        wanted = [role for at, role in enumerate(found.roles) if chosen is None or at in chosen]
        models = self._models.names
        stored = [
            role.model_copy(
                update={"key": new_role_key(), "model": role.model if role.model in models else ""}
            )
            for role in wanted[: max(0, room)]
        ]
        left_out = [RejectedRole(role.name.en, TooManyRoles(MAX_OWN_ROLES)) for role in wanted[len(stored) :]]
        if stored:
            await self._roles.save(user_id, *stored)
        return found._replace(roles=stored, rejected=[*found.rejected, *left_out])

    @redis_errors_as_store_unavailable()
    async def delete_role(self, user_id: str, key: str) -> None:
        """Removes one of the user's own roles with the notes for it; its conversations go on with the default
        one. Raises InvalidInput when the user has none of that key."""
        validate_ids(user_id)
        validate_text(key=key)
        if not await self._roles.delete(user_id, key):
            raise _not_own()
        noted = await self._notes.all(user_id)
        await self._notes.delete(user_id, *(note.id for note in noted if note.role == key))


def new_role_key() -> str:
    """A key that no role of a file has, and that sorts by age."""
    return f"own-{time.time_ns():016x}{secrets.token_hex(2)}"


def _not_own() -> InvalidInput:
    return InvalidInput("role.key", "the key of a role of your own")
