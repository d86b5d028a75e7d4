"""Completions: the part of ChatService that answers without a conversation: nothing is stored."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ..context import PromptMessage
from ..errors import ShuttingDown
from ..messages import Sampling
from ..models import StreamItem
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
        given. Counts as a message. Raises UnknownRole, UnknownModel, RateLimited, ShuttingDown or ModelError;
        closing the generator ends the reply."""
        validate_ids(user_id)
        validate_text(role=role, model=model)
        if self._starter.is_closed:
            raise ShuttingDown()
        async with redis_errors_as_store_unavailable():
            found = await self._roles.find(user_id, role) if role else None
            await self._limiter.check(user_id, address)
        if found:
            messages = [PromptMessage(role="system", content=found.prompt), *messages]
        model = self._starter.choose_model(model, found.model if found else "")
        sampling = sampling or (found.sampling if found else Sampling())
        items = self._models.model.stream(messages, model=model, sampling=sampling)
        async with aclosing(items):
            async for item in items:
                yield item
