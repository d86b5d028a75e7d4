"""A reply that was cut off goes on, in the same message."""

import pytest

from chat_core import ChatMessage, ChatService, Usage
from chat_core.errors import (
    ModelFiltered,
    ModelOutOfLength,
    ModelStalled,
    NothingToContinue,
    SessionBusy,
    SessionChanged,
)
from chat_core.models import Finish

from .conftest import Chat, OpenService


async def stopped(chat: Chat, said: str) -> str:
    """A reply that is stopped once it has said this; its turn's id."""
    turn_id, call = await chat.ask("Count!")
    call.think("Hm.")
    call.say(said)
    await chat.read_until(said, turn_id)
    assert (await chat.service.stop(chat.user, chat.id)).stopped
    return turn_id


async def test_a_stopped_reply_goes_on_in_the_same_message(chat: Chat) -> None:
    turn_id = await stopped(chat, "one two ")
    before = (await chat.history())[-1]
    await chat.service.rate(chat.user, chat.id, before.id, "like")
    continued = await chat.service.continue_reply(chat.user, chat.id)
    assert continued.turn_id != turn_id
    assert continued.position == len("Hm.one two ")
    assert (await chat.history())[-1].content == "one two ", "it is there meanwhile"
    call = await chat.model.next_call()
    assert [role for role, _ in call.shown] == ["system", "user", "assistant", "user"]
    assert call.shown[2] == ("assistant", "one two ")
    assert "<<<one two >>>" in call.shown[3][1]
    call.count(Usage(completion_tokens=2))
    call.say("three ")
    call.say("four")
    seen = await chat.read_until("four", continued.turn_id)
    assert seen.end == len("Hm.one two three four")
    call.end()
    rest, end = await chat.read(after=continued.position)
    assert (rest, end.status) == ("three four", "done")
    assert (await chat.read())[0] == "one two three four"
    (_, reply) = await chat.history()
    assert reply == end.message
    assert (reply.id, reply.feedback, reply.timestamp) == (before.id, "like", before.timestamp)
    assert (reply.content, reply.reasoning, reply.status) == ("one two three four", "Hm.", "done")
    assert reply.context is not None
    assert (reply.context.sent, reply.context.dropped) == (2, 0), "the request is no message"
    assert (await chat.service.session(chat.user, chat.id)).last_line == "one two three four"
    with pytest.raises(NothingToContinue):
        await chat.service.continue_reply(chat.user, chat.id)
    assert (await chat.say("More!", "five")).shown[1:] == [
        ("user", "Count!"),
        ("assistant", "one two three four"),
        ("user", "More!"),
    ]


async def test_it_is_stopped_and_continued_as_often_as_wanted(chat: Chat, open_service: OpenService) -> None:
    await stopped(chat, "one ")
    elsewhere = chat.through(await open_service())
    for word in ("two ", "three "):
        continued = await chat.service.continue_reply(chat.user, chat.id)
        call = await chat.model.next_call()
        with pytest.raises(SessionBusy):
            await elsewhere.service.continue_reply(chat.user, chat.id)
        call.say(word)
        await elsewhere.read_until(word, continued.turn_id)
        assert (await elsewhere.service.stop(chat.user, chat.id)).stopped
    assert await chat.contents() == ["Count!", "one two three "]
    assert (await chat.history())[-1].status == "stopped"


async def test_what_the_model_says_again_is_left_out(chat: Chat) -> None:
    await stopped(chat, "The quick brown fo")
    continued = await chat.service.continue_reply(chat.user, chat.id)
    call = await chat.model.next_call()
    call.say("quick ", "brown ", "fox ", "jumps.")
    call.end()
    assert (await chat.read(after=continued.position))[0] == "x jumps."
    assert (await chat.history())[-1].content == "The quick brown fox jumps."


async def test_a_reply_that_had_nothing_more_to_say_is_whole(chat: Chat) -> None:
    await stopped(chat, "That is all.")
    await chat.service.continue_reply(chat.user, chat.id)
    call = await chat.model.next_call()
    call.say("That is all.")
    call.end()
    assert (await chat.read())[1].status == "done"
    assert await chat.contents() == ["Count!", "That is all."]


async def test_a_reply_cut_by_its_length_says_so_and_goes_on(chat: Chat) -> None:
    turn_id, call = await chat.ask("Count!", model="big")
    call.say("one ")
    call.count(Usage(prompt_tokens=5, completion_tokens=1, total_tokens=6))
    call.script(Finish("length"))
    call.end()
    _, end = await chat.read(turn_id)
    assert end.message is not None
    assert (end.status, end.message.finish_reason) == ("done", "length")
    await chat.service.continue_reply(chat.user, chat.id)
    call = await chat.model.next_call()
    call.say("two")
    call.count(Usage(prompt_tokens=9, completion_tokens=1, total_tokens=10))
    call.end()
    _, end = await chat.read()
    assert end.message is not None
    assert (end.message.content, end.message.finish_reason) == ("one two", "")
    assert end.message.usage == Usage(prompt_tokens=14, completion_tokens=2, total_tokens=16)


async def test_a_reply_that_the_filter_ended_says_so_and_is_not_continued(chat: Chat) -> None:
    turn_id, call = await chat.ask()
    call.say("Well,")
    call.script(Finish("content_filter"))
    call.end()
    _, end = await chat.read(turn_id)
    assert end.message is not None
    assert end.message.finish_reason == "content_filter"
    with pytest.raises(NothingToContinue):
        await chat.service.continue_reply(chat.user, chat.id)


@pytest.mark.parametrize(
    ("reason", "error"),
    [("length", ModelOutOfLength), ("content_filter", ModelFiltered)],
    ids=["length", "filter"],
)
async def test_a_reply_cut_before_its_first_word_says_why(
    chat: Chat, reason: str, error: type[Exception]
) -> None:
    turn_id, call = await chat.ask()
    call.think("Hm.")
    call.script(Finish(reason))  # type: ignore[arg-type]
    call.end()
    _, end = await chat.read(turn_id)
    assert end.error is not None
    assert end.error.code == error.code  # type: ignore[attr-defined]


async def test_a_failure_keeps_what_there_is_to_be_continued(chat: Chat) -> None:
    await stopped(chat, "one ")
    await chat.service.continue_reply(chat.user, chat.id)
    call = await chat.model.next_call()
    call.say("two ")
    call.fail(ModelStalled())
    _, end = await chat.read()
    assert (end.status, end.message and end.message.content) == ("failed", "one two ")
    await chat.service.continue_reply(chat.user, chat.id)
    call = await chat.model.next_call()
    call.say("three")
    call.end()
    await chat.read()
    reply = (await chat.history())[-1]
    assert (reply.content, reply.status, reply.error) == ("one two three", "done", None)


async def test_nothing_is_continued_where_nothing_was_cut(chat: Chat) -> None:
    with pytest.raises(NothingToContinue):
        await chat.service.continue_reply(chat.user, chat.id)
    await chat.say("Why?", "So.")
    with pytest.raises(NothingToContinue):
        await chat.service.continue_reply(chat.user, chat.id)
    await chat.ask("And?")
    with pytest.raises(SessionBusy):
        await chat.service.continue_reply(chat.user, chat.id)
    await chat.service.stop(chat.user, chat.id)
    with pytest.raises(NothingToContinue):
        await chat.service.continue_reply(chat.user, chat.id)
    assert await chat.contents() == ["Why?", "So.", "And?"]


async def test_only_the_reply_that_was_seen_is_continued(chat: Chat) -> None:
    turn_id = await stopped(chat, "one ")
    await chat.service.continue_reply(chat.user, chat.id, last_turn=turn_id)
    await chat.model.next_call()
    await chat.service.stop(chat.user, chat.id)
    with pytest.raises(SessionChanged):
        await chat.service.continue_reply(chat.user, chat.id, last_turn=turn_id)


async def test_a_reply_too_long_for_the_context_is_shown_its_end(
    chat: Chat, open_service: OpenService
) -> None:
    chat = chat.through(await open_service(context_tokens=1000))
    await stopped(chat, " ".join(f"w{number}" for number in range(2000)) + " ")
    await chat.service.continue_reply(chat.user, chat.id)
    call = await chat.model.next_call()
    shown = call.shown[-2]
    assert shown[0] == "assistant"
    assert len(shown[1]) == 500
    assert shown[1].endswith("w1999 ")
    await chat.service.stop(chat.user, chat.id)


async def test_a_continued_reply_in_a_temporary_chat(service: ChatService, chat: Chat) -> None:
    user, session = await service.temporary.start_session(chat.user)
    chat = Chat(service.temporary, chat.model, user, session.id)
    await stopped(chat, "one ")
    await chat.service.continue_reply(chat.user, chat.id)
    call = await chat.model.next_call()
    call.say("two")
    call.end()
    assert (await chat.read())[0] == "one two"
    reply: ChatMessage = (await chat.history())[-1]
    assert reply.content == "one two"
