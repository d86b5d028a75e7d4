"""A ChatModel that says what the test tells it to, when the test tells it to."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from chat_core.context import PromptMessage
from chat_core.messages import Sampling, Usage
from chat_core.models import Piece, StreamItem
from tests.fake_openai import text_of


class Call:
    """One request to the model: what it was shown, and the reply, which the test speaks."""

    def __init__(self, messages: Sequence[PromptMessage], model: str, sampling: Sampling) -> None:
        self.messages = list(messages)
        self.model = model
        self.sampling = sampling
        self.closed = asyncio.Event()  # the reply was read to its end, or nobody wants the rest
        self._script: asyncio.Queue[StreamItem | BaseException | None] = asyncio.Queue()

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Who said what: the roles and the texts."""
        return [(message["role"], text_of(message["content"])) for message in self.messages]

    @property
    def images(self) -> list[list[str]]:
        """The data URLs in each message that has any."""
        contents = [
            message["content"] for message in self.messages if not isinstance(message["content"], str)
        ]
        return [
            [part["image_url"]["url"] for part in parts if part["type"] == "image_url"] for parts in contents
        ]

    def say(self, *texts: str) -> None:
        for text in texts:
            self._script.put_nowait(Piece("text", text))

    def think(self, text: str) -> None:
        self._script.put_nowait(Piece("reasoning", text))

    def script(self, item: StreamItem) -> None:
        """Any other item of a stream."""
        self._script.put_nowait(item)

    def count(self, usage: Usage) -> None:
        self._script.put_nowait(usage)

    def end(self) -> None:
        self._script.put_nowait(None)

    def fail(self, error: BaseException) -> None:
        self._script.put_nowait(error)

    async def next_item(self) -> StreamItem | None:
        item = await self._script.get()
        if isinstance(item, BaseException):
            raise item
        return item


class ScriptedModel:
    """Every request becomes a Call; `next_call` waits for it."""

    def __init__(self) -> None:
        self._calls: asyncio.Queue[Call] = asyncio.Queue()

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]:
        call = Call(messages, model, sampling)
        self._calls.put_nowait(call)
        try:
            while (item := await call.next_item()) is not None:
                yield item
        finally:
            call.closed.set()

    async def next_call(self) -> Call:
        return await self._calls.get()

    @property
    def silent(self) -> bool:
        """Nobody asked anything that `next_call` has not returned."""
        return self._calls.empty()

    async def aclose(self) -> None:
        pass
