"""A conversation that begins with what was said in another one."""

import pytest

from chat_core import Sampling
from chat_core.errors import MessageNotFound, RateLimited, SessionChanged
from tests.pictures import picture

from .conftest import Chat, OpenService


async def branch(chat: Chat, place: int) -> Chat:
    """A branch from the message at that place."""
    message = (await chat.history())[place]
    session = await chat.service.branch(chat.user, chat.id, message.id)
    return chat._replace(id=session.id)


@pytest.mark.parametrize("place", [0, 1, 3], ids=["question", "reply", "last"])
async def test_a_branch_has_what_was_said_up_to_its_message(chat: Chat, place: int) -> None:
    await chat.say("One?", "1.", role="teacher", sampling=Sampling(temperature=0.5))
    await chat.say("Two?", "2.")
    before = await chat.history()
    copy = await branch(chat, place)
    assert await copy.contents() == [message.content for message in before[: place + 1]]
    assert await chat.history() == before
    session = await chat.service.session(chat.user, copy.id)
    assert (session.title, session.role, session.branched_from) == ("One?", "teacher", chat.id)
    assert session.sampling.temperature == 0.5
    assert {m.id for m in await copy.history()}.isdisjoint(m.id for m in before)


async def test_a_branch_and_its_origin_go_on_apart(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    copy = await branch(chat, 1)
    call = await copy.say("Three?", "3.")
    assert [text for _, text in call.shown[1:]] == ["One?", "1.", "Three?"]
    await chat.service.delete(chat.user, chat.id)
    assert await copy.contents() == ["One?", "1.", "Three?", "3."]
    assert (await copy.read())[0] == "3."


async def test_deleting_a_branch_leaves_its_origin(chat: Chat) -> None:
    turn_id, call = await chat.ask("One?")
    call.say("1.")
    call.end()
    await chat.read(turn_id)
    await chat.service.delete(chat.user, (await branch(chat, 1)).id)
    assert (await chat.read(turn_id))[0] == "1."


async def test_a_branch_has_the_images_too(chat: Chat) -> None:
    await chat.say("Who is it?", "A cat.", images=[picture("PNG", (20, 10))])
    copy = await branch(chat, 1)
    await chat.service.delete(chat.user, chat.id)
    call = await copy.say("And now?", "Still.")
    assert len(call.images) == 1


async def test_a_branch_has_the_summary_that_holds_for_it(chat: Chat, open_service: OpenService) -> None:
    chat = chat.through(await open_service(memory="on"))
    await chat.say("One?", "1.")
    await chat.service.save_summary(chat.user, chat.id, "Ada counts.")
    call = await (await branch(chat, 1)).say("Two?", "2.")
    assert "Ada counts." in call.shown[0][1]


async def test_there_is_no_branch_from_what_is_not_there_nor_without_end(
    chat: Chat, open_service: OpenService
) -> None:
    await chat.say("One?", "1.")
    with pytest.raises(MessageNotFound):
        await chat.service.branch(chat.user, chat.id, "unknown")
    limited = chat.through(await open_service(rate_limit="1/hour"))
    await branch(limited, 1)
    with pytest.raises(RateLimited):
        await branch(limited, 1)
    assert len(await chat.service.sessions(chat.user)) == 2


async def test_an_edit_of_more_than_one_turn_keeps_what_it_replaces_as_a_branch(chat: Chat) -> None:
    await chat.say("One?", "1.", images=[picture("PNG", (20, 10))])
    await chat.say("Two?", "2.")
    first = (await chat.history())[0]
    await chat.say("Uno?", "I.", replaces=first.id)
    asked, reply = await chat.history()
    assert (asked.content, reply.content) == ("Uno?", "I.")
    kept = await chat.service.session(chat.user, asked.branch)
    assert (kept.branched_from, kept.title) == (chat.id, "One?")
    copy = chat._replace(id=kept.id)
    assert await copy.contents() == ["One?", "1.", "Two?", "2."]
    assert len((await copy.say("Three?", "3.")).images) == 1
    await chat.service.delete(chat.user, chat.id)
    assert (await copy.contents())[-1] == "3."


@pytest.mark.parametrize("why", ["one turn", "another reply", "temporary"])
async def test_nothing_is_kept_beside_where_nothing_more_is_lost(chat: Chat, why: str) -> None:
    if why == "temporary":
        user, session = await chat.service.temporary.start_session(chat.user)
        chat = chat._replace(service=chat.service.temporary, user=user, id=session.id)
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    history = await chat.history()
    replaced = history[0 if why == "temporary" else 2]
    await chat.say("Due?", "II.", replaces=replaced.id, keep_version=why == "another reply")
    assert (await chat.history())[-2].branch == ""
    assert len(await chat.service.sessions(chat.user)) == 1


async def test_an_edit_that_is_refused_leaves_no_branch(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    first = (await chat.history())[0]
    with pytest.raises(SessionChanged):
        await chat.ask("Uno?", replaces=first.id, last_turn="another")
    assert await chat.contents() == ["One?", "1.", "Two?", "2."]
    assert [session.id for session in await chat.service.sessions(chat.user)] == [chat.id]
