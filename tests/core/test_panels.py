"""Several reply to one message, side by side; and one is asked once, by its name."""

import asyncio
from contextlib import aclosing
from signal import SIGKILL
from typing import Any

import pytest
from redis.asyncio import Redis

from chat_core import ChatService, Delta, TurnEnd, VoiceEnd
from chat_core.errors import (
    ChatError,
    InvalidInput,
    MessageNotFound,
    ModelServerFailed,
    RateLimited,
    SessionBusy,
    TooManyReplies,
    TooManyRepliesFromAddress,
    TooManyRepliesOfUser,
    UnknownRole,
)
from chat_core.storage import keys
from chat_core.storage.valkey import EmbeddedValkey
from tests.scripted_model import Call

from .conftest import Chat, OpenService
from .test_processes import talking

ROLES = ["teacher", "assistant"]


async def ask(chat: Chat, roles: list[str] = ROLES, **choice: Any) -> tuple[str, list[Call]]:
    turn_id = await chat.service.start_panel(chat.user, chat.id, "Why?", roles, **choice)
    return turn_id, [await chat.model.next_call() for _ in roles]


async def read(chat: Chat, turn_id: str = "", after: int = 0) -> tuple[dict[int, str], TurnEnd]:
    """The text of each voice, and the end."""
    texts: dict[int, str] = {}
    async with aclosing(chat.service.follow(chat.user, chat.id, turn_id, after)) as events:
        async for event in events:
            if isinstance(event, TurnEnd):
                return texts, event
            if isinstance(event, VoiceEnd):
                continue
            texts[event.voice] = texts.get(event.voice, "") + event.text
    raise AssertionError("the turn has no end")


async def read_until_ended(chat: Chat, turn_id: str, voice: int) -> VoiceEnd:
    """The end of that voice, while others go on."""
    async with aclosing(chat.service.follow(chat.user, chat.id, turn_id)) as events:
        async for event in events:
            if isinstance(event, VoiceEnd) and event.voice == voice:
                return event
    raise AssertionError("it did not end before the turn")


async def panel(chat: Chat, *replies: str) -> TurnEnd:
    """A whole turn in which these were the replies."""
    turn_id, calls = await ask(chat)
    for call, reply in zip(calls, replies, strict=True):
        call.say(reply)
        call.end()
    return (await read(chat, turn_id))[1]


async def test_each_role_replies_in_its_own_words_side_by_side(chat: Chat, open_service: OpenService) -> None:
    await chat.say("Hello", "Hi.")
    turn_id, (teacher, assistant) = await ask(chat)
    assert teacher.shown[0] != assistant.shown[0]
    assert [call.shown[1:] for call in (teacher, assistant)] == [
        [("user", "Hello"), ("assistant", "Hi."), ("user", "Why?")]
    ] * 2
    there = asyncio.create_task(read(chat.through(await open_service()), turn_id))
    events = chat.service.follow(chat.user, chat.id, turn_id)
    teacher.say("Because")
    assert await anext(events) == Delta("text", "Because", 7, 0)
    assistant.say("So")
    assert await anext(events) == Delta("text", "So", 9, 1)
    teacher.say(".")
    assert await anext(events) == Delta("text", ".", 10, 0)
    teacher.end()
    assistant.say(".")
    assert await anext(events) == Delta("text", ".", 11, 1)
    ended = await anext(events)
    assert isinstance(ended, VoiceEnd)
    assert (ended.voice, ended.end, ended.ended.status) == (0, 12, "done")
    assistant.end()
    end = await anext(events)
    assert isinstance(end, TurnEnd)
    assert ended.ended.message
    assert end.voices[0].message == ended.ended.message
    assert await there == ({0: "Because.", 1: "So."}, end)
    assert (await read(chat, turn_id, 8))[0] == {0: ".", 1: "o."}
    assert [one.message and (one.message.role_key, one.message.content) for one in end.voices] == [
        ("teacher", "Because."),
        ("assistant", "So."),
    ]
    *_, asked, reply = await chat.history()
    assert (reply, asked.versions) == (end.message, (end.voices[1].message,))
    assert [voice.role for voice in asked.voices] == ROLES
    assert [voice.turn_id for voice in asked.voices] == [turn_id, asked.versions[0].turn_id]
    assert (await chat.service.session(chat.user, chat.id)).role == "assistant"


async def test_one_of_them_becomes_the_reply_and_the_others_its_versions(chat: Chat) -> None:
    end = await panel(chat, "Because.", "So.")
    asked, first = await chat.history()
    second = asked.versions[0]
    await chat.service.choose_reply(chat.user, chat.id, second.turn_id)
    asked, reply = await chat.history()
    assert (reply, asked.versions, asked.voices) == (second, (first,), ())
    await chat.service.select_version(chat.user, chat.id, asked.id, 1)
    assert (await chat.history())[-1] == end.message
    call = await chat.say("And now?", "Now.")
    assert ("assistant", "Because.") in call.shown
    with pytest.raises(MessageNotFound):
        await chat.service.choose_reply(chat.user, chat.id, "t9")


async def test_all_of_them_are_asked_again_until_one_is_chosen(chat: Chat) -> None:
    async def try_again() -> str:
        return await chat.service.regenerate(chat.user, chat.id, all_voices=True)

    await panel(chat, "Because.", "So.")
    turn_id = await try_again()
    calls = [await chat.model.next_call() for _ in ROLES]
    assert [call.shown[1:] for call in calls] == [[("user", "Why?")]] * 2
    assert calls[0].shown[0] != calls[1].shown[0]
    for call, text in zip(calls, ("Hence.", "Thus."), strict=True):
        call.say(text)
        call.end()
    end = (await read(chat, turn_id))[1]
    asked, reply = await chat.history()
    assert (reply.content, [voice.role for voice in asked.voices]) == ("Hence.", ROLES)
    assert [version.content for version in asked.versions] == ["So.", "Because.", "Thus."]
    assert end.voices[1].message
    await chat.service.choose_reply(chat.user, chat.id, end.voices[1].message.turn_id)
    turn_id = await try_again()
    call = await chat.model.next_call()
    call.say("Once more.")
    call.end()
    assert (await read(chat, turn_id))[0] == {0: "Once more."}


async def test_one_that_has_ended_is_chosen_while_the_others_go_on(
    chat: Chat, open_service: OpenService
) -> None:
    elsewhere = chat.through(await open_service())
    turn_id, (teacher, assistant) = await ask(chat)
    teacher.say("Be")
    assistant.say("So.")
    assistant.end()
    ended = await read_until_ended(elsewhere, turn_id, 1)
    assert ended.ended.message
    await elsewhere.service.choose_reply(chat.user, chat.id, ended.ended.message.turn_id)
    await teacher.closed.wait()
    asked, reply = await chat.history()
    assert (reply.content, reply.status, asked.voices) == ("So.", "done", ())
    assert [(version.content, version.status) for version in asked.versions] == [("Be", "stopped")]
    await chat.say("And now?", "Now.")


async def test_one_that_has_failed_is_not_chosen_and_the_others_go_on(chat: Chat) -> None:
    turn_id, (teacher, assistant) = await ask(chat)
    teacher.fail(ModelServerFailed("down"))
    assert (await read_until_ended(chat, turn_id, 0)).ended.error
    with pytest.raises(SessionBusy):
        await chat.service.choose_reply(chat.user, chat.id, turn_id)
    assistant.say("So.")
    assistant.end()
    assert (await read(chat, turn_id))[1].status == "done"


async def test_who_has_ended_before_the_process_died_has_a_whole_reply(
    chat: Chat, open_service: OpenService, redis: Redis
) -> None:
    elsewhere = chat.through(await open_service())
    turn_id, (teacher, assistant) = await ask(chat)
    assistant.say("So")
    await elsewhere.read_until("So", turn_id)
    teacher.say("Because.")
    teacher.end()
    await read_until_ended(elsewhere, turn_id, 0)
    chat.service._log.live.clear()  # as if its process were gone
    await redis.delete(keys.lease(chat.user, chat.id))
    _, end = await read(elsewhere, turn_id)
    assert [(one.status, one.message and one.message.content) for one in end.voices] == [
        ("done", "Because."),
        ("interrupted", "So"),
    ]
    asked, reply = await elsewhere.history()
    assert [(one.content, one.status) for one in (reply, *asked.versions)] == [
        ("Because.", "done"),
        ("So", "interrupted"),
    ]


async def test_models_can_be_asked_as_roles_can(chat: Chat, open_service: OpenService) -> None:
    chat = chat.through(await open_service(openai_models="small"))
    _, calls = await ask(chat, ["small", "big", "teacher"])
    assert [call.model for call in calls] == ["small", "big", "big"]
    assert [call.shown[0] == calls[0].shown[0] for call in calls] == [True, True, False]
    for call in calls:
        call.say("So.")
        call.end()
    (_, end) = await read(chat)
    assert [(one.message.role_key, one.message.model) for one in end.voices if one.message] == [
        ("assistant", "small"),
        ("assistant", "big"),
        ("teacher", "big"),
    ]


async def test_a_stop_keeps_what_there_is_of_each(chat: Chat) -> None:
    turn_id, (teacher, assistant) = await ask(chat)
    assistant.say("So")
    await chat.read_until("So", turn_id)
    teacher.say("Because.")
    teacher.end()
    await read_until_ended(chat, turn_id, 0)
    running = (await chat.history())[-1].voices[1].turn_id
    with pytest.raises(SessionBusy):
        await chat.service.choose_reply(chat.user, chat.id, running)
    assert await chat.service.stop(chat.user, chat.id) == (True, turn_id, len("Because.So"))
    asked, reply = await chat.history()
    assert (reply.content, reply.status) == ("Because.", "done")
    assert [(version.content, version.status) for version in asked.versions] == [("So", "stopped")]


async def test_who_fails_says_why_and_the_others_reply(chat: Chat) -> None:
    turn_id, (teacher, assistant) = await ask(chat)
    teacher.fail(ModelServerFailed("down"))
    assistant.say("So.")
    assistant.end()
    _, end = await read(chat, turn_id)
    assert (end.status, end.error) == ("done", None)
    asked, reply = await chat.history()
    assert (reply.content, asked.versions) == ("So.", ())
    assert [(voice.status, voice.error and voice.error.code) for voice in asked.voices] == [
        ("failed", "model_server_failed"),
        ("done", None),
    ]


async def test_where_all_fail_the_message_says_why_it_has_no_reply(chat: Chat) -> None:
    turn_id, calls = await ask(chat)
    for call in calls:
        call.fail(ModelServerFailed("down"))
    _, end = await read(chat, turn_id)
    assert end.error
    (asked,) = await chat.history()
    assert (end.status, asked.status, asked.error) == ("failed", "failed", end.error)
    await chat.say("And now?", "Now.")


async def test_the_log_gone_the_replies_are_read_from_what_is_stored(chat: Chat, redis: Redis) -> None:
    end = await panel(chat, "Because.", "So.")
    assert end.message
    assert await redis.delete(keys.log(chat.user, end.message.turn_id))
    texts, again = await read(chat)
    assert texts == {0: "Because.", 1: "So."}
    assert [one.message for one in again.voices] == [one.message for one in end.voices]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"rate_limit": "2/minute"}, RateLimited),
        ({"max_replies_per_user": 2}, TooManyRepliesOfUser),
        ({"max_replies_per_address": 2}, TooManyRepliesFromAddress),
        ({"max_concurrent_replies": 2}, TooManyReplies),
    ],
    ids=["messages", "of a user", "from an address", "in all"],
)
async def test_each_of_them_counts(
    chat: Chat, open_service: OpenService, settings: dict[str, Any], error: type[ChatError]
) -> None:
    service = await open_service(**settings)
    with pytest.raises(error):
        await service.start_panel(chat.user, chat.id, "Why?", [*ROLES, "chef"], address="10.0.0.1")
    assert await chat.contents() == []


@pytest.mark.parametrize(
    "roles",
    [[], ["teacher"], ["teacher", "teacher"], ["teacher", 7], "teacher", ["teacher", "nobody"], [*"abcde"]],
    ids=["none", "one", "twice", "a number", "a text", "unknown", "five"],
)
async def test_a_panel_is_of_two_to_four(chat: Chat, roles: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        await chat.service.start_panel(chat.user, chat.id, "Why?", roles)
    assert isinstance(refused.value, UnknownRole) == ("nobody" in roles)
    assert await chat.contents() == []


@pytest.mark.parametrize("connect", ["valkey"], indirect=True)
async def test_a_killed_process_leaves_what_there_was_of_each(
    chat: Chat, service: ChatService, valkey: EmbeddedValkey
) -> None:
    async with talking(valkey, chat, *ROLES) as process:
        assert process.stdout is not None
        turn_id = (await process.stdout.readline()).decode().strip()
        seen: dict[int, str] = {}
        async with aclosing(service.follow(chat.user, chat.id, turn_id)) as events:
            async for event in events:
                assert isinstance(event, Delta)
                seen[event.voice] = seen.get(event.voice, "") + event.text
                if event.end > 500 and len(seen) == len(ROLES):
                    break
        process.send_signal(SIGKILL)
        texts, end = await read(chat, turn_id)
    assert end.status == "interrupted"
    assert all(texts[voice].startswith(text) for voice, text in seen.items())
    asked, reply = await chat.history()
    replies = [reply, *asked.versions]
    assert [(one.role_key, one.content) for one in replies] == list(zip(ROLES, texts.values(), strict=True))
    assert {one.status for one in replies} == {"interrupted"}
    await service.choose_reply(chat.user, chat.id, asked.versions[0].turn_id)
    call = await chat.say("And now?", "Now it goes on.")
    assert ("assistant", texts[1]) in call.shown


# Asked once, by name


@pytest.mark.parametrize("name", ["@teacher", "@老师", "@Teacher,", "@Sea dog"])
async def test_the_one_that_a_message_names_replies_once(chat: Chat, name: str) -> None:
    pirate = await chat.service.save_role(chat.user, {"name": "Sea dog", "prompt": "Arr."})
    turn_id, call = await chat.ask(f"{name} why?")
    expected = pirate.key if name == "@Sea dog" else "teacher"
    role = (await chat.service.roles_for(chat.user))[expected]
    assert call.shown == [("system", role.prompt), ("user", f"{name} why?")]
    call.say("So.")
    call.end()
    _, end = await chat.read(turn_id)
    assert end.message
    assert (end.message.role_key, end.voices) == (expected, ())
    assert (await chat.service.session(chat.user, chat.id)).role == "assistant"
    assert ("system", role.prompt) not in (await chat.say("And you?", "I?")).shown


@pytest.mark.parametrize("message", ["@", "@nobody why?", "Why, @teacher ?", "@teachers why?", "@teacher"])
async def test_what_only_looks_like_a_name_is_text(chat: Chat, message: str) -> None:
    _, call = await chat.ask(message)
    assert call.shown[0] == ("system", chat.service.roles["assistant"].prompt)


@pytest.mark.parametrize("connect", ["valkey"], indirect=True)
async def test_a_reply_that_was_cut_keeps_the_face_of_who_was_named(
    chat: Chat, open_service: OpenService, redis: Redis
) -> None:
    turn_id, call = await chat.ask("@teacher why?")
    call.say("Be")
    await chat.through(await open_service()).read_until("Be", turn_id)
    chat.service._log.live.clear()  # as if its process were gone
    await redis.delete(keys.lease(chat.user, chat.id))
    _, end = await chat.through(await open_service()).read(turn_id)
    assert end.message
    assert (end.message.role_key, end.message.content) == ("teacher", "Be")
