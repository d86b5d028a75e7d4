"""What a SessionStore keeps, in which order, and for how long."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from chat_core.errors import (
    MessageNotFound,
    SessionBusy,
    SessionChanged,
    SessionNotFound,
    SessionUnreadable,
)
from chat_core.messages import Session, StoredMessages
from chat_core.storage import Change, SessionStore, keys
from chat_core.turns import LiveTurn, TurnLog

from .conftest import (
    SESSION,
    TTL_SECONDS,
    USER,
    Clock,
    answer,
    append,
    done,
    dump,
    question,
    question_with_images,
    urls,
)


async def test_a_new_session_is_empty_and_can_be_read_again(store: SessionStore) -> None:
    created = await store.create(USER, "s1", {"role": "teacher", "model": "small-model"})
    assert created == await store.get(USER, "s1")
    assert (created.role, created.model, created.title, created.messages) == ("teacher", "small-model", "", 0)
    assert (created.last_turn, created.running, created.revision) == ("", False, 1)
    assert created.created_at <= created.updated_at


SAID = [question("t1"), answer("t1"), question("t2", "And then?"), answer("t2", "Then.")]


@pytest.mark.parametrize(("max_messages", "kept"), [(0, 4), (3, 3), (9, 4)], ids=["all", "three", "nine"])
async def test_a_session_is_added_with_the_latest_of_what_was_said(
    redis: Redis, clock: Clock, max_messages: int, kept: int
) -> None:
    store = SessionStore(redis, max_messages=max_messages, ttl_seconds=TTL_SECONDS, clock=clock)
    added = await store.create(USER, "s1", {"role": "teacher", "title": "Why"}, SAID)
    assert added == await store.get(USER, "s1") == (await store.sessions(USER))[0]
    assert (added.role, added.title, added.messages) == ("teacher", "Why", kept)
    assert (added.last_turn, added.running, added.revision) == ("t2", False, 1)
    assert await store.messages(USER, "s1") == StoredMessages(SAID[-kept:])


@pytest.mark.parametrize(("ttl_seconds", "left"), [(TTL_SECONDS, TTL_SECONDS), (0, -1)], ids=["some", "no"])
async def test_all_of_an_added_session_expires_together(redis: Redis, ttl_seconds: int, left: int) -> None:
    store = SessionStore(redis, max_messages=0, ttl_seconds=ttl_seconds)
    await store.create(USER, "s1", {"role": "teacher"}, SAID)
    stored = {keys.sessions(USER), keys.session(USER, "s1"), keys.messages(USER, "s1")}
    assert set(await redis.keys("*")) == stored
    assert {await redis.ttl(key) for key in stored} == {left}


async def test_a_session_that_is_added_again_because_the_answer_got_lost_says_nothing_twice(
    store: SessionStore,
) -> None:
    for _ in range(2):
        await store.create(USER, "s1", {"role": "teacher"}, SAID)
    assert await store.messages(USER, "s1") == StoredMessages(SAID)
    assert len(await store.sessions(USER)) == 1


async def test_an_unknown_session_is_not_found(store: SessionStore) -> None:
    with pytest.raises(SessionNotFound):
        await store.get(USER, "nowhere")


DAMAGES: dict[str, dict[str, str | None]] = {
    "sampling": {"sampling": "{oops"},
    "no time": {"created_at": None},
    "no time of change": {"updated_at": None},
    "a word for a time": {"updated_at": "noon"},
    "a time without end": {"created_at": "inf"},
    "no role": {"role": None},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_one_session_that_cannot_be_read_does_not_hide_the_others(
    redis: Redis,
    store: SessionStore,
    caplog: pytest.LogCaptureFixture,
    damage: dict[str, str | None],
) -> None:
    for session_id in ("s1", "s2", "damaged-session"):
        await store.create(USER, session_id, {"role": "assistant", "title": "A secret"}, SAID)
    for field, value in damage.items():
        head = keys.session(USER, "damaged-session")
        await (redis.hdel(head, field) if value is None else redis.hset(head, field, value))
    await assert_that_one_alone_is_lost(redis, store, caplog)


@pytest.mark.parametrize("key", [keys.session, keys.messages], ids=["head", "messages"])
async def test_nor_does_one_that_something_else_stands_in_the_place_of(
    redis: Redis,
    store: SessionStore,
    caplog: pytest.LogCaptureFixture,
    key: Callable[[str, str], str],
) -> None:
    for session_id in ("s1", "s2", "damaged-session"):
        await store.create(USER, session_id, {"role": "assistant", "title": "A secret"}, SAID)
    await redis.set(key(USER, "damaged-session"), "{oops")
    assert await store.latest_with_role(USER, "assistant") == "s2"
    state = await store.read(USER, "damaged-session")
    assert state.messages.items == (SAID if key is keys.session else [])
    with pytest.raises(SessionUnreadable):
        assert state.session
    await assert_that_one_alone_is_lost(redis, store, caplog)


async def assert_that_one_alone_is_lost(
    redis: Redis, store: SessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    for query in ("", "secret"):
        assert [session.id for session in await store.sessions(USER, query)] == ["s2", "s1"]
    assert list((await store.latest_sessions(USER)).unreadable) == ["damaged-session"]
    assert [record.message for record in caplog.records] == ["session damaged-… cannot be read, 1 so far"]
    for read in (store.get, store.get_with_messages):
        with pytest.raises(SessionUnreadable):
            await read(USER, "damaged-session")
    await store.delete(USER, "damaged-session")
    assert [key for key in await redis.keys("*") if "damaged" in key] == []
    with pytest.raises(SessionNotFound):
        await store.get(USER, "damaged-session")


async def test_somebody_elses_session_is_not_found(store: SessionStore, session: str) -> None:
    with pytest.raises(SessionNotFound):
        await store.get("u_eve", session)
    assert await store.sessions("u_eve") == []
    assert (await store.messages("u_eve", session)).items == []


@pytest.mark.parametrize("change", ["update", "clear"])
async def test_somebody_elses_session_cannot_be_changed(
    redis: Redis, store: SessionStore, session: str, change: str
) -> None:
    await append(store, question())
    before = await dump(redis)
    with pytest.raises(SessionNotFound):
        await (
            store.clear("u_eve", session) if change == "clear" else store.update("u_eve", session, title="x")
        )
    with pytest.raises(SessionNotFound):
        await store.delete("u_eve", session)
    assert await dump(redis) == before


async def test_sessions_come_with_the_one_changed_last_first(store: SessionStore) -> None:
    for session_id in ("s1", "s2", "s3"):
        await store.create(USER, session_id, {"role": "assistant"})
    await store.update(USER, "s2", title="A new name is no news")
    await store.clear(USER, "s1")
    assert [session.id for session in await store.sessions(USER)] == ["s1", "s3", "s2"]


@pytest.mark.parametrize(
    ("query", "found"),
    [("rain", ["s2", "s1"]), ("RAIN", ["s2", "s1"]), ("title", ["s2"]), ("snow", []), ("天空", ["s1"])],
)
async def test_a_query_finds_titles_and_messages_in_any_case(
    store: SessionStore, log: TurnLog, query: str, found: list[str]
) -> None:
    for session_id in ("s1", "s2", "s3"):
        await store.create(USER, session_id, {"role": "assistant"})
    await log.claim(USER, "s1", question("t1", "Why does it rain? 天空"), head={})
    await store.update(USER, "s2", title="A title about Rain")
    await store.create("u_other", "s4", {"role": "assistant"})
    await store.update("u_other", "s4", title="rain elsewhere")
    assert sorted(s.id for s in await store.sessions(USER, query)) == sorted(found)


async def test_a_query_goes_through_many_sessions_and_keeps_their_order(store: SessionStore) -> None:
    for number in range(45):
        said = "Rain" if number in (0, 19, 20, 44) else "Snow"
        title = "On rain" if number == 30 else ""
        await store.create(USER, f"s{number}", {"role": "assistant", "title": title}, [question(text=said)])
    found = [session.id for session in await store.sessions(USER, "rain")]
    assert found == ["s44", "s30", "s20", "s19", "s0"]


async def test_a_pinned_session_and_the_list_it_stands_in_never_expire(
    redis: Redis, store: SessionStore, log: TurnLog, session: str
) -> None:
    await store.pin(USER, session, True)
    await log.claim(USER, session, question_with_images("t1", "i1"), head={}, images=urls("i1"))
    await store.create(USER, "another", {"role": "assistant"})
    kept = [keys.session(USER, session), keys.messages(USER, session), keys.images(USER, session)]
    listed = [keys.sessions(USER), keys.pinned(USER)]
    assert [await redis.ttl(key) for key in kept + listed] == [-1, -1, -1, -1, -1]
    assert await redis.ttl(keys.session(USER, "another")) > 0
    found = await store.get(USER, session)
    assert (found.pinned, found.expires_at) == (True, None)

    await store.pin(USER, session, False)
    assert all([await redis.ttl(key) > 0 for key in [*kept, keys.sessions(USER)]])
    found = await store.get(USER, session)
    assert not found.pinned
    assert found.expires_at is not None
    assert found.expires_at > found.updated_at


async def test_pinning_is_no_news(store: SessionStore) -> None:
    for session_id in ("s1", "s2"):
        await store.create(USER, session_id, {"role": "assistant"})
    before = await store.get(USER, "s1")
    await store.pin(USER, "s1", True)
    assert (await store.get(USER, "s1")).updated_at == before.updated_at
    assert [session.id for session in await store.sessions(USER)] == ["s2", "s1"]


async def test_expired_sessions_leave_the_list(redis: Redis, store: SessionStore) -> None:
    for session_id in ("s1", "s2"):
        await store.create(USER, session_id, {"role": "assistant"})
    await redis.delete(keys.session(USER, "s1"))
    assert [session.id for session in await store.sessions(USER)] == ["s2"]
    assert await redis.zrange(keys.sessions(USER), 0, -1) == ["s2"]


@pytest.mark.parametrize(
    ("limit", "including", "ids", "older"),
    [
        (0, "", ["s6", "s5", "s4", "s3", "s2", "s1"], 0),
        (2, "", ["s6", "s5", "s4", "s2"], 2),
        (2, "s1", ["s6", "s5", "s4", "s2", "s1"], 1),
        (2, "s5", ["s6", "s5", "s4", "s2"], 2),
        (2, "s2", ["s6", "s5", "s4", "s2"], 2),
        (2, "of somebody else", ["s6", "s5", "s4", "s2"], 2),
        (9, "", ["s6", "s5", "s4", "s3", "s2", "s1"], 0),
    ],
    ids=[
        "all",
        "the latest",
        "the open one too",
        "which is new",
        "which is pinned",
        "not one's own",
        "fewer",
    ],
)
async def test_the_latest_sessions_come_with_the_pinned_and_the_open_one(
    store: SessionStore, limit: int, including: str, ids: list[str], older: int
) -> None:
    await store.create("u_eve", "of somebody else", {"role": "assistant"})
    for number in range(1, 7):
        await store.create(USER, f"s{number}", {"role": "assistant"})
    await store.pin(USER, "s2", True)
    await store.pin(USER, "s6", True)
    found = await store.latest_sessions(USER, limit, including)
    assert ([session.id for session in found.items], found.older) == (ids, older)
    everything = {session.id: session for session in await store.sessions(USER)}
    assert found.items == [everything[session_id] for session_id in ids]


async def test_many_sessions_are_read_some_at_a_time(
    redis: Redis, store: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_core.storage.sessions._LISTED_AT_ONCE", 2)
    for number in range(1, 9):
        await store.create(USER, f"s{number}", {"role": "assistant"})
    await store.pin(USER, "s2", True)
    await redis.delete(keys.session(USER, "s3"))
    found = await store.latest_sessions(USER)
    assert [session.id for session in found.items] == ["s8", "s7", "s6", "s5", "s4", "s2", "s1"]
    assert [session.id for session in found.items if session.pinned] == ["s2"]
    assert found.older == 0


async def test_expired_sessions_are_neither_listed_nor_counted(redis: Redis, store: SessionStore) -> None:
    for number in range(1, 7):
        await store.create(USER, f"s{number}", {"role": "assistant"})
    await store.pin(USER, "s1", True)
    await redis.delete(*(keys.session(USER, gone) for gone in ("s1", "s2", "s6")))
    found = await store.latest_sessions(USER, 2)
    assert ([session.id for session in found.items], found.older) == (["s5", "s4"], 1)
    assert await redis.zrange(keys.sessions(USER), 0, -1) == ["s3", "s4", "s5"]
    assert await redis.smembers(keys.pinned(USER)) == set()


async def test_the_list_of_a_user_without_sessions_is_empty(store: SessionStore) -> None:
    assert await store.sessions("u_nobody") == []


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(0, "abcd"), (1, "d"), (2, "cd"), (4, "abcd"), (9, "abcd")],
    ids=["all", "the latest", "two", "just all", "more than there are"],
)
async def test_messages_are_the_latest_and_come_oldest_first(
    redis: Redis, store: SessionStore, session: str, limit: int, expected: str
) -> None:
    await append(store, *(question(text=text) for text in "abcd"))
    found = await store.messages(USER, session, limit)
    assert "".join(message.content for message in found.items) == expected
    assert found.unreadable == 0


@pytest.mark.parametrize(
    ("max_messages", "expected"), [(0, "abcdef"), (1, "f"), (4, "cdef")], ids=["all", "one", "four"]
)
async def test_only_the_latest_messages_are_kept(
    redis: Redis, clock: Clock, max_messages: int, expected: str
) -> None:
    store = SessionStore(redis, max_messages=max_messages, ttl_seconds=TTL_SECONDS, clock=clock)
    await store.create(USER, SESSION, {"role": "assistant"})
    for text in "abcdef":
        await append(store, question(text=text))
    found = await store.messages(USER, SESSION)
    assert "".join(message.content for message in found.items) == expected
    session = await store.get(USER, SESSION)
    assert (session.messages, session.dropped) == (len(expected), 6 - len(expected))


async def test_what_the_limit_has_dropped_is_counted_until_the_session_is_cleared(
    redis: Redis, clock: Clock
) -> None:
    store = SessionStore(redis, max_messages=2, ttl_seconds=TTL_SECONDS, clock=clock)
    await store.create(USER, SESSION, {"role": "assistant"}, [question(text=text) for text in "abcde"])
    session, stored = await store.get_with_messages(USER, SESSION, limit=1)
    assert (session.dropped, stored.dropped, stored.older) == (3, 3, 1)
    await store.update(USER, SESSION, title="Plans")
    assert (await store.get(USER, SESSION)).dropped == 3
    await store.clear(USER, SESSION)
    assert (await store.get(USER, SESSION)).dropped == 0


async def test_every_field_of_a_message_survives(redis: Redis, store: SessionStore, session: str) -> None:
    messages = [question(text="  两行\n🙂 \x00 "), answer(text="```\n<b>", reasoning="Hm.")]
    await append(store, *messages)
    assert (await store.messages(USER, session)).items == messages


async def test_a_row_that_cannot_be_read_is_counted_logged_and_left_out(
    redis: Redis, store: SessionStore, session: str, caplog: pytest.LogCaptureFixture
) -> None:
    await append(store, question())
    await redis.rpush(keys.messages(USER, session), "a secret {", '{"id": "no more"}')
    await append(store, answer())
    with caplog.at_level(logging.WARNING):
        found = await store.messages(USER, session)
    assert (found.items, found.unreadable) == ([question(), answer()], 2)
    assert "2 stored messages cannot be read" in caplog.text
    assert "secret" not in caplog.text


async def test_a_row_of_a_later_version_is_read(redis: Redis, store: SessionStore, session: str) -> None:
    row = question().to_json().replace("{", '{"from_the_future": [1], ', 1)
    await redis.rpush(keys.messages(USER, session), row)
    assert await store.messages(USER, session) == StoredMessages([question()])


async def test_clearing_removes_what_was_said_and_keeps_the_session(
    redis: Redis, store: SessionStore, log: TurnLog, session: str
) -> None:
    await store.update(USER, session, title="Old", role="teacher")
    await log.claim(USER, session, question_with_images("t1", "i1"), head={}, images=urls("i1"))
    await log.finish(USER, session, "t1", done())
    assert await store.clear(USER, session) == 2
    cleared = await store.get(USER, session)
    assert (cleared.title, cleared.messages, cleared.last_turn) == ("", 0, "")
    assert cleared.role == "teacher"
    assert set(await redis.keys("*")) == {keys.sessions(USER), keys.session(USER, session)}
    assert await store.clear(USER, session) == 0


async def test_renaming_changes_only_the_title(store: SessionStore, session: str) -> None:
    before = await store.get(USER, session)
    await store.update(USER, session, title="Plans")
    after = await store.get(USER, session)
    changed = {"title": "Plans", "revision": before.revision + 1}
    assert after == before.model_copy(update=changed)


async def test_deleting_leaves_nothing_of_the_session_behind(
    redis: Redis, store: SessionStore, log: TurnLog, session: str
) -> None:
    for turn_id in ("t1", "t2", "t3"):
        await log.claim(USER, session, question_with_images(turn_id, turn_id), head={}, images=urls(turn_id))
        live = _written(turn_id)
        await log.flush([live])
        await log.request_stop(USER, turn_id)
        if turn_id != "t3":
            await log.finish(USER, session, turn_id, done(turn_id), position=live.position)
    await store.delete(USER, session)
    assert await redis.keys("*") == []
    assert await store.sessions(USER) == []
    with pytest.raises(SessionNotFound):
        await store.get(USER, session)


async def test_deleting_one_session_leaves_the_others_alone(
    redis: Redis, store: SessionStore, session: str
) -> None:
    other = await store.create(USER, "s2", {"role": "assistant"})
    await append(store, question())
    await store.delete(USER, "s2")
    assert [kept.id for kept in await store.sessions(USER)] == [session]
    with pytest.raises(SessionNotFound):
        await store.delete(USER, other.id)
    assert (await store.messages(USER, session)).items == [question()]


@pytest.mark.parametrize("change", ["update", "clear"])
async def test_a_change_does_not_bring_a_deleted_session_back(
    redis: Redis, store: SessionStore, session: str, change: str
) -> None:
    await store.delete(USER, session)
    with pytest.raises(SessionNotFound):
        await (store.clear(USER, session) if change == "clear" else store.update(USER, session, title="x"))
    assert await redis.keys("*") == []


async def test_a_change_and_a_deletion_at_once_leave_all_or_nothing(
    redis: Redis, store: SessionStore
) -> None:
    for number in range(20):
        session_id = f"s{number}"
        await store.create(USER, session_id, {"role": "assistant"})
        changes = [store.update(USER, session_id, title="x"), store.clear(USER, session_id)]
        await asyncio.gather(*changes, store.delete(USER, session_id), return_exceptions=True)
    assert await redis.keys("*") == []


async def test_the_revision_grows_with_every_change(
    redis: Redis, store: SessionStore, log: TurnLog, session: str
) -> None:
    revisions = [(await store.get(USER, session)).revision]
    for change in (
        lambda: store.update(USER, session, title="x"),
        lambda: log.claim(USER, session, question(), head={}),
        lambda: log.finish(USER, session, "t1", done()),
        lambda: log.replace_recovered_reply(USER, session, done(text="Because of this.")),
        lambda: store.clear(USER, session),
    ):
        await change()
        revisions.append((await store.get(USER, session)).revision)
    assert revisions == sorted(set(revisions))


@pytest.mark.parametrize("ttl_seconds", [TTL_SECONDS, 0], ids=["some time", "for ever"])
async def test_all_of_a_session_is_kept_for_the_same_time_after_every_write(
    redis: Redis, clock: Clock, ttl_seconds: int
) -> None:
    store = SessionStore(redis, max_messages=20, ttl_seconds=ttl_seconds, clock=clock)
    log = TurnLog(redis, store)
    live = _written("t1")
    writes = {
        "create": lambda: store.create(USER, SESSION, {"role": "assistant"}),
        "rename": lambda: store.update(USER, SESSION, title="x"),
        "claim": lambda: log.claim(
            USER, SESSION, question_with_images("t1", "i1"), head={}, images=urls("i1")
        ),
        "flush": lambda: log.flush([live]),
        "rename while it runs": lambda: store.update(USER, SESSION, title="y"),
        "finish": lambda: log.finish(USER, SESSION, "t1", done(), live.read(live.logged), live.position),
        "correct": lambda: log.replace_recovered_reply(USER, SESSION, done(text="No.")),
        "rename at the end": lambda: store.update(USER, SESSION, title="z"),
        "clear": lambda: store.clear(USER, SESSION),
    }
    passing = {keys.lease(USER, SESSION), keys.stop(USER, "t1")}  # these end with the turn
    for name, write in writes.items():
        for key in await redis.keys("*"):
            if ttl_seconds and key not in passing:
                await redis.expire(key, 60)  # as if all this were a while ago
        await write()
        lasting = set(await redis.keys("*")) - passing
        assert (keys.images(USER, SESSION) in lasting) is (keys.messages(USER, SESSION) in lasting)
        if name == "flush":  # comes several times a second and touches nothing but its log
            lasting = {keys.log(USER, "t1")}
        left = {key: await redis.ttl(key) for key in lasting}
        expected = range(TTL_SECONDS - 5, TTL_SECONDS + 1) if ttl_seconds else [-1]
        assert left, name
        assert {key: ttl for key, ttl in left.items() if ttl not in expected} == {}, name


async def test_a_session_says_whether_a_turn_runs(store: SessionStore, log: TurnLog, session: str) -> None:
    async def heads() -> list[Session]:
        return [await store.get(USER, session), *(await store.sessions(USER))]

    await log.claim(USER, session, question(), head={})
    assert [(head.running, head.last_turn) for head in await heads()] == [(True, "t1")] * 2
    await log.finish(USER, session, "t1", done())
    assert [(head.running, head.last_turn) for head in await heads()] == [(False, "t1")] * 2


@pytest.mark.parametrize("known", [True, False], ids=["stored", "not stored"])
async def test_a_message_is_replaced_only_where_it_is(
    redis: Redis, store: SessionStore, session: str, known: bool
) -> None:
    await append(store, question("t1"), answer("t1"), question("t2"))
    before = await dump(redis)
    better = answer("t1" if known else "t9", text="Because of this.")
    assert await store.replace(USER, session, lambda _: {better.id: better}) is known
    if known:
        expected = [question("t1"), better, question("t2")]
        assert (await store.messages(USER, session)).items == expected
    else:
        assert await dump(redis) == before


async def test_when_the_last_turn_is_removed_the_one_before_is_the_last_again(
    redis: Redis, store: SessionStore, log: TurnLog, session: str
) -> None:
    for turn_id in ("t1", "t2"):
        await log.claim(USER, session, question(turn_id), head={})
        await log.finish(USER, session, turn_id, done(turn_id))
    await store.pin(USER, session, True)
    for message_id, last_turn in (("t2-message", "t1"), ("t1-message", "")):
        await store.truncate(USER, session, message_id, restore_id="r1")
        assert (await store.get(USER, session)).last_turn == last_turn
    assert 0 < await redis.ttl(keys.log(USER, "t2")) <= 60  # of a pinned session too


async def undo(store: SessionStore, log: TurnLog, *turn_ids: str) -> None:
    """Says this, and takes the last of it back."""
    for turn_id in turn_ids:
        await log.claim(USER, SESSION, question(turn_id), head={})
        await log.finish(USER, SESSION, turn_id, done(turn_id))
    await store.truncate(USER, SESSION, f"{turn_ids[-1]}-message", restore_id=f"undo-{turn_ids[-1]}")


async def test_what_was_taken_back_is_restored_once_with_its_log(
    redis: Redis, store: SessionStore, log: TurnLog, session: str
) -> None:
    await undo(store, log, "t1", "t2")
    assert 0 < await redis.ttl(keys.undone(USER, session)) <= 600
    await store.restore(USER, session, "undo-t2")
    expected = [question("t1"), answer("t1"), question("t2"), answer("t2")]
    assert (await store.messages(USER, session)).items == expected
    assert (await store.get(USER, session)).last_turn == "t2"
    assert await redis.ttl(keys.log(USER, "t2")) > 600
    before = await dump(redis)
    with pytest.raises(MessageNotFound):
        await store.restore(USER, session, "undo-t2")
    assert await dump(redis) == before


@pytest.mark.parametrize("went_on", ["", "t3"], ids=["went on and ended", "runs"])
async def test_nothing_is_restored_into_a_conversation_that_has_gone_on(
    redis: Redis, store: SessionStore, log: TurnLog, session: str, went_on: str
) -> None:
    await undo(store, log, "t1", "t2")
    await log.claim(USER, session, question("t3"), head={})
    if not went_on:
        await log.finish(USER, session, "t3", done("t3"))
    before = await dump(redis)
    with pytest.raises(SessionBusy if went_on else SessionChanged):
        await store.restore(USER, session, "undo-t2")
    assert await dump(redis) == before


async def test_a_message_that_comes_while_another_is_restored_is_not_overtaken(
    store: SessionStore, log: TurnLog, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await undo(store, log, "t1", "t2")
    commit = store.commit

    async def late(change: Change) -> list[object] | None:
        monkeypatch.setattr(store, "commit", commit)
        await log.claim(USER, session, question("t3"), head={})
        return await commit(change)

    monkeypatch.setattr(store, "commit", late)
    with pytest.raises(SessionBusy):
        await store.restore(USER, session, "undo-t2")
    assert [m.turn_id for m in (await store.messages(USER, session)).items] == ["t1", "t1", "t3"]


@pytest.mark.parametrize("removal", ["clear", "delete"])
async def test_what_was_taken_back_goes_with_its_session(
    redis: Redis, store: SessionStore, log: TurnLog, session: str, removal: str
) -> None:
    await undo(store, log, "t1")
    await getattr(store, removal)(USER, session)
    assert not await redis.exists(keys.undone(USER, session))
    with pytest.raises(MessageNotFound if removal == "clear" else SessionNotFound):
        await store.restore(USER, session, "undo-t1")


@pytest.mark.parametrize("change", ["clear", "truncate", "restore"])
async def test_a_change_whose_answer_got_lost_is_found_done(
    store: SessionStore, session: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    await append(store, question("t1"), answer("t1"), question("t2"))
    await store.update(USER, session, last_turn="t2")
    if change == "restore":
        await store.truncate(USER, session, "t2-message", restore_id="r1")
    commit = store.commit

    async def lost(planned: Change) -> None:
        monkeypatch.setattr(store, "commit", commit)
        await commit(planned)

    monkeypatch.setattr(store, "commit", lost)
    if change == "clear":
        assert await store.clear(USER, session, last_turn="t2") == 3
        assert (await store.messages(USER, session)).items == []
    elif change == "restore":
        await store.restore(USER, session, "r1")
        assert (await store.messages(USER, session)).items == [question("t1"), answer("t1"), question("t2")]
    else:
        await store.truncate(USER, session, "t2-message", restore_id="r1", last_turn="t2")
        assert (await store.messages(USER, session)).items == [question("t1"), answer("t1")]


def _written(turn_id: str) -> LiveTurn:
    live = LiveTurn(turn_id, USER, SESSION)
    live.append("text", "Because.")
    return live
