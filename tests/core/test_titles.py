"""A conversation gets a title from the model after its first reply, unless somebody gave it one."""

import pytest

from chat_core.errors import ModelServerFailed
from tests.conftest import eventually
from tests.scripted_model import Call

from .conftest import Chat, OpenService


@pytest.fixture
async def chat(open_service: OpenService, chat: Chat) -> Chat:
    return chat.through(await open_service(title_model="small"))


async def title(chat: Chat) -> str:
    return (await chat.service.session(chat.user, chat.id)).title


async def done(chat: Chat) -> None:
    """The title is made, or is not."""

    async def nothing_runs() -> bool:
        return not chat.service._titler._running

    await eventually(nothing_runs)


async def first_turn(chat: Chat) -> Call:
    """The call for a title of it."""
    await chat.say("Wo liegt Rom?\nIch will hin.", "In Italien.")
    assert await title(chat) == "Wo liegt Rom?"
    return await chat.model.next_call()


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("Reise nach Rom", "Reise nach Rom"),
        (' **"Reise nach Rom."**\n', "Reise nach Rom"),
        ("\n「去罗马旅行」。\n\nIt is short.", "去罗马旅行"),
        ("Rom " * 40, f"{'Rom ' * 14}Rom…"),
        (" \n**\n", "Wo liegt Rom?"),
    ],
    ids=["as asked", "dressed up", "with a remark", "too long", "nothing"],
)
async def test_the_model_s_title_takes_the_place_of_the_first_line(chat: Chat, said: str, made: str) -> None:
    call = await first_turn(chat)
    assert (call.model, [role for role, _ in call.shown]) == ("small", ["system", "user"])
    assert call.shown[1][1] == "user: Wo liegt Rom?\nIch will hin.\n\nassistant: In Italien."
    call.think("Hm.")
    call.say(said)
    call.end()
    await done(chat)
    assert await title(chat) == made
    await chat.say("Und Paris?", "In Frankreich.")
    await done(chat)
    assert chat.model.silent, "it is asked once"
    assert await title(chat) == made


async def test_a_title_that_was_given_stays(chat: Chat) -> None:
    call = await first_turn(chat)
    await chat.service.rename(chat.user, chat.id, "Urlaub")
    call.say("Reise nach Rom")
    call.end()
    await done(chat)
    assert await title(chat) == "Urlaub"


async def test_a_title_that_fails_leaves_the_first_line(chat: Chat, caplog: pytest.LogCaptureFixture) -> None:
    call = await first_turn(chat)
    call.fail(ModelServerFailed())
    await done(chat)
    assert await title(chat) == "Wo liegt Rom?"
    assert "no title: ModelServerFailed" in caplog.text
    assert "Rom" not in caplog.text


async def test_a_title_makes_a_conversation_no_later(chat: Chat) -> None:
    call = await first_turn(chat)
    before = await chat.service.session(chat.user, chat.id)
    call.say("Reise nach Rom")
    call.end()
    await done(chat)
    assert (await chat.service.session(chat.user, chat.id)).updated_at == before.updated_at


async def test_a_conversation_that_is_deleted_meanwhile_stays_deleted(chat: Chat) -> None:
    call = await first_turn(chat)
    await chat.service.delete(chat.user, chat.id)
    call.say("Reise nach Rom")
    call.end()
    await done(chat)
    assert await chat.service.sessions(chat.user) == []


async def test_the_conversations_model_is_asked_where_none_is_named(
    open_service: OpenService, chat: Chat
) -> None:
    chat = chat.through(await open_service(title_model=""))
    assert (await first_turn(chat)).model == "big"


@pytest.mark.parametrize("why", ["off", "temporary", "no reply"])
async def test_no_title_is_asked_for(open_service: OpenService, chat: Chat, why: str) -> None:
    service = await open_service(title_model="off" if why == "off" else "small")
    if why == "temporary":
        service = service.temporary
        user, session = await service.start_session(chat.user)
        chat = chat._replace(user=user, id=session.id)
    chat = chat.through(service)
    if why == "no reply":
        turn_id, call = await chat.ask("Why?")
        call.fail(ModelServerFailed())
        await chat.read(turn_id)
    else:
        await chat.say("Why?", "So.")
    await done(chat)
    assert chat.model.silent
