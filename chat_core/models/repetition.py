"""RepetitionGuard: ends replies that go round in circles, as those of small models may."""

import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ..context import PromptMessage
from ..errors import ModelRepeated
from ..messages import Sampling
from .base import ChatModel, Piece, StreamItem

# What was said before compresses to nothing. Prose of a thousand bytes shrinks to a half, code to a third, a
# loop to less than a fifth.
_LOOKED_AT_BYTES = 1000
_LOOK_EVERY_CHARACTERS = 100
_SHRINKS_TIMES = 5.0


class RepetitionGuard:
    """The same model, but a reply that repeats itself ends with ModelRepeated."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    async def aclose(self) -> None:
        await self._model.aclose()

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]:
        """As the model's own `stream`. Raises ModelRepeated too."""
        said, looked_at = "", 0
        stream = self._model.stream(messages, model=model, sampling=sampling)
        async with aclosing(stream) as items:
            async for item in items:
                yield item
                if not isinstance(item, Piece):
                    continue
                said += item.text
                if len(said) - looked_at >= _LOOK_EVERY_CHARACTERS:
                    looked_at = len(said)
                    if repeats_itself(said):
                        raise ModelRepeated()


def repeats_itself(text: str) -> bool:
    """Whether the end of a text says the same again and again. A short text never does."""
    end = text[-_LOOKED_AT_BYTES:].encode()[-_LOOKED_AT_BYTES:]
    return len(end) == _LOOKED_AT_BYTES and len(end) > _SHRINKS_TIMES * len(zlib.compress(end))
