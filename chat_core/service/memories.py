"""Memories: the part of ChatService that shows and changes what conversations remember."""

from ..errors import InvalidInput
from ..messages import Summary
from ..storage import SessionState, redis_errors_as_store_unavailable
from ..turns import SUMMARY_CHARS
from ..validation import validate_text
from .base import ServiceBase


class Memories(ServiceBase):
    """See ChatService."""

    async def summary(self, user_id: str, session_id: str) -> Summary:
        """What stands for the conversation's older messages in the requests; an empty one if nothing does."""
        return (await self.session(user_id, session_id)).summary or Summary()

    @redis_errors_as_store_unavailable()
    async def save_summary(self, user_id: str, session_id: str, text: str) -> Summary:
        """The summary in the user's words, which the model is told from now on; without text there is none
        until the model makes another one. Raises InvalidInput."""
        validate_text(summary=text)
        text = text.strip()
        if len(text) > SUMMARY_CHARS:
            raise InvalidInput("summary", f"at most {SUMMARY_CHARS} characters")
        await self.session(user_id, session_id)

        def edited(state: SessionState) -> Summary:
            before = state.summary_before(len(state.rows)) or Summary()
            return (
                before.model_copy(update={"text": text, "edited": True, "failed": False})
                if text
                else Summary()
            )

        await self._store.summarise(user_id, session_id, edited)
        return await self.summary(user_id, session_id)
