"""What users want a role to know: told to that role only, and kept no longer than it is used."""

from typing import Any

import pytest
from redis.asyncio import Redis

from chat_core import Note
from chat_core.errors import InvalidInput, NoteNotFound, RateLimited, TooManyNotes, UnknownRole
from chat_core.service.memories import MAX_NOTES
from chat_core.storage import keys

from .conftest import Chat, OpenService


async def noted(chat: Chat, text: str, role: str = "teacher", **options: Any) -> Note:
    return await chat.service.save_note(chat.user, role, text, **options)


async def told(chat: Chat, role: str) -> str:
    """What the role is told by the system prompt."""
    call = await chat.say("Dinner?", "Pasta.", role=role)
    return call.shown[0][1]


async def test_a_note_is_told_to_its_role_in_every_conversation_and_to_no_other(chat: Chat) -> None:
    vegetarian = await noted(chat, "I am vegetarian.")
    nuts = await noted(chat, "  No\nnuts. ")
    assert nuts.text == "No nuts."
    assert await chat.service.notes(chat.user, "teacher") == [vegetarian, nuts]
    assert (await told(chat, "teacher")).endswith("\n- I am vegetarian.\n- No nuts.")
    receipt = (await chat.history())[-1].context
    assert receipt is not None
    assert receipt.notes == 2
    assert "vegetarian" not in await told(chat, "assistant")
    _, another = await chat.service.start_session(chat.user)
    assert "vegetarian" in await told(chat._replace(id=another.id), "teacher")
    user, theirs = await chat.service.start_session("u_bob")
    assert "vegetarian" not in await told(chat._replace(user=user, id=theirs.id), "teacher")


async def test_a_continued_reply_is_told_its_role_s_notes(chat: Chat) -> None:
    await noted(chat, "I am vegetarian.")
    turn_id, call = await chat.ask("Dinner?", role="teacher")
    call.say("Beef ")
    await chat.read_until("Beef ", turn_id)
    await chat.service.stop(chat.user, chat.id)
    await chat.service.continue_reply(chat.user, chat.id)
    assert "vegetarian" in (await chat.model.next_call()).shown[0][1]


async def test_a_deleted_note_is_told_no_more(chat: Chat) -> None:
    note = await noted(chat, "I am vegetarian.")
    for role, note_id in (("assistant", note.id), ("teacher", "unknown")):
        with pytest.raises(NoteNotFound):
            await chat.service.delete_note(chat.user, role, note_id)
    with pytest.raises(NoteNotFound):
        await chat.service.delete_note("u_bob", "teacher", note.id)
    await chat.service.delete_note(chat.user, "teacher", note.id)
    assert await chat.service.notes(chat.user, "teacher") == []
    assert "vegetarian" not in await told(chat, "teacher")


async def test_temporary_chats_tell_none(chat: Chat) -> None:
    await noted(chat, "I am vegetarian.")
    temporary = chat.service.temporary
    user, session = await temporary.start_session(chat.user)
    chat = Chat(temporary, chat.model, user, session.id)
    assert "vegetarian" not in await told(chat, "teacher")
    assert (await chat.history())[-1].context.notes == 0  # type: ignore[union-attr]


async def test_the_notes_for_a_role_go_with_it(chat: Chat, redis: Redis) -> None:
    chef = await chat.service.save_role(chat.user, {"name": "Chef", "prompt": "Cook."})
    await noted(chat, "I am vegetarian.", chef.key)
    kept = await noted(chat, "I am Ada.")
    await chat.service.delete_role(chat.user, chef.key)
    assert await redis.hkeys(keys.notes(chat.user)) == [kept.id]


async def test_what_is_no_note_is_refused(chat: Chat) -> None:
    for text in ("", " \n", "x" * 501):
        with pytest.raises(InvalidInput, match="text"):
            await noted(chat, text)
    for call in (noted(chat, "Hi", "nobody"), chat.service.notes(chat.user, "nobody")):
        with pytest.raises(UnknownRole):
            await call
    assert (await noted(chat, "x" * 500)).text == "x" * 500


async def test_a_user_has_so_many_notes_and_none_twice(chat: Chat) -> None:
    first = await noted(chat, "0")
    for number in range(1, MAX_NOTES):
        await noted(chat, f"{number}", "teacher" if number % 2 else "assistant")
    assert await noted(chat, "0") == first
    with pytest.raises(TooManyNotes):
        await noted(chat, "one more")


async def test_notes_count_as_calls_of_their_address(open_service: OpenService, chat: Chat) -> None:
    chat = chat.through(await open_service(rate_limit_address="1/minute"))
    await noted(chat, "one", address="1.2.3.4")
    with pytest.raises(RateLimited):
        await noted(chat, "two", address="1.2.3.4")


async def test_notes_are_kept_as_long_as_they_are_told(chat: Chat, redis: Redis) -> None:
    await noted(chat, "I am vegetarian.")
    longest = await redis.ttl(keys.notes(chat.user))
    assert longest > 0
    await redis.expire(keys.notes(chat.user), 60)
    await told(chat, "assistant")
    assert await redis.ttl(keys.notes(chat.user)) >= longest - 1


async def test_a_note_that_cannot_be_read_is_left_out(chat: Chat, redis: Redis) -> None:
    note = await noted(chat, "I am vegetarian.")
    await redis.hset(keys.notes(chat.user), "n2", "{")
    assert await chat.service.notes(chat.user, "teacher") == [note]
    assert "vegetarian" in await told(chat, "teacher")
