"""Conversations: the part of ChatService that makes, lists, reads, changes and removes sessions."""

import json
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress

from ..errors import InvalidInput, MessageNotFound, SessionUnreadable
from ..messages import TITLE_CHARS, Sampling, Session, SessionList, StoredMessages
from ..storage import index_of, redis_errors_as_store_unavailable
from ..turns import store_branch
from ..validation import validate_count, validate_id, validate_ids, validate_text
from ..variables import parse_variables
from .turns import Turns
from .users import new_user_id


class Conversations(Turns):
    """See ChatService."""

    @redis_errors_as_store_unavailable()
    async def start_session(
        self,
        user_id: str = "",
        role: str = "",
        variables: Mapping[str, str] | None = None,
        *,
        address: str = "",
    ) -> tuple[str, Session]:
        """A new, empty session: (user id, session). An empty `user_id` gets a new unguessable one, which
        counts as a message from this `address`. `variables` are the values of the variables in the role's
        prompt, by name.

        Raises UnknownRole, InvalidInput for a variable that the role has not, or RateLimited.
        """
        is_new = user_id == ""
        user_id = new_user_id() if is_new else user_id
        validate_ids(user_id)
        validate_text(role=role)
        if self.is_temporary:
            await self._store.forget_expired()
        values = parse_variables(variables or {})
        found = await self._roles.find(user_id, role)
        if unknown := next((name for name in values if name not in found.variables), None):
            raise InvalidInput(f"variables.{unknown}", "one that the role's prompt has")
        head = {
            "role": found.key,
            "model": found.model and self._starter.choose_model("", found.model),
            "sampling": found.sampling.to_json(),
            "variables": json.dumps(values),
        }
        if is_new:
            await self._limiter.check_address(address)
        return user_id, await self._store.create(user_id, uuid.uuid4().hex, head)

    @redis_errors_as_store_unavailable()
    async def sessions(self, user_id: str, query: str = "") -> list[Session]:
        """The user's sessions, the one changed last first; with a `query` those whose title or messages
        contain it. It may begin with the folder that they are in, as `folder:work` or `folder:"my work"`."""
        validate_ids(user_id)
        validate_text(query=query)
        found = re.match(r'\s*folder:(?:"([^"]*)"|(\S*))', query)
        folder = (found[1] or found[2] or "") if found else ""
        words = query[found.end() :] if found else query
        return await self._store.sessions(user_id, words.strip(), folder)

    @redis_errors_as_store_unavailable()
    async def latest_sessions(self, user_id: str, limit: int = 0, including: str = "") -> SessionList:
        """The user's latest `limit` sessions (0: all), the one changed last first; besides, in their places,
        all that are pinned and the one of the id `including`, if it is the user's."""
        validate_ids(user_id)
        validate_count("limit", limit)
        validate_text(including=including)
        return await self._store.latest_sessions(user_id, limit, including)

    @redis_errors_as_store_unavailable()
    async def history(self, user_id: str, session_id: str, limit: int = 0) -> StoredMessages:
        """The latest `limit` stored messages, oldest first (0: all). A running reply is not among them:
        follow it. Raises InvalidInput for a negative limit."""
        return (await self.conversation(user_id, session_id, limit))[1]

    @redis_errors_as_store_unavailable()
    async def clear(self, user_id: str, session_id: str, *, last_turn: str | None = None) -> int:
        """Stops what runs, removes the session's messages; how many there were. Raises SessionBusy or
        SessionChanged when another message came first."""
        last_turn = await self._stop_last_turn(user_id, session_id, last_turn)
        return await self._store.clear(user_id, session_id, last_turn=last_turn)

    @redis_errors_as_store_unavailable()
    async def rename(self, user_id: str, session_id: str, title: str) -> Session:
        """The session under its new title, white space tidied. Raises InvalidInput."""
        validate_text(title=title)
        title = " ".join(title.split())
        if not 1 <= len(title) <= TITLE_CHARS:
            raise InvalidInput("title", f"1 to {TITLE_CHARS} characters")
        await self.session(user_id, session_id)
        await self._store.update(user_id, session_id, title=title)
        return await self._store.get(user_id, session_id)

    @redis_errors_as_store_unavailable()
    async def set_sampling(self, user_id: str, session_id: str, sampling: Sampling) -> None:
        """The session's next replies are written so, where nothing else is asked for."""
        await self.session(user_id, session_id)
        await self._store.update(user_id, session_id, sampling=sampling.to_json())

    @redis_errors_as_store_unavailable()
    async def branch(self, user_id: str, session_id: str, message_id: str, *, address: str = "") -> Session:
        """A new session that begins with what was said here up to and with that message, and knows where it
        comes from. Counts as a message. Raises MessageNotFound or RateLimited."""
        validate_id("message_id", message_id)
        await self.session(user_id, session_id)
        await self._limiter.check(user_id, address)
        state = await self._store.read(user_id, session_id)
        place = index_of(state.rows, message_id)
        if place is None:
            raise MessageNotFound()
        return await store_branch(self._store, user_id, state, place + 1)

    @redis_errors_as_store_unavailable()
    async def latest_with_role(self, user_id: str, role: str) -> str:
        """The id of the user's latest session with the role of that key in which something was said; "" if
        there is none."""
        validate_ids(user_id)
        validate_text(role=role)
        return await self._store.latest_with_role(user_id, role)

    @redis_errors_as_store_unavailable()
    async def pin(self, user_id: str, session_id: str, pinned: bool = True) -> None:
        """Keeps the session for ever, or no longer so."""
        await self.session(user_id, session_id)
        await self._store.pin(user_id, session_id, pinned)

    @redis_errors_as_store_unavailable()
    async def move(self, user_id: str, session_id: str, folder: str) -> Session:
        """The session in the folder of that name, white space tidied; in none if it is empty. A folder is
        there as long as something is in it. Raises InvalidInput."""
        validate_text(folder=folder)
        folder = " ".join(folder.split())
        if len(folder) > TITLE_CHARS:
            raise InvalidInput("folder", f"at most {TITLE_CHARS} characters")
        await self.session(user_id, session_id)
        await self._store.update(user_id, session_id, folder=folder)
        return await self._store.get(user_id, session_id)

    @redis_errors_as_store_unavailable()
    async def delete(self, user_id: str, session_id: str, *, last_turn: str | None = None) -> None:
        """Stops what runs and removes the session with everything in it, readable or not, and its links.
        Raises SessionBusy or SessionChanged when another message came first."""
        with suppress(SessionUnreadable):
            last_turn = await self._stop_last_turn(user_id, session_id, last_turn)
        await self._shares.remove_of_session(user_id, session_id)
        await self._store.delete(user_id, session_id, last_turn=last_turn, leave_word=True)
