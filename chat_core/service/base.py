"""ServiceBase: what the parts of ChatService share."""

from ..messages import Session, StoredMessages
from ..models import ModelCatalog
from ..roles import Roles
from ..settings import Settings
from ..storage import (
    NoteStore,
    RateLimiter,
    RoleStore,
    SessionStore,
    ShareStore,
    TokenBudget,
    redis_errors_as_store_unavailable,
)
from ..turns import LiveTurn, Summarizer, Titler, TurnLog, TurnStarter, TurnWriter
from ..validation import validate_count, validate_ids
from .logins import Logins
from .processes import Processes


class ServiceBase:
    """The collaborators of a service, which ChatService builds."""

    settings: Settings
    roles: Roles
    logins: Logins
    processes: Processes
    is_temporary: bool
    _followers: int = 0
    _models: ModelCatalog
    _store: SessionStore
    _roles: RoleStore
    _notes: NoteStore
    _shares: ShareStore
    _limiter: RateLimiter
    _budget: TokenBudget
    _log: TurnLog
    _writer: TurnWriter
    _starter: TurnStarter
    _summarizer: Summarizer
    _titler: Titler

    @redis_errors_as_store_unavailable()
    async def session(self, user_id: str, session_id: str) -> Session:
        """The session's head, after closing a turn whose process has died."""
        validate_ids(user_id, session_id)
        session = await self._store.get(user_id, session_id)
        if await self._recovered(user_id, session):
            session = await self._store.get(user_id, session_id)
        return session

    @redis_errors_as_store_unavailable()
    async def conversation(
        self, user_id: str, session_id: str, limit: int = 0
    ) -> tuple[Session, StoredMessages]:
        """The session's head and its latest `limit` messages, oldest first (0: all). A running reply is not
        among them: follow it."""
        validate_ids(user_id, session_id)
        validate_count("limit", limit)
        session, messages = await self._store.get_with_messages(user_id, session_id, limit)
        if await self._recovered(user_id, session):
            return await self._store.get_with_messages(user_id, session_id, limit)
        return session, messages

    async def _recovered(self, user_id: str, session: Session) -> bool:
        """Whether the session had an open turn that nobody writes, which shows in the missing lease."""
        is_dead = bool(session.open_turn) and not session.running
        return is_dead and await self._log.recover(user_id, session.id)

    def _live_turn(self, user_id: str, session_id: str, turn_id: str = "") -> LiveTurn | None:
        """The turn, or any of the session, if it runs in this process: then Redis need not be asked."""
        for turn in self._writer.turns.values():
            if (turn.user_id, turn.session_id) == (user_id, session_id) and turn_id in ("", turn.id):
                return turn
        return None
