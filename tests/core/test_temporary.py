"""Chats that are never stored."""

import pytest

from chat_core import ChatService
from chat_core.errors import RateLimited, SessionNotFound
from tests.conftest import Connect, eventually
from tests.scripted_model import ScriptedModel

from .conftest import Chat, OpenService


@pytest.fixture
async def passing(service: ChatService, model: ScriptedModel) -> Chat:
    """A temporary session."""
    user, session = await service.temporary.start_session("u_ada")
    return Chat(service.temporary, model, user, session.id)


async def test_nothing_of_a_temporary_chat_reaches_the_store(passing: Chat, connect: Connect) -> None:
    await passing.say("One?", "1.")
    second = await passing.say("Two?", "2.")
    assert second.shown[1:] == [("user", "One?"), ("assistant", "1."), ("user", "Two?")]
    assert await passing.contents() == ["One?", "1.", "Two?", "2."]
    assert [key async for key in connect().scan_iter("*")] == []


async def test_neither_service_knows_the_others_sessions(passing: Chat, service: ChatService) -> None:
    with pytest.raises(SessionNotFound):
        await service.session("u_ada", passing.id)
    assert await service.sessions("u_ada") == []
    _, kept = await service.start_session("u_ada")
    with pytest.raises(SessionNotFound):
        await service.temporary.session("u_ada", kept.id)


async def test_it_is_forgotten_when_the_process_ends(passing: Chat, open_service: OpenService) -> None:
    await passing.say("One?", "1.")
    again = await open_service()
    with pytest.raises(SessionNotFound):
        await again.temporary.session("u_ada", passing.id)


async def test_what_has_expired_takes_no_memory(
    service: ChatService, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = service.temporary._connection.redis
    chats = [Chat(service.temporary, model, *await _started(service)) for _ in range(3)]
    for chat in chats:
        await chat.say("One?", "1.")
    for key in [key async for key in redis.scan_iter("*")]:
        await redis.pexpire(key, 1)
    held = redis.connection_pool.connection_kwargs["server"].dbs[0]._dict
    assert len(held) > 3

    async def freed() -> bool:
        await _started(service)
        return not any(chat.id in str(key) for chat in chats for key in held)

    await eventually(freed)


async def _started(service: ChatService) -> tuple[str, str]:
    user, session = await service.temporary.start_session()
    return user, session.id


async def test_the_users_own_role_and_the_rate_limit_are_the_same(
    open_service: OpenService, model: ScriptedModel
) -> None:
    service = await open_service(rate_limit="2/minute")
    await service.save_role("u_ada", {"key": "custom", "name": "Poet", "prompt": "Rhyme."})
    _, session = await service.temporary.start_session("u_ada")
    chat = Chat(service.temporary, model, "u_ada", session.id)
    assert (await chat.say("One?", "1.", role="custom")).shown[0] == ("system", "Rhyme.")
    _, kept = await service.start_session("u_ada")
    await Chat(service, model, "u_ada", kept.id).say("Two?", "2.")
    with pytest.raises(RateLimited):
        await chat.ask("Three?")


async def test_a_running_reply_ends_with_the_service(open_service: OpenService, model: ScriptedModel) -> None:
    service = await open_service()
    chat = Chat(service.temporary, model, *await _started(service))
    turn_id, call = await chat.ask()
    call.say("Half")
    await chat.read_until("Half")
    await service.drain()
    assert (await chat.read(turn_id))[1].status == "interrupted"
