"""Conversations as a person has them: begun, found again, renamed, cleared, deleted."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from chat_core import ChatService, Sampling, Settings
from chat_core.errors import InvalidInput, SessionNotFound, SessionUnreadable, TurnNotFound
from chat_core.roles import BUILT_IN
from chat_core.storage import keys
from tests.conftest import Connect
from tests.scripted_model import ScriptedModel

from .conftest import Chat, OpenService

PROMPTS = {role.key: role.prompt for role in BUILT_IN}


async def test_a_new_session_gets_an_unguessable_user_and_the_default_role(service: ChatService) -> None:
    user, session = await service.start_session()
    other, _ = await service.start_session()
    assert len(user) > 32
    assert user != other
    assert (session.role, session.messages, session.title) == ("assistant", 0, "")
    assert await service.session(user, session.id) == session


async def test_a_user_keeps_the_id_and_the_sessions(service: ChatService) -> None:
    user, first = await service.start_session("ada@example.org", role="teacher")
    _, second = await service.start_session(user)
    assert user == "ada@example.org"
    assert [(session.id, session.role) for session in await service.sessions(user)] == [
        (second.id, "assistant"),
        (first.id, "teacher"),
    ]


async def test_the_model_sees_the_prompt_the_history_and_the_message_once_each(chat: Chat) -> None:
    first = await chat.say("One?", "1.")
    second = await chat.say("Two?", "2.")
    third = await chat.say("Three?", "3.")
    system = ("system", PROMPTS["assistant"])
    assert first.shown == [system, ("user", "One?")]
    assert second.shown == [system, ("user", "One?"), ("assistant", "1."), ("user", "Two?")]
    assert third.shown == [*second.shown, ("assistant", "2."), ("user", "Three?")]
    assert third.model == "big"


async def test_the_model_sees_only_the_latest_of_a_long_history(
    open_service: OpenService, chat: Chat
) -> None:
    chat = chat.through(await open_service(context_messages=2))
    for number in range(3):
        await chat.say(f"{number}?", f"{number}.")
    call = await chat.say("Now?", "Yes.")
    assert [text for _, text in call.shown] == [PROMPTS["assistant"], "2?", "2.", "Now?"]
    receipt = (await chat.history())[-1].context
    assert receipt is not None
    assert (receipt.sent, receipt.dropped) == (3, 4)


async def test_twenty_messages_are_kept_and_ten_of_them_sent_where_that_is_set(
    open_service: OpenService, chat: Chat
) -> None:
    chat = chat.through(await open_service(max_stored_messages=20, context_messages=10))
    for number in range(15):
        await chat.say(f"{number}?", f"{number}.")
    said = [f"{number}{mark}" for number in range(15) for mark in "?."]
    call = await chat.say("Now?", "Yes.")
    assert [text for _, text in call.shown] == [PROMPTS["assistant"], *said[-10:], "Now?"]
    assert await chat.contents() == [*said[-18:], "Now?", "Yes."]
    session, history = await chat.service.conversation(chat.user, chat.id)
    assert (session.messages, session.dropped, history.dropped) == (20, 12, 12)


async def test_a_thousand_messages_are_kept_unless_told_otherwise() -> None:
    assert Settings().max_stored_messages == 1000


async def test_the_history_is_what_was_said_oldest_first(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    history = await chat.history()
    assert [(m.role, m.content, m.status) for m in history] == [
        ("user", "One?", "done"),
        ("assistant", "1.", "done"),
        ("user", "Two?", "done"),
        ("assistant", "2.", "done"),
    ]
    assert [m.turn_id for m in history[:2]] == [history[0].turn_id] * 2
    assert len({m.id for m in history}) == 4
    assert [m.timestamp for m in history] == sorted(m.timestamp for m in history)
    latest = await chat.service.history(chat.user, chat.id, limit=1)
    assert latest.items == history[-1:]


async def test_a_session_tells_how_its_latest_message_ends(chat: Chat) -> None:
    async def last_line() -> str:
        return (await chat.service.session(chat.user, chat.id)).last_line

    assert await last_line() == ""
    await chat.say("One?", "It is\n  one   thing. \n\n")
    assert await last_line() == "one thing."
    await chat.ask("Two?\n" + "x" * 200)
    assert await last_line() == "x" * 99 + "…"
    undone = await chat.service.undo(chat.user, chat.id)
    assert await last_line() == "one thing."
    await chat.service.restore(chat.user, chat.id, undone.restore_id)
    assert await last_line() == "x" * 99 + "…"
    await chat.service.clear(chat.user, chat.id)
    assert await last_line() == ""


async def test_a_running_reply_is_not_in_the_history_yet(chat: Chat) -> None:
    _, call = await chat.ask()
    call.say("Be")
    await chat.read_until("Be")
    assert await chat.contents() == ["Why?"]
    assert (await chat.service.session(chat.user, chat.id)).running


async def test_the_session_tells_its_last_turn(chat: Chat) -> None:
    turn_id, call = await chat.ask("A title")
    call.say("Fine.")
    call.end()
    await chat.read(turn_id)
    session = await chat.service.session(chat.user, chat.id)
    assert (session.title, session.messages, session.last_turn, session.running) == (
        "A title",
        2,
        turn_id,
        False,
    )


async def test_without_a_turn_id_the_last_turn_is_followed(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    text, end = await chat.read()
    assert text == "2."
    assert end.message == (await chat.history())[-1]


async def test_an_earlier_turn_can_still_be_followed(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.")
    first = (await chat.history())[0].turn_id
    assert (await chat.read(first))[0] == "1."


async def test_there_is_nothing_to_follow_where_nothing_was_said(chat: Chat) -> None:
    with pytest.raises(TurnNotFound):
        await chat.read()


@pytest.mark.parametrize("title", ["Plans", "  My \n plans ", "x" * 60], ids=["plain", "untidy", "longest"])
async def test_a_session_is_renamed(chat: Chat, title: str) -> None:
    await chat.say("Hello", "Hi.")
    renamed = await chat.service.rename(chat.user, chat.id, title)
    assert renamed.title == " ".join(title.split())
    await chat.say("Anything else?", "No.")
    assert (await chat.service.session(chat.user, chat.id)).title == renamed.title


async def test_a_session_lies_in_one_folder_in_which_is_searched(chat: Chat) -> None:
    await chat.say("About rain", "Wet.")
    _, other = await chat.service.start_session(chat.user)
    assert (await chat.service.move(chat.user, chat.id, "  My \n work ")).folder == "My work"
    for query, found in (
        ('folder:"My work"', [chat.id]),
        (' folder:"My work" RAIN', [chat.id]),
        ('folder:"My work" snow', []),
        ("folder:My rain", []),
        ("rain", [chat.id]),
        ("folder:", [other.id, chat.id]),
    ):
        assert [session.id for session in await chat.service.sessions(chat.user, query)] == found, query
    with pytest.raises(InvalidInput, match="folder"):
        await chat.service.move(chat.user, chat.id, "x" * 61)
    with pytest.raises(SessionNotFound):
        await chat.service.move("somebody-else", chat.id, "Theirs")
    assert (await chat.service.move(chat.user, chat.id, " ")).folder == ""
    assert {session.id for session in await chat.service.sessions(chat.user)} == {chat.id, other.id}


async def test_a_cleared_session_begins_anew(chat: Chat) -> None:
    await chat.say("One?", "1.")
    assert await chat.service.clear(chat.user, chat.id) == 2
    assert await chat.history() == []
    call = await chat.say("Two?", "2.")
    assert [text for _, text in call.shown] == [PROMPTS["assistant"], "Two?"]
    assert (await chat.service.session(chat.user, chat.id)).title == "Two?"


async def test_clearing_stops_the_reply_that_runs(chat: Chat) -> None:
    _, call = await chat.ask()
    call.say("Be")
    await chat.read_until("Be")
    assert await chat.service.clear(chat.user, chat.id) == 2
    await call.closed.wait()
    assert await chat.history() == []


@pytest.mark.parametrize("replica", [False, True], ids=["here", "on another replica"])
async def test_deleting_stops_the_reply_and_leaves_nothing(
    chat: Chat, open_service: OpenService, connect: Connect, replica: bool
) -> None:
    _, call = await chat.ask()
    call.say("Be")
    await chat.read_until("Be")
    service = await open_service() if replica else chat.service
    await service.delete(chat.user, chat.id)
    await call.closed.wait()
    assert [key async for key in connect().scan_iter("*")] == []
    for method in (service.session, service.history, service.stop, service.clear, service.delete):
        with pytest.raises(SessionNotFound):
            await method(chat.user, chat.id)


@pytest.mark.parametrize("running", [False, True], ids=["at rest", "while a reply runs"])
async def test_a_session_that_cannot_be_read_can_be_exported_and_deleted(
    chat: Chat, open_service: OpenService, redis: Redis, running: bool
) -> None:
    await chat.say("Why?", "So.")
    if running:
        await chat.ask("And?")
    await redis.hset(keys.session(chat.user, chat.id), "sampling", "{oops")
    other = await open_service()
    assert await other.sessions(chat.user) == []
    for call in (other.session, other.history, other.undo, other.clear):
        with pytest.raises(SessionUnreadable):
            await call(chat.user, chat.id)
    with pytest.raises(SessionUnreadable):
        await other.start_turn(chat.user, chat.id, "Well?")
    exported = await other.export(chat.user, chat.id)
    assert (exported.title, exported.role, exported.model) == ("Why?", "assistant", "big")
    assert [m.content for m in exported.messages] == ["Why?", "So.", *(["And?"] if running else [])]
    await other.delete(chat.user, chat.id)
    await chat.service._writer.wait_until_saved()
    assert [key async for key in redis.scan_iter("*")] == []


async def test_nothing_comes_back_when_a_deletion_does_not_wait_for_the_reply(
    chat: Chat, open_service: OpenService, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_core.service.turns._STOP_SECONDS", 0.0)
    turn_id, call = await chat.ask()
    call.say("Be")
    await chat.read_until("Be")
    follower = asyncio.create_task(chat.read(turn_id))
    await asyncio.sleep(0)
    other = await open_service()
    await other.delete(chat.user, chat.id)
    call.say("cause")
    await call.closed.wait()
    assert (await follower)[1].status in ("stopped", "interrupted")
    assert [key async for key in connect().scan_iter("*")] == []


async def test_the_role_can_change_in_the_middle_and_stays(chat: Chat) -> None:
    await chat.say("One?", "1.")
    changed = await chat.say("Two?", "2.", role="programmer")
    after = await chat.say("Three?", "3.")
    assert changed.shown[0] == after.shown[0] == ("system", PROMPTS["programmer"])
    assert [text for _, text in after.shown[1:]] == ["One?", "1.", "Two?", "2.", "Three?"]
    assert (await chat.service.session(chat.user, chat.id)).role == "programmer"


async def test_the_model_can_change_in_the_middle_and_stays(open_service: OpenService, chat: Chat) -> None:
    chat = chat.through(await open_service(openai_models="small,tiny"))
    calls = [
        await chat.say("One?", "1."),
        await chat.say("Two?", "2.", model="small"),
        await chat.say("Three?", "3."),
    ]
    assert [call.model for call in calls] == ["big", "small", "small"]
    assert [m.model for m in await chat.history() if m.role == "assistant"] == ["big", "small", "small"]
    fewer = chat.through(await open_service())  # "small" is not configured any more
    assert (await fewer.say("Four?", "4.")).model == "big"


async def test_the_sampling_can_change_in_the_middle_and_stays(chat: Chat) -> None:
    calls = [
        await chat.say("One?", "1."),
        await chat.say("Two?", "2.", sampling=Sampling(temperature=0.5, max_tokens=9)),
        await chat.say("Three?", "3."),
    ]
    assert [call.sampling.temperature for call in calls] == [None, 0.5, 0.5]
    assert (await chat.service.session(chat.user, chat.id)).sampling == Sampling(
        temperature=0.5, max_tokens=9
    )
    assert (await chat.say("Four?", "4.", sampling=Sampling())).sampling == Sampling()
    await chat.service.set_sampling(chat.user, chat.id, Sampling(temperature=0.2))
    assert (await chat.say("Five?", "5.")).sampling == Sampling(temperature=0.2)


@pytest.mark.parametrize(
    ("temperature", "max_tokens", "field"),
    [
        (-0.1, None, "temperature"),
        (2.1, None, "temperature"),
        (float("nan"), None, "temperature"),
        ("warm", None, "temperature"),
        (None, 0, "max_tokens"),
        (None, 1.5, "max_tokens"),
        (None, 10**30, "max_tokens"),
    ],
)
def test_a_sampling_that_no_provider_knows_is_refused(
    temperature: object, max_tokens: object, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        Sampling.of(temperature, max_tokens)
    assert caught.value.facts["field"] == field


async def test_each_reply_remembers_the_role_it_was_given_in(chat: Chat) -> None:
    await chat.say("One?", "1.")
    await chat.say("Two?", "2.", role="teacher")
    assert [message.role_key for message in await chat.history()] == ["", "assistant", "", "teacher"]


async def test_a_role_that_is_gone_from_the_file_gives_way_to_the_default(
    open_service: OpenService, model: ScriptedModel, tmp_path: Path
) -> None:
    file = tmp_path / "roles.toml"
    role = '[[roles]]\nkey = "{0}"\nname = "{0}"\nprompt = "You are {0}."\nwelcome_message = "Ahoy"\n'
    file.write_text('default = "pirate"\n' + role.format("pirate") + role.format("parrot"))
    service = await open_service(roles_file=file)
    user, session = await service.start_session(role="parrot")
    chat = Chat(service, model, user, session.id)
    assert (await chat.say("Hello", "Hello.")).shown[0] == ("system", "You are parrot.")
    file.write_text('default = "pirate"\n' + role.format("pirate"))
    later = chat.through(await open_service(roles_file=file))
    assert (await later.say("Hello", "Aye.")).shown[0] == ("system", "You are pirate.")
    assert (await later.service.session(user, session.id)).role == "pirate"


async def test_what_is_given_is_not_closed(connect: Connect, model: ScriptedModel) -> None:
    redis = connect()
    async with ChatService(Settings(), redis=redis, model=model) as service:
        assert await service.health() == (None, True)
        assert service.notices == ()
    assert await redis.ping()


async def test_the_latest_conversation_with_a_role_is_found_again(chat: Chat) -> None:
    async def begun(role: str, *, said: bool = True) -> str:
        _, session = await chat.service.start_session(chat.user, role)
        if said:
            await chat._replace(id=session.id).say("Why?", "So.")
        return session.id

    first, second = await begun("teacher"), await begun("teacher")
    await begun("teacher", said=False)
    chef = await begun("chef")
    find = chat.service.latest_with_role
    assert (await find(chat.user, "teacher"), await find(chat.user, "chef")) == (second, chef)
    await chat._replace(id=first).say("Why?", "So.")
    assert await find(chat.user, "teacher") == first
    assert await find(chat.user, "translator") == ""
    assert await find("u_eve", "teacher") == ""
