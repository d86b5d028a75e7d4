"""What is stored and cannot be read, or is not what it should be: nothing else is lost with it."""

import logging
from collections.abc import Awaitable, Callable

import pytest
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from chat_core.errors import SessionUnreadable
from chat_core.exchange import ConversationExport
from chat_core.messages import Note, Summary
from chat_core.roles import Role, load_roles
from chat_core.sharing import Share, SharedConversation
from chat_core.storage import Change, NoteStore, ProcessBoard, RoleStore, SessionStore, ShareStore, keys
from chat_core.turns import TurnLog
from tests.conftest import Connect

from .conftest import SESSION, TTL_SECONDS, USER, answer, die, question, read

POET = Role(key="own-1", name="Poet", prompt="Rhyme.")
NOTE = Note(id="n1", role="teacher", text="Short answers.", created_at=1.0)
LINK = Share(token="t" * 32, session_id=SESSION, title="Why?", created_at=1.0, expires_at=4e9)
COPY = SharedConversation(
    conversation=ConversationExport.of([question()], title="Why?", role="assistant", model=""), faces={}
)


class User:
    """Everything of a user's, in the rooms that keep it."""

    def __init__(self, redis: Redis, store: SessionStore) -> None:
        self._redis, self._store = redis, store
        self.roles = RoleStore(redis, load_roles(), ttl_seconds=TTL_SECONDS)
        self.notes = NoteStore(redis, ttl_seconds=TTL_SECONDS)
        self.shares = ShareStore(redis, clock=lambda: 2.0)

    async def begin(self) -> None:
        for session_id in ("s1", "s2"):
            await self._store.create(USER, session_id, {"role": "assistant", "title": "Why?"}, [question()])
        await self._store.pin(USER, "s2", True)
        await self.save()

    async def save(self) -> None:
        await self.roles.save(USER, POET)
        await self.notes.save(USER, NOTE)
        await self.shares.add(USER, LINK, COPY)

    async def read(self) -> dict[str, object]:
        return {
            "sessions": {session.id for session in await self._store.sessions(USER)},
            "roles": [role.key for role in await self.roles.own(USER)],
            "notes": await self.notes.all(USER),
            "shares": await self.shares.all(USER),
        }

    async def change(self) -> None:
        change = Change(USER, "s2", await self._store.read(USER, "s2"))
        change.append(answer())
        assert await self._store.commit(change) is not None


@pytest.fixture
async def user(redis: Redis, store: SessionStore) -> User:
    user = User(redis, store)
    await user.begin()
    return user


def as_text(redis: Redis, key: str) -> Awaitable[object]:
    return redis.set(key, "{oops")


def as_list(redis: Redis, key: str) -> Awaitable[object]:
    return redis.rpush(key, "oops")


@pytest.mark.parametrize(
    ("key", "damage", "lost"),
    [
        (keys.sessions, as_text, ""),  # they are listed again
        (keys.pinned, as_text, ""),
        (keys.roles, as_text, "roles"),
        (keys.notes, as_list, "notes"),
        (keys.shares, as_text, "shares"),
        (keys.custom_prompt, as_list, ""),
    ],
    ids=["sessions", "pinned", "roles", "notes", "shares", "prompt"],
)
@pytest.mark.parametrize("first", ["read", "change", "save"])
async def test_a_key_of_another_type_is_set_aside(
    redis: Redis,
    user: User,
    caplog: pytest.LogCaptureFixture,
    key: Callable[[str], str],
    damage: Callable[[Redis, str], Awaitable[object]],
    lost: str,
    first: str,
) -> None:
    caplog.set_level(logging.ERROR)
    whole = await user.read()
    await redis.delete(key(USER))
    await damage(redis, key(USER))
    await getattr(user, first)()
    assert await user.read() == (whole if first == "save" else {**whole, **({lost: []} if lost else {})})
    await user.change()
    await user.save()
    assert await user.read() == whole
    assert await redis.ttl(keys.damaged(key(USER))) > 0
    assert len(caplog.messages) == 1
    assert USER not in caplog.text


async def test_a_byte_that_is_no_text_costs_a_character(connect: Connect, redis: Redis, user: User) -> None:
    for key, field in ((keys.roles(USER), POET.key), (keys.notes(USER), NOTE.id)):
        await redis.hset(key, field, (await redis.hget(key, field)).encode().replace(b"o", b"\xff", 1))
    await redis.hset(keys.session(USER, "s1"), "title", b"Wh\xff?")
    await redis.lset(keys.messages(USER, "s1"), 0, question().to_json().encode().replace(b"Why", b"Wh\xff"))
    store = SessionStore(connect(), max_messages=0, ttl_seconds=TTL_SECONDS)
    assert {session.title for session in await store.sessions(USER)} == {"Why?", "Wh\ufffd?"}
    stored = await store.messages(USER, "s1")
    assert [message.content for message in stored.items] == ["Wh\ufffd?"]
    await user.read()


async def test_a_summary_that_cannot_be_read_is_none(redis: Redis, store: SessionStore, user: User) -> None:
    await redis.hset(keys.session(USER, "s1"), "summary", "{oops")
    session, stored = await store.get_with_messages(USER, "s1")
    assert (session.summary, len(stored.items)) == (None, 1)
    assert (await store.read(USER, "s1")).messages.summary is None
    assert await store.summarise(USER, "s1", lambda _: Summary(text="In short", messages=1))
    assert (await store.get(USER, "s1")).summary == Summary(text="In short", messages=1)
    await redis.hset(keys.session(USER, "s1"), "summary", "{oops")
    await store.delete(USER, "s1")
    assert {session.id for session in await store.sessions(USER)} == {"s2"}


@pytest.mark.parametrize("field", ["revision", "open_turn"])
async def test_a_head_whose_guards_cannot_hold_is_unreadable_and_can_be_deleted(
    redis: Redis, store: SessionStore, log: TurnLog, user: User, field: str
) -> None:
    await redis.hset(keys.session(USER, "s1"), field, b"\xff")
    with pytest.raises(SessionUnreadable):
        await store.get(USER, "s1")
    with pytest.raises(SessionUnreadable):
        await log.recover(USER, "s1")
    await store.delete(USER, "s1")
    assert {session.id for session in await store.sessions(USER)} == {"s2"}


@pytest.mark.parametrize("kind", ["undone", "images"])
async def test_what_is_kept_beside_the_messages_is_missing_alone(
    redis: Redis, store: SessionStore, user: User, kind: str
) -> None:
    await redis.rpush(getattr(keys, kind)(USER, "s1"), "oops")
    assert await store.image_ids(USER, "s1") == set()
    assert await store.images(USER, "s1", ["i1"]) == {}
    await store.truncate(USER, "s1", question().id, restore_id="r1")
    await store.restore(USER, "s1", "r1")
    assert (await store.messages(USER, "s1")).items == [question()]


@pytest.mark.parametrize("damage", ["text", "end", "two fields"])
async def test_a_turn_whose_log_is_damaged_ends_with_what_can_be_read(
    redis: Redis, store: SessionStore, log: TurnLog, session: str, damage: str
) -> None:
    await log.claim(USER, SESSION, question("t1"), head={})
    place = keys.log(USER, "t1")
    if damage == "text":
        await redis.set(place, "{oops")
    else:
        await redis.xadd(place, {"text": "Beca"}, id="4-0")
        await redis.xadd(place, {"end": "{oops"} if damage == "end" else {"text": "u", "more": "s"})
    await die(redis)
    kept = "" if damage == "text" else "Beca"
    if kept or not isinstance(redis, FakeAsyncRedis):  # which fails in a way of its own
        text, end = await read(log.follow(USER, SESSION, "t1"))
        assert (text, end.status) == (kept, "interrupted")
    await log.claim(USER, SESSION, question("t2"), head={})
    text, end = await read(log.follow(USER, SESSION, "t1"))
    assert (text, end.status) == (kept, "interrupted")
    said = (await store.messages(USER, SESSION)).items
    assert [message.content for message in said] == ["Why?", *([kept] if kept else []), "Why?"]


@pytest.mark.parametrize("key", [keys.share_owner(LINK.token), keys.share(USER, LINK.token)])
async def test_a_copy_in_whose_place_something_else_stands_is_none(
    redis: Redis, user: User, key: str
) -> None:
    assert await user.shares.find(LINK.token)
    await redis.delete(key)
    await redis.rpush(key, "oops")
    assert await user.shares.find(LINK.token) is None


async def test_a_note_of_a_process_of_another_version_is_left_out(connect: Connect) -> None:
    board = ProcessBoard(connect())
    await connect().hset(keys.PROCESSES, "another", '{"since": "yesterday"}')
    assert await board.exchange({}) == {}
