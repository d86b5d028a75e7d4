"""Completions: the part of ChatService that answers without a conversation: nothing is stored."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ..context import PromptMessage, estimate_tokens
from ..errors import ShuttingDown
from ..messages import Sampling, Usage
from ..models import Piece, StreamItem
from ..storage import redis_errors_as_store_unavailable
from ..validation import validate_ids, validate_text
from .base import ServiceBase


class Completions(ServiceBase):
    """See ChatService."""

    async def complete(
        self,
        user_id: str,
        messages: Sequence[PromptMessage],
        role: str = "",
        model: str = "",
        *,
        sampling: Sampling | None = None,
        address: str = "",
    ) -> AsyncGenerator[StreamItem, None]:
        """The model's reply to `messages`, piece by piece, the prompt of the `role` before them if one is
        given. Counts as a message, and its tokens are spent. Raises UnknownRole, UnknownModel, RateLimited,
        TokensUsedUp, ShuttingDown or ModelError; closing the generator ends the reply."""
        validate_ids(user_id)
        validate_text(role=role, model=model)
        if self._starter.is_closed:
            raise ShuttingDown()
        async with redis_errors_as_store_unavailable():
            found = await self._roles.find(user_id, role) if role else None
            await self._limiter.check(user_id, address)
            await self._budget.check(user_id, address)
        if found:
            messages = [PromptMessage(role="system", content=found.prompt), *messages]
        model = self._starter.choose_model(model, found.model if found else "")
        sampling = sampling or (found.sampling if found else Sampling())
        items = self._models.model.stream(messages, model=model, sampling=sampling)
        sent = sum(estimate_tokens(str(message["content"])) for message in messages)
        said, counted = 0, 0
        try:
            async with aclosing(items):
                async for item in items:
                    if isinstance(item, Usage):
                        counted = item.total_tokens
                    elif isinstance(item, Piece):
                        said += len(item.text)
                    yield item
        finally:
            # Estimated where the provider does not count, or the caller leaves before it has.
            self._budget.spend(user_id, address, counted or (sent + said // 4 if said else 0))
