"""Shares: the part of ChatService that lets others read a conversation by a link."""

import secrets
import time

from ..errors import InvalidInput, ShareNotFound, TooManyShares, TurnNotFound
from ..exchange import with_new_ids
from ..messages import Session
from ..sharing import Share, SharedConversation
from ..slices import next_slice
from ..storage import redis_errors_as_store_unavailable
from ..validation import validate_id, validate_ids
from .exports import Exports
from .own_roles import OwnRoles

MAX_SHARES = 100
MAX_SHARE_DAYS = 365
_TOKEN_BYTES = 24
_DAY_SECONDS = 24 * 3600


class Shares(Exports, OwnRoles):
    """See ChatService."""

    @redis_errors_as_store_unavailable()
    async def share(self, user_id: str, session_id: str, days: int = 30, *, address: str = "") -> Share:
        """A link, whose token nobody can guess, to the conversation as it is now, for so many days. What is
        said later is not behind it, nor is what concerns the user alone: ids, notes, other versions of
        replies and what they took. Counts as a message. The link ends with the session.

        Raises InvalidInput, TurnNotFound when nothing was said yet, TooManyShares or RateLimited.
        """
        validate_ids(user_id, session_id)
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAX_SHARE_DAYS:
            raise InvalidInput("days", f"a whole number, 1 to {MAX_SHARE_DAYS}")
        await self._limiter.check(user_id, address)
        exported = await self.export(user_id, session_id)
        if not exported.messages:
            raise TurnNotFound()
        if len(await self._shares.all(user_id)) >= MAX_SHARES:
            raise TooManyShares(MAX_SHARES)
        roles = await self.roles_for(user_id, exported.role_keys)
        now = time.time()
        share = Share(
            token=secrets.token_urlsafe(_TOKEN_BYTES),
            session_id=session_id,
            title=exported.title,
            created_at=now,
            expires_at=now + days * _DAY_SECONDS,
        )
        await next_slice()
        copy = SharedConversation.of(exported, roles, self.roles)
        await next_slice()
        await self._shares.add(user_id, share, copy)
        return share

    @redis_errors_as_store_unavailable()
    async def shares(self, user_id: str) -> list[Share]:
        """The user's links that hold, the oldest first."""
        validate_ids(user_id)
        return await self._shares.all(user_id)

    @redis_errors_as_store_unavailable()
    async def unshare(self, user_id: str, token: str) -> None:
        """Ends a link of the user's. Raises ShareNotFound when there is none of that token."""
        validate_ids(user_id)
        validate_id("token", token)
        if not await self._shares.remove(user_id, token):
            raise ShareNotFound()

    @redis_errors_as_store_unavailable()
    async def shared(self, token: str, *, address: str = "") -> SharedConversation:
        """What is behind a link, for whoever has it. Counts as a call from the address. Raises
        ShareNotFound, also for what cannot be a token, or RateLimited."""
        await self._limiter.check_address(address)
        return await self._behind(token)

    @redis_errors_as_store_unavailable()
    async def import_share(self, user_id: str, token: str, *, address: str = "") -> Session:
        """A new session of the user's that begins with what is behind a link. Counts as a message. Raises
        ShareNotFound or RateLimited."""
        validate_ids(user_id)
        await self._limiter.check(user_id, address)
        found = (await self._behind(token)).conversation
        await next_slice()
        messages = with_new_ids(found.messages, time.time())
        return await self._store_export(user_id, found.model_copy(update={"messages": messages}))

    async def _behind(self, token: str) -> SharedConversation:
        try:
            validate_id("token", token)
        except InvalidInput:
            raise ShareNotFound() from None
        found = await self._shares.find(token)
        if found is None:
            raise ShareNotFound()
        return found
