"""What has fallen out of the context is not forgotten."""

from typing import Any

import pytest
from redis.asyncio import Redis

from chat_core import ChatService, Summary
from chat_core.errors import InvalidInput, ModelServerFailed
from chat_core.storage import SessionState
from tests.conftest import eventually
from tests.scripted_model import Call

from .conftest import Chat, OpenService


@pytest.fixture
async def chat(open_service: OpenService, chat: Chat) -> Chat:
    """A conversation of which the latest four messages are sent."""
    return chat.through(await open_service(memory="on", memory_model="small", context_messages=4))


async def remember(chat: Chat, call: Call, text: str) -> Summary:
    """The model makes this summary."""
    assert (call.model, call.sampling.max_tokens) == ("small", 500)
    call.think("I guess.")
    call.say(text)
    call.end()

    async def stored() -> bool:
        return (await chat.service.summary(chat.user, chat.id)).text == text

    await eventually(stored)
    return await chat.service.summary(chat.user, chat.id)


async def summarizing(chat: Chat) -> None:
    """Waits until it is known whether a summary is to be made: then the model is asked."""

    async def known() -> bool:
        return not chat.service._summarizer._running or not chat.model.silent

    await eventually(known)


async def fill(chat: Chat) -> Call:
    """As many turns as it takes until something falls out: the call for a summary of it."""
    for number in range(3):
        await chat.say(f"{number}?", f"{number}.")
    return await chat.model.next_call()


async def test_a_name_said_in_the_first_turn_is_in_the_request_of_the_fortieth(
    open_service: OpenService, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = chat.through(await open_service(memory="on"))
    made, read = 0, []
    store = chat.service._summarizer._store
    read_session = store.read

    async def counted(user_id: str, session_id: str, limit: int = 0) -> SessionState:
        state = await read_session(user_id, session_id, limit)
        read.append(len(state.rows))
        return state

    monkeypatch.setattr(store, "read", counted)
    await chat.say("My name is Ada.", "Hello Ada.")
    for number in range(2, 40):
        await chat.say(f"{number}?", f"{number}.")
        await summarizing(chat)
        while not chat.model.silent:
            call = await chat.model.next_call()
            if made == 0:
                assert "My name is Ada." in call.shown[1][1]
            else:
                assert "The user is Ada" in call.shown[1][1]
            made += 1
            call.say(f"The user is Ada ({made}).")
            call.end()

            async def stored(text: str = f"The user is Ada ({made}).") -> bool:
                return (await chat.service.summary(chat.user, chat.id)).text == text

            await eventually(stored)
    call = await chat.say("Who am I?", "Ada.")
    system, *said = call.shown
    assert system[0] == "system"
    assert "helpful, honest assistant" in system[1]
    assert f"The user is Ada ({made})." in system[1]
    assert [text for _, text in said] == [
        text for number in range(35, 40) for text in (f"{number}?", f"{number}.")
    ] + ["Who am I?"]
    receipt = (await chat.history())[-1].context
    assert receipt is not None
    assert (receipt.sent, receipt.dropped, receipt.summary) == (11, 68, True)
    assert 8 <= made <= 20, "it is made in steps"
    assert max(read) <= 24, "a step reads what is near, however long the conversation is"


async def test_a_summary_is_made_of_what_falls_out_and_never_of_reasoning(chat: Chat) -> None:
    turn_id, call = await chat.ask("0?")
    call.think("A secret thought.")
    call.say("0.")
    call.end()
    await chat.read(turn_id)
    await chat.say("1?", "1.")
    await summarizing(chat)
    assert chat.model.silent, "nothing has fallen out yet"
    await chat.say("2?", "2.")
    call = await chat.model.next_call()
    assert call.shown[1][1] == "What was said next:\n\n" + "\n\n".join(
        ["user: 0?", "assistant: 0.", "user: 1?", "assistant: 1."]
    )
    summary = await remember(chat, call, "Counting.")
    assert (summary.messages, summary.edited, summary.failed) == (4, False, False)
    assert summary.through == (await chat.history())[3].id
    call = await chat.say("3?", "3.")
    assert call.shown[0][1].endswith("\nCounting.")
    assert [text for _, text in call.shown[1:]] == ["1?", "1.", "2?", "2.", "3?"]
    await summarizing(chat)
    assert chat.model.silent, "the summary has what falls out next"


async def test_a_turn_does_not_wait_for_a_summary_nor_does_it_take_a_place(
    open_service: OpenService, chat: Chat
) -> None:
    chat = chat.through(await open_service(memory="on", context_messages=4, max_replies_per_user=1))
    await fill(chat)
    call = await chat.say("3?", "3.")
    assert call.shown[1][1] == "1?"
    assert (await chat.history())[-1].context.summary is False  # type: ignore[union-attr]


async def test_a_summary_that_fails_is_told_and_tried_again(chat: Chat) -> None:
    call = await fill(chat)
    call.fail(ModelServerFailed())

    async def failed() -> bool:
        return (await chat.service.summary(chat.user, chat.id)).failed

    await eventually(failed)
    call = await chat.say("3?", "3.")
    assert "summary" not in call.shown[0][1]
    assert (await chat.history())[-1].context.dropped == 2  # type: ignore[union-attr]
    call = await chat.model.next_call()
    assert "user: 0?" in call.shown[1][1]
    assert not (await remember(chat, call, "Counting.")).failed


@pytest.mark.parametrize("change", ["edit", "undo"])
async def test_a_summary_is_void_once_what_it_covers_is_changed(chat: Chat, change: str) -> None:
    await remember(chat, await fill(chat), "Counting.")
    history = await chat.history()
    if change == "edit":
        await chat.ask("One?", replaces=history[2].id)
    else:
        for _ in range(2):
            await chat.service.undo(chat.user, chat.id)
    assert await chat.service.summary(chat.user, chat.id) == Summary()


async def test_a_change_after_what_it_covers_leaves_a_summary(chat: Chat) -> None:
    summary = await remember(chat, await fill(chat), "Counting.")
    asked = (await chat.history())[4]
    _, call = await chat.ask("Two?", replaces=asked.id)
    assert call.shown[0][1].endswith("\nCounting.")
    assert await chat.service.summary(chat.user, chat.id) == summary


async def test_a_summary_of_what_was_changed_meanwhile_is_not_stored(chat: Chat) -> None:
    call = await fill(chat)
    history = await chat.history()
    await chat.ask("Nothing?", replaces=history[0].id)
    call.say("Counting.")
    call.end()
    await call.closed.wait()

    async def ended() -> bool:
        return not chat.service._summarizer._running

    await chat.service.stop(chat.user, chat.id)
    await eventually(ended)
    assert await chat.service.summary(chat.user, chat.id) == Summary()


@pytest.mark.parametrize("renamed", [False, True])
async def test_what_a_summary_is_made_of_is_read_again_only_if_something_changed(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    call = await fill(chat)
    store, reads = chat.service._store, 0
    read = store.read

    async def counted(*arguments: Any) -> SessionState:
        nonlocal reads
        reads += 1
        return await read(*arguments)

    if renamed:
        await chat.service.rename(chat.user, chat.id, "Numbers")
    monkeypatch.setattr(store, "read", counted)
    assert (await remember(chat, call, "Counting.")).messages == 4
    assert reads == renamed


async def test_a_user_writes_the_summary_and_the_model_goes_on_from_it(chat: Chat) -> None:
    await remember(chat, await fill(chat), "Counting.")
    saved = await chat.service.save_summary(chat.user, chat.id, " We count for Ada. ")
    assert (saved.text, saved.edited, saved.messages) == ("We count for Ada.", True, 4)
    call = await chat.say("3?", "3.")
    assert "We count for Ada." in call.shown[0][1]
    await chat.say("4?", "4.")
    call = await chat.model.next_call()
    assert call.shown[1][1].startswith("The summary so far:\nWe count for Ada.\n\n")
    assert not (await remember(chat, call, "Ada counts.")).edited
    assert await chat.service.save_summary(chat.user, chat.id, " ") == Summary()
    with pytest.raises(InvalidInput):
        await chat.service.save_summary(chat.user, chat.id, "x" * 4001)


@pytest.mark.parametrize("temporary", [False, True], ids=["switched off", "temporary"])
async def test_nothing_is_remembered_where_it_is_not_wanted(
    open_service: OpenService, chat: Chat, temporary: bool
) -> None:
    service: ChatService = await open_service(memory="on" if temporary else "off", context_messages=2)
    service = service.temporary if temporary else service
    user, session = await service.start_session()
    chat = chat._replace(service=service, user=user, id=session.id)
    for number in range(4):
        await chat.say(f"{number}?", f"{number}.")
    assert not service._summarizer._running
    assert chat.model.silent


async def test_a_summary_is_in_no_list_and_goes_with_its_conversation(chat: Chat, redis: Redis) -> None:
    await remember(chat, await fill(chat), "Counting.")
    (listed,) = (await chat.service.latest_sessions(chat.user)).items
    assert (listed.id, listed.summary) == (chat.id, None)
    session, stored = await chat.service.conversation(chat.user, chat.id, limit=2)
    assert session.summary == stored.summary
    assert stored.summary is not None
    await chat.service.clear(chat.user, chat.id)
    assert (await chat.service.session(chat.user, chat.id)).summary is None


async def test_leaving_the_service_does_not_wait_for_a_summary(open_service: OpenService, chat: Chat) -> None:
    call = await fill(chat)
    await chat.service.drain()
    assert call.closed.is_set()
