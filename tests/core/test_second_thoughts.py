"""A reply is tried again, a message corrected or taken back, an opinion noted."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from chat_core import TurnEnd
from chat_core.errors import (
    InvalidInput,
    MessageNotFound,
    ModelUnreachable,
    SessionBusy,
    SessionChanged,
    TurnNotFound,
)
from chat_core.storage import Change, keys
from tests.scripted_model import Call

from .conftest import Chat, OpenService


async def regenerate(chat: Chat, reply: str) -> list[tuple[str, str]]:
    """Another reply to the latest message; what the model was shown."""
    turn_id = await chat.service.regenerate(chat.user, chat.id)
    call = await chat.model.next_call()
    call.say(reply)
    call.end()
    assert (await chat.read(turn_id))[0] == reply
    return call.shown


async def select_version(chat: Chat, number: int) -> None:
    asked = (await chat.history())[-2]
    await chat.service.select_version(chat.user, chat.id, asked.id, number)


async def test_another_reply_takes_the_place_of_the_first_which_is_kept(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    shown = await regenerate(chat, "Two.")
    assert shown[1:] == [("user", "One?"), ("assistant", "1."), ("user", "Two?")]
    assert await chat.contents() == ["One?", "1.", "Two?", "Two."]
    assert [version.content for version in (await chat.history())[2].versions] == ["2."]


async def test_every_version_can_be_shown_again_and_is_what_the_model_sees(chat: Chat) -> None:
    await chat.say("Why?", "First.")
    for reply in ("Second.", "Third."):
        await regenerate(chat, reply)
    for number, reply in ((1, "First."), (3, "Third."), (2, "Second."), (2, "Second.")):
        await select_version(chat, number)
        assert await chat.contents() == ["Why?", reply]
        assert len((await chat.history())[0].versions) == 2
    call = await chat.say("And?", "Then.")
    assert call.shown[1:3] == [("user", "Why?"), ("assistant", "Second.")]


async def test_a_version_that_is_not_there_changes_nothing(chat: Chat) -> None:
    await chat.say("Why?", "So.")
    before = await chat.history()
    for number in (0, 2):
        with pytest.raises(MessageNotFound):
            await select_version(chat, number)
    with pytest.raises(MessageNotFound):
        await chat.service.select_version(chat.user, chat.id, "nothing", 1)
    assert await chat.history() == before


async def test_a_second_try_that_brings_nothing_leaves_the_reply_as_it_was(chat: Chat) -> None:
    await chat.say("Why?", "First.")
    await regenerate(chat, "Second.")
    turn_id = await chat.service.regenerate(chat.user, chat.id)
    (await chat.model.next_call()).fail(ModelUnreachable())
    assert (await chat.read(turn_id))[1].status == "failed"
    assert await chat.contents() == ["Why?", "Second."]
    assert [version.content for version in (await chat.history())[0].versions] == ["First."]
    assert (await chat.read(turn_id))[1].error is not None
    await regenerate(chat, "Third.")
    assert [version.content for version in (await chat.history())[0].versions] == ["First.", "Second."]


async def test_a_process_that_dies_at_the_second_try_leaves_the_reply_as_it_was(
    chat: Chat, open_service: OpenService, redis: Redis
) -> None:
    await chat.say("Why?", "First.")
    await chat.service.regenerate(chat.user, chat.id)
    call = await chat.model.next_call()
    chat.service._writer.turns.clear()  # from now on there is no sign of life
    await redis.delete(keys.lease(chat.user, chat.id))
    later = chat.through(await open_service())
    assert await later.contents() == ["Why?", "First."]
    call.end()


async def test_trying_again_while_a_reply_runs_is_refused(chat: Chat) -> None:
    _, call = await chat.ask("Why?")
    with pytest.raises(SessionBusy):
        await chat.service.regenerate(chat.user, chat.id)
    call.say("So.")
    call.end()
    await chat.read()
    assert await chat.contents() == ["Why?", "So."]


async def test_a_failed_reply_is_tried_again_without_asking_twice(chat: Chat) -> None:
    turn_id, call = await chat.ask("Why?")
    call.fail(RuntimeError())
    await chat.read(turn_id)
    shown = await regenerate(chat, "So.")
    assert shown[1:] == [("user", "Why?")]
    assert await chat.contents() == ["Why?", "So."]


async def test_a_corrected_message_replaces_itself_and_all_that_followed(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    first = (await chat.history())[0]
    call = await chat.say("Uno?", "Uno.", replaces=first.id)
    assert call.shown[1:] == [("user", "Uno?")]
    assert await chat.contents() == ["Uno?", "Uno."]


async def test_a_correction_of_a_message_that_is_gone_stores_nothing(chat: Chat) -> None:
    await chat.say("One?", "1.")
    with pytest.raises(MessageNotFound):
        await chat.service.start_turn(chat.user, chat.id, "Uno?", replaces="gone")
    assert await chat.contents() == ["One?", "1."]
    await chat.say("Two?", "2.")


async def test_undo_gives_the_text_back(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    assert (await chat.service.undo(chat.user, chat.id)).message == "Two?"
    assert await chat.contents() == ["One?", "1."]
    assert (await chat.service.undo(chat.user, chat.id)).message == "One?"
    assert await chat.contents() == []
    with pytest.raises(TurnNotFound):
        await chat.service.undo(chat.user, chat.id)


async def test_undo_stops_a_running_reply_first(chat: Chat) -> None:
    _, call = await chat.ask("Why?")
    call.say("Well, ")
    await chat.read_until("Well, ")
    assert (await chat.service.undo(chat.user, chat.id)).message == "Why?"
    assert call.closed.is_set()
    assert await chat.contents() == []


async def test_an_opinion_is_kept_with_the_reply_and_can_be_taken_back(chat: Chat) -> None:
    await chat.say("Why?", "So.")
    asked, reply = await chat.history()
    for feedback in ("like", "dislike", ""):
        await chat.service.rate(chat.user, chat.id, reply.id, feedback)
        assert (await chat.history())[1] == reply.model_copy(update={"feedback": feedback})
    with pytest.raises(InvalidInput):
        await chat.service.rate(chat.user, chat.id, reply.id, "love")
    with pytest.raises(MessageNotFound):
        await chat.service.rate(chat.user, chat.id, asked.id, "like")


# What was decided before something else was said

Decision = Callable[[Chat], Awaitable[object]]


async def edit(chat: Chat, **seen: str) -> object:
    return await chat.service.start_turn(
        chat.user, chat.id, "Uno?", replaces=(await chat.history())[0].id, **seen
    )


DECISIONS: dict[str, Callable[..., Awaitable[object]]] = {
    "undo": lambda chat, **seen: chat.service.undo(chat.user, chat.id, **seen),
    "regenerate": lambda chat, **seen: chat.service.regenerate(chat.user, chat.id, **seen),
    "edit": edit,
    "clear": lambda chat, **seen: chat.service.clear(chat.user, chat.id, **seen),
    "delete": lambda chat, **seen: chat.service.delete(chat.user, chat.id, **seen),
}
each_decision = pytest.mark.parametrize("decide", DECISIONS.values(), ids=DECISIONS)


def before_the_next_change(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, something: Callable[[], Awaitable[object]]
) -> None:
    """Lets `something` else happen between what the next change reads and what it writes."""
    commit = chat.service._store.commit

    async def late(change: Change) -> list[object] | None:
        monkeypatch.setattr(chat.service._store, "commit", commit)
        await something()
        return await commit(change)

    monkeypatch.setattr(chat.service._store, "commit", late)


@each_decision
async def test_what_another_process_answered_meanwhile_stays(
    chat: Chat, open_service: OpenService, monkeypatch: pytest.MonkeyPatch, decide: Decision
) -> None:
    other = chat.through(await open_service())
    await chat.say("One?", "1.")
    before_the_next_change(chat, monkeypatch, lambda: other.say("Two?", "2."))
    with pytest.raises(SessionChanged):
        await decide(chat)
    assert await chat.contents() == ["One?", "1.", "Two?", "2."]
    assert chat.model.silent


@each_decision
async def test_what_another_process_is_asked_meanwhile_is_answered(
    chat: Chat, open_service: OpenService, monkeypatch: pytest.MonkeyPatch, decide: Decision
) -> None:
    other = chat.through(await open_service())
    await chat.say("One?", "1.")
    calls: list[Call] = []

    async def ask() -> None:
        calls.append((await other.ask("Two?"))[1])

    before_the_next_change(chat, monkeypatch, ask)
    with pytest.raises(SessionBusy):
        await decide(chat)
    [call] = calls
    call.say("2.")
    call.end()
    assert (await chat.read())[1].status == "done"
    assert await chat.contents() == ["One?", "1.", "Two?", "2."]


@each_decision
async def test_what_the_caller_has_not_seen_is_neither_stopped_nor_changed(
    chat: Chat, decide: Callable[..., Awaitable[object]]
) -> None:
    await chat.say("One?", "1.")
    seen = (await chat.service.session(chat.user, chat.id)).last_turn
    _, call = await chat.ask("Two?")
    with pytest.raises(SessionBusy):
        await decide(chat, last_turn=seen)
    call.say("2.")
    call.end()
    assert (await chat.read())[1].status == "done"
    with pytest.raises(SessionChanged):
        await decide(chat, last_turn=seen)
    assert await chat.contents() == ["One?", "1.", "Two?", "2."]
    await chat.service.undo(chat.user, chat.id)
    await decide(chat, last_turn=seen)  # for what was seen is the latest again


async def test_of_two_who_take_the_same_message_back_one_is_told(
    chat: Chat, open_service: OpenService
) -> None:
    other = await open_service()
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    seen = (await chat.service.session(chat.user, chat.id)).last_turn
    await chat.service.undo(chat.user, chat.id, last_turn=seen)
    with pytest.raises(SessionChanged):
        await other.undo(chat.user, chat.id, last_turn=seen)
    assert await chat.contents() == ["One?", "1."]


async def test_a_message_whose_reply_does_not_stop_in_time_is_taken_back_all_the_same(
    chat: Chat, open_service: OpenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_core.service.turns._STOP_SECONDS", 0.05)
    await chat.say("One?", "1.")
    _, call = await chat.ask("Two?")
    call.say("Too late")
    await chat.read_until("Too late")
    write, undone = chat.service._writer._write, asyncio.Event()

    async def write_late(flush: bool) -> None:
        await undone.wait()
        await write(flush)

    monkeypatch.setattr(chat.service._writer, "_write", write_late)
    other = await open_service()
    assert (await other.undo(chat.user, chat.id)).message == "Two?"
    undone.set()
    await call.closed.wait()
    await chat.service._writer.wait_until_saved()
    assert await chat.contents() == ["One?", "1."]
    assert not (await other.session(chat.user, chat.id)).running


async def test_an_opinion_does_not_undo_what_became_of_the_reply_meanwhile(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    await chat.say("Why?", "So")
    reply = (await chat.history())[-1]
    whole = reply.model_copy(update={"content": "So it is."})
    log = chat.service._log
    end = TurnEnd.of_message(whole)
    before_the_next_change(chat, monkeypatch, lambda: log.replace_recovered_reply(chat.user, chat.id, end))
    await chat.service.rate(chat.user, chat.id, reply.id, "like")
    assert (await chat.history())[-1] == whole.model_copy(update={"feedback": "like"})


async def test_a_version_is_chosen_among_those_that_are_there_then(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    await chat.say("Why?", "First.")
    await regenerate(chat, "Second.")
    before_the_next_change(chat, monkeypatch, lambda: select_version(chat, 1))
    await select_version(chat, 2)
    asked, reply = await chat.history()
    assert (reply.content, [version.content for version in asked.versions]) == ("Second.", ["First."])


async def test_no_version_is_chosen_under_a_running_reply(chat: Chat) -> None:
    await chat.say("Why?", "First.")
    await regenerate(chat, "Second.")
    asked = (await chat.history())[0]
    _, call = await chat.ask("And?")
    with pytest.raises(SessionBusy):
        await chat.service.select_version(chat.user, chat.id, asked.id, 1)
    call.end()
