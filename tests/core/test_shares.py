"""A conversation is read by whoever has its link, as it was then, for as long as its owner wants."""

import pytest
from redis.asyncio import Redis

from chat_core import Share
from chat_core.errors import (
    InvalidInput,
    RateLimited,
    SessionNotFound,
    ShareNotFound,
    TooManyShares,
    TurnNotFound,
)
from chat_core.service.shares import MAX_SHARES
from chat_core.storage import keys
from tests.conftest import eventually
from tests.pictures import picture

from .conftest import Chat, OpenService


@pytest.fixture
async def talked(chat: Chat) -> Chat:
    """About a picture, with a role of the user's own and one of everybody's, and with notes."""
    poet = await chat.service.save_role(
        chat.user, {"name": "Poet", "icon": "🪶", "prompt": "Rhyme secretly."}
    )
    await chat.service.save_note(chat.user, "teacher", "I am vegetarian.")
    await chat.say("Roses?", "Are red.", role=poet.key, images=[picture()])
    again = await chat.service.regenerate(chat.user, chat.id)
    call = await chat.model.next_call()
    call.say("Are blue.")
    call.end()
    await chat.read(again)
    await chat.say("Why?", "Because.", role="teacher")
    return chat


async def shared(chat: Chat, days: int = 30) -> Share:
    return await chat.service.share(chat.user, chat.id, days)


async def is_gone(chat: Chat, token: str) -> bool:
    try:
        await chat.service.shared(token)
    except ShareNotFound:
        return True
    return False


async def test_a_link_shows_what_was_said_until_then_and_who_said_it(talked: Chat) -> None:
    link = await shared(talked)
    await talked.say("Secret?", "Yes.")
    copy = await talked.service.shared(link.token)
    said = copy.conversation.messages
    assert [message.content for message in said] == ["Roses?", "Are blue.", "Why?", "Because."]
    assert copy.conversation.title == "Roses?"
    assert said[0].images[0].preview.startswith("data:image/")
    names = [copy.faces[message.role_key].name.en for message in said if message.role == "assistant"]
    assert names == ["Poet", "Teacher"]
    assert copy.faces["own-1"].icon == "🪶"


async def test_a_link_tells_no_ids_and_nothing_that_concerns_its_owner_alone(talked: Chat) -> None:
    link = await shared(talked)
    told = (await talked.service.shared(link.token)).model_dump_json()
    said = await talked.history()
    private = [talked.user, talked.id, *(message.id for message in said), *(m.turn_id for m in said)]
    private += [said[0].images[0].id, said[1].role_key, "Rhyme secretly.", "vegetarian", "Are red."]
    assert [text for text in private if text in told] == []
    assert '"usage":{' not in told
    assert '"notes"' not in told


async def test_links_are_listed_ended_by_their_owner_alone_and_go_with_the_session(
    talked: Chat, redis: Redis
) -> None:
    first, second = await shared(talked), await shared(talked, 1)
    assert len(first.token) >= 32
    assert first.token != second.token
    assert await talked.service.shares(talked.user) == [first, second]
    assert await talked.service.shares("u_bob") == []
    with pytest.raises(ShareNotFound):
        await talked.service.unshare("u_bob", first.token)
    assert not await is_gone(talked, first.token)
    await talked.service.unshare(talked.user, first.token)
    assert await is_gone(talked, first.token)
    with pytest.raises(ShareNotFound):
        await talked.service.unshare(talked.user, first.token)
    await talked.service.delete(talked.user, talked.id)
    assert await is_gone(talked, second.token)
    assert await talked.service.shares(talked.user) == []
    assert [key async for key in redis.scan_iter("*:share:*") if "}" in key] == []


async def test_a_link_ends_by_itself_in_the_store(talked: Chat, redis: Redis) -> None:
    link = await shared(talked, 2)
    for key in (keys.share(talked.user, link.token), keys.share_owner(link.token)):
        assert 2 * 86_400 - 60 < await redis.ttl(key) <= 2 * 86_400
        await redis.pexpire(key, 20)
    await eventually(lambda: is_gone(talked, link.token))
    over = link.model_copy(update={"expires_at": 1.0})
    await redis.hset(keys.shares(talked.user), link.token, over.model_dump_json())
    assert await talked.service.shares(talked.user) == []
    assert await redis.hkeys(keys.shares(talked.user)) == []


async def test_a_copy_goes_on_as_a_conversation_of_ones_own(talked: Chat) -> None:
    link = await shared(talked)
    session = await talked.service.import_share("u_bob", link.token)
    bobs = talked._replace(user="u_bob", id=session.id)
    assert await bobs.contents() == ["Roses?", "Are blue.", "Why?", "Because."]
    assert (session.title, session.role) == ("Roses?", "teacher")
    mine, theirs = await talked.history(), await bobs.history()
    assert {message.id for message in mine}.isdisjoint(message.id for message in theirs)
    assert len({message.id for message in theirs}) == 4
    assert [theirs[0].turn_id, theirs[2].turn_id] == [theirs[1].turn_id, theirs[3].turn_id]
    await bobs.say("More?", "More.")
    assert len(await talked.contents()) == 4


@pytest.mark.parametrize("token", ["", "unknown", "x" * 65, "a:b", "*", 7, None, "\ud800"])
async def test_what_is_no_link_shows_nothing(talked: Chat, token: str) -> None:
    for call in (talked.service.shared(token), talked.service.import_share("u_bob", token)):
        with pytest.raises(ShareNotFound):
            await call


async def test_what_cannot_be_shared_is_refused(chat: Chat) -> None:
    with pytest.raises(TurnNotFound):
        await shared(chat)
    await chat.say("Why?", "Because.")
    for days in (0, 366, -1, 1.5, "30", True, None):
        with pytest.raises(InvalidInput, match="days"):
            await shared(chat, days)  # type: ignore[arg-type]
    with pytest.raises(SessionNotFound):
        await chat.service.share("u_bob", chat.id)
    for _ in range(MAX_SHARES):
        await shared(chat)
    with pytest.raises(TooManyShares):
        await shared(chat)


async def test_sharing_and_reading_are_counted(open_service: OpenService, chat: Chat) -> None:
    await chat.say("Why?", "Because.")
    link = await shared(chat)
    limited = await open_service(rate_limit="1/minute", rate_limit_address="1/minute")
    await limited.share(chat.user, chat.id)
    with pytest.raises(RateLimited):
        await limited.share(chat.user, chat.id)
    await limited.shared(link.token, address="1.2.3.4")
    with pytest.raises(RateLimited):
        await limited.shared(link.token, address="1.2.3.4")


async def test_a_copy_that_cannot_be_read_is_none(talked: Chat, redis: Redis) -> None:
    link = await shared(talked)
    await redis.set(keys.share(talked.user, link.token), "{")
    await redis.hset(keys.shares(talked.user), link.token, "{")
    assert await is_gone(talked, link.token)
    assert await talked.service.shares(talked.user) == []
