"""The variables of a role's prompt: each conversation has its own values for them."""

from typing import Any

import pytest

from chat_core import Role
from chat_core.errors import InvalidInput

from .conftest import Chat, OpenService

TUTOR: dict[str, Any] = {"name": "Tutor", "prompt": "Teach {{topic}} to {{level=beginners}}."}


@pytest.fixture
async def tutor(chat: Chat) -> Role:
    return await chat.service.save_role(chat.user, TUTOR)


async def begun(chat: Chat, role: Role, **variables: str) -> Chat:
    """Another conversation, with that role and these values."""
    _, session = await chat.service.start_session(chat.user, role.key, variables)
    return chat._replace(id=session.id)


async def test_values_stay_with_their_conversation(
    chat: Chat, tutor: Role, open_service: OpenService
) -> None:
    sums, chess = await begun(chat, tutor, topic="sums"), await begun(chat, tutor, topic="chess", level="Ada")
    later = await open_service()
    for _ in range(2):
        call = await sums.through(later).say("Why?", "So.")
        assert call.shown[0] == ("system", "Teach sums to beginners.")
        assert (await chess.say("Why?", "So.")).shown[0] == ("system", "Teach chess to Ada.")
    session = await later.session(chat.user, chess.id)
    assert session.variables == {"topic": "chess", "level": "Ada"}


async def test_without_values_the_prompt_has_its_own(chat: Chat, tutor: Role) -> None:
    assert (await chat.say("Why?", "So.", role=tutor.key)).shown[0] == ("system", "Teach topic to beginners.")


async def test_values_are_changed_with_a_message(chat: Chat, tutor: Role) -> None:
    sums = await begun(chat, tutor, topic="sums")
    await sums.say("Why?", "So.", variables={"topic": "chess"})
    turn_id = await sums.service.regenerate(sums.user, sums.id)
    call = await sums.model.next_call()
    assert call.shown[0] == ("system", "Teach chess to beginners.")
    call.say("So.")
    call.end()
    await sums.read(turn_id)
    assert (await sums.say("Why?", "So.", variables={})).shown[0][1] == "Teach topic to beginners."


async def test_a_reply_goes_on_and_a_branch_begins_with_the_same_values(chat: Chat, tutor: Role) -> None:
    sums = await begun(chat, tutor, topic="sums")
    turn_id, call = await sums.ask()
    call.say("Because")
    await sums.read_until("Because", turn_id)
    await sums.service.stop(sums.user, sums.id)
    await sums.service.continue_reply(sums.user, sums.id)
    call = await sums.model.next_call()
    assert call.shown[0] == ("system", "Teach sums to beginners.")
    call.say(" so.")
    call.end()
    await sums.read()
    asked = (await sums.history())[0]
    branch = await sums.service.branch(sums.user, sums.id, asked.id)
    assert branch.variables == {"topic": "sums"}


async def test_what_the_role_does_not_ask_for_is_refused_and_nothing_is_stored(
    chat: Chat, tutor: Role
) -> None:
    before = await chat.service.sessions(chat.user)
    with pytest.raises(InvalidInput, match=r"variables\.tpoic"):
        await begun(chat, tutor, tpoic="sums")
    with pytest.raises(InvalidInput, match="variables"):
        await chat.service.start_session(chat.user, tutor.key, ["topic"])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"variables\.topic"):
        await chat.ask(role=tutor.key, variables={"topic": 3})
    assert await chat.service.sessions(chat.user) == before
    assert await chat.history() == []
