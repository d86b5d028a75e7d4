"""What the suites of the service share: services over one store, each as if in a process of its own."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, aclosing
from typing import Any, NamedTuple, Protocol

import pytest

from chat_core import ChatMessage, ChatService, Delta, Settings, TurnEnd
from tests.conftest import Connect
from tests.scripted_model import Call, ScriptedModel


class OpenService(Protocol):
    def __call__(self, *, lease_seconds: float = 5.0, **settings: Any) -> Awaitable[ChatService]: ...


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_core.turns.log._BLOCK_MS", 50)


@pytest.fixture
async def open_service(connect: Connect, model: ScriptedModel) -> AsyncIterator[OpenService]:
    """Opens services over one store and one model; what the test leaves open is closed after it."""
    async with AsyncExitStack() as stack:

        async def open_service(*, lease_seconds: float = 5.0, **settings: Any) -> ChatService:
            usual = {"rate_limit": "", "rate_limit_address": "", "openai_model": "big"}
            usual |= {"memory": "off", "title_model": "off"}
            chosen = Settings(**(usual | settings))
            service = ChatService(chosen, redis=connect(), model=model, lease_seconds=lease_seconds)
            return await stack.enter_async_context(service)

        yield open_service


@pytest.fixture
async def service(open_service: OpenService) -> ChatService:
    return await open_service()


class Chat(NamedTuple):
    """A session, seen through one service."""

    service: ChatService
    model: ScriptedModel
    user: str
    id: str

    def through(self, service: ChatService) -> "Chat":
        return self._replace(service=service)

    async def ask(self, message: str = "Why?", **choice: Any) -> tuple[str, Call]:
        """Starts a turn and waits for the model's turn: the turn's id, and the call."""
        turn_id = await self.service.start_turn(self.user, self.id, message, **choice)
        return turn_id, await self.model.next_call()

    async def say(self, message: str, reply: str, **choice: Any) -> Call:
        """A whole turn."""
        turn_id, call = await self.ask(message, **choice)
        call.say(reply)
        call.end()
        assert (await self.read(turn_id))[1].status == "done"
        return call

    async def read(self, turn_id: str = "", after: int = 0) -> tuple[str, TurnEnd]:
        """Follows a turn to its end: its text after that position, and the end."""
        text = ""
        async with aclosing(self.service.follow(self.user, self.id, turn_id, after)) as events:
            async for event in events:
                if isinstance(event, TurnEnd):
                    return text, event
                text += event.text if event.kind == "text" else ""
        raise AssertionError("the turn has no end")

    async def read_until(self, text: str, turn_id: str = "") -> Delta:
        """Follows a turn until its text is there, and goes away: the last piece that was seen."""
        seen = ""
        async with aclosing(self.service.follow(self.user, self.id, turn_id)) as events:
            async for event in events:
                assert isinstance(event, Delta), event
                seen += event.text if event.kind == "text" else ""
                if seen.endswith(text):
                    return event
        raise AssertionError("the turn has no end")

    async def history(self) -> list[ChatMessage]:
        return (await self.service.history(self.user, self.id)).items

    async def contents(self) -> list[str]:
        return [message.content for message in await self.history()]


@pytest.fixture
async def chat(service: ChatService, model: ScriptedModel) -> Chat:
    """A new session of a new user."""
    user, session = await service.start_session()
    return Chat(service, model, user, session.id)
