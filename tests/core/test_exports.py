"""A conversation is taken elsewhere, and goes on there."""

import asyncio
import json
import threading
from typing import Any

import pytest

from chat_core import ChatMessage, ConversationExport, Usage
from chat_core.errors import ImportRejected, ModelStalled, RateLimited, SessionNotFound
from chat_core.exchange import parse_export
from chat_core.roles import BUILT_IN
from tests.conftest import Connect
from tests.contract.conftest import dump

from .conftest import Chat, OpenService


@pytest.fixture
async def talked(chat: Chat) -> Chat:
    """With a version, reasoning, feedback, usage and a failure."""
    await chat.say("One?", "1.", role="teacher")
    again = await chat.service.regenerate(chat.user, chat.id)
    call = await chat.model.next_call()
    call.think("Hm.")
    call.say("  One.\n")
    call.count(Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3))
    call.end()
    await chat.read(again)
    await chat.service.rate(chat.user, chat.id, (await chat.history())[-1].id, "like")
    turn_id, call = await chat.ask("Two?")
    call.say("Tw")
    call.fail(ModelStalled("Because."))
    await chat.read(turn_id)
    await chat.service.rename(chat.user, chat.id, "Numbers")
    return chat


async def export(chat: Chat) -> ConversationExport:
    return await chat.service.export(chat.user, chat.id)


async def imported(chat: Chat, data: bytes | str, user: str = "") -> Chat:
    (session,) = (await chat.service.import_file(user or chat.user, data)).sessions
    return chat._replace(user=user or chat.user, id=session.id)


def comparable(portable: ConversationExport) -> dict[str, Any]:
    """Without ids, the references that are made of them, and the time of the export; turns by their order."""
    turns: dict[str, int] = {}

    def message(found: ChatMessage) -> dict[str, Any]:
        turn = turns.setdefault(found.turn_id, len(turns))
        versions = [message(version) for version in found.versions]
        dumped = found.model_dump() | {"id": "", "turn_id": turn, "earlier": versions}
        if dumped["error"]:
            dumped["error"]["facts"].pop("reference", None)
        return dumped

    messages = [message(found) for found in portable.messages]
    return portable.model_dump() | {"exported_at": 0, "messages": messages}


async def test_an_export_is_the_session_and_its_messages(talked: Chat) -> None:
    portable = await export(talked)
    session = await talked.service.session(talked.user, talked.id)
    assert (portable.title, portable.role, portable.model) == ("Numbers", "teacher", "big")
    assert list(portable.messages) == await talked.history()
    assert portable.exported_at >= session.updated_at
    assert talked.user not in portable.to_json()


async def test_what_is_exported_imported_and_exported_is_the_same(talked: Chat) -> None:
    before = await export(talked)
    after = await export(await imported(talked, before.to_json()))
    assert comparable(after) == comparable(before)
    assert before.messages[0].versions[0].content == "1."
    assert [message.error is None for message in after.messages] == [True, True, True, False]


async def test_a_session_in_which_nothing_was_said_comes_back_as_it_was(chat: Chat) -> None:
    before = await export(chat)
    after = await imported(chat, before.to_json())
    assert comparable(await export(after)) == comparable(before)
    await after.say("Hello", "Hi.")
    assert (await after.service.session(after.user, after.id)).title == "Hello"


async def test_a_running_reply_is_not_exported(chat: Chat) -> None:
    turn_id, call = await chat.ask("Why?")
    call.say("Be")
    await chat.read_until("Be")
    portable = await export(chat)
    assert [message.content for message in portable.messages] == ["Why?"]
    copy = await imported(chat, portable.to_json())
    assert not (await copy.service.session(copy.user, copy.id)).running
    assert (await copy.read())[1].status == "interrupted"
    call.say("cause.")
    call.end()
    assert (await chat.read(turn_id))[0] == "Because."
    assert await copy.contents() == ["Why?"]


async def test_the_conversation_goes_on_where_it_was(talked: Chat) -> None:
    copy = await imported(talked, (await export(talked)).to_json())
    call = await copy.say("Three?", "3.")
    prompts = {role.key: role.prompt for role in BUILT_IN}
    said = [("user", "One?"), ("assistant", "  One.\n"), ("user", "Two?"), ("assistant", "Tw")]
    assert call.shown == [("system", prompts["teacher"]), *said, ("user", "Three?")]
    assert await copy.contents() == ["One?", "  One.\n", "Two?", "Tw", "Three?", "3."]
    assert await talked.contents() == ["One?", "  One.\n", "Two?", "Tw"]


async def test_the_last_turn_can_be_followed_and_versions_be_shown(talked: Chat) -> None:
    copy = await imported(talked, (await export(talked)).to_json())
    text, end = await copy.read()
    assert (text, end.status, end.error and end.error.code) == ("Tw", "failed", "model_stalled")
    asked = (await copy.history())[0]
    await copy.service.select_version(copy.user, copy.id, asked.id, 1)
    assert (await copy.contents())[:2] == ["One?", "1."]
    assert (await copy.service.undo(copy.user, copy.id)).message == "Two?"
    assert (await talked.contents())[:2] == ["One?", "  One.\n"]


async def test_all_of_an_imported_session_expires_and_goes_with_it(talked: Chat, connect: Connect) -> None:
    redis = connect()
    data = (await export(talked)).to_json()
    await redis.flushall()
    copy = await imported(talked, data)
    stored = [key async for key in redis.scan_iter("*")]
    assert len(stored) == 3
    assert all([await redis.ttl(key) > 0 for key in stored])
    session = await copy.service.session(copy.user, copy.id)
    assert session.expires_at is not None
    await copy.service.delete(copy.user, copy.id)
    assert [key async for key in redis.scan_iter("*")] == []


async def test_somebody_elses_export_becomes_the_importers_own(talked: Chat) -> None:
    copy = await imported(talked, (await export(talked)).to_json(), user="u_eve")
    await copy.say("Mine?", "Yours.")
    assert [session.id for session in await talked.service.sessions(talked.user)] == [talked.id]
    assert [session.id for session in await talked.service.sessions("u_eve")] == [copy.id]
    for user, session_id in ((talked.user, copy.id), ("u_eve", talked.id)):
        with pytest.raises(SessionNotFound):
            await talked.service.export(user, session_id)
    assert "Mine?" not in await talked.contents()


async def test_a_file_imported_twice_is_two_sessions(talked: Chat) -> None:
    data = (await export(talked)).to_json()
    copies = [await imported(talked, data.encode()) for _ in range(2)]
    sessions = [await copy.service.session(copy.user, copy.id) for copy in copies]
    assert len({talked.id, *(session.id for session in sessions)}) == 3
    assert len({message.id for copy in (talked, *copies) for message in await copy.history()}) == 3 * 4
    await copies[0].service.clear(talked.user, copies[0].id)
    assert await copies[1].contents() == await talked.contents()


async def test_only_the_latest_messages_are_kept(talked: Chat, open_service: OpenService) -> None:
    data = (await export(talked)).to_json()
    fewer = talked.through(await open_service(max_stored_messages=3))
    copy = await imported(fewer, data)
    assert await copy.contents() == ["  One.\n", "Two?", "Tw"]
    assert (await copy.service.session(copy.user, copy.id)).messages == 3


async def test_a_role_or_model_that_is_not_here_gives_way_to_the_default(chat: Chat) -> None:
    await chat.say("Hello", "Hi.")
    portable = (await export(chat)).model_copy(update={"role": "pirate", "model": "huge"})
    (session,) = (await chat.service.import_file(chat.user, portable.to_json())).sessions
    assert (session.role, session.model) == ("assistant", "big")


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, None], ids=["empty", "bytes", "deep", "none"])
async def test_a_file_that_cannot_be_used_changes_nothing(talked: Chat, connect: Connect, data: Any) -> None:
    before = await dump(connect())
    with pytest.raises(ImportRejected):
        await talked.service.import_file(talked.user, data)
    assert await dump(connect()) == before


async def test_a_message_that_could_not_be_sent_here_cannot_be_imported(
    talked: Chat, open_service: OpenService, connect: Connect
) -> None:
    data = json.loads((await export(talked)).to_json())
    data["messages"][2]["content"] = "x" * 101
    strict = await open_service(max_message_chars=100)
    before = await dump(connect())
    with pytest.raises(ImportRejected) as caught:
        await strict.import_file(talked.user, json.dumps(data))
    assert caught.value.facts == {"field": "messages.3.content", "expected": "at most 100 characters"}
    assert await dump(connect()) == before


async def test_an_import_counts_as_a_message_whether_it_is_refused_or_not(
    chat: Chat, open_service: OpenService
) -> None:
    data = (await export(chat)).to_json()
    service = await open_service(rate_limit="2/hour")
    await service.import_file(chat.user, data)
    with pytest.raises(ImportRejected):
        await service.import_file(chat.user, "")
    for call in (service.import_file(chat.user, data), service.start_turn(chat.user, chat.id, "Why?")):
        with pytest.raises(RateLimited):
            await call
    assert len(await service.sessions(chat.user)) == 2
    await service.import_file("u_other", data)


async def test_others_are_served_while_a_file_is_read(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    data, served = (await export(chat)).to_json(), threading.Event()

    def read_slowly(*file: Any, **limits: Any) -> ConversationExport:
        assert served.wait(5), "nobody was served"
        return parse_export(*file, **limits)

    monkeypatch.setattr("chat_core.archive.parse_export", read_slowly)
    importing = asyncio.create_task(chat.service.import_file(chat.user, data))
    await chat.say("Why?", "So.")
    served.set()
    assert (await importing).sessions[0].messages == 0
