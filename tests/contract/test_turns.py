"""A turn in the log: claimed by one, written by its process, ended once, recovered when that has died."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from chat_core.errors import ModelStalled, SessionBusy, SessionNotFound
from chat_core.messages import StoredMessages, TurnEnd, TurnError
from chat_core.storage import Change, ScriptCall, SessionStore, keys, run_scripts_in_order
from chat_core.turns import LiveTurn, TurnLog, TurnState

from .conftest import (
    SESSION,
    USER,
    answer,
    append,
    die,
    done,
    dump,
    question,
    question_with_images,
    read,
    urls,
)

LEASE, LOG = keys.lease(USER, SESSION), keys.log(USER, "t1")


@pytest.fixture
async def turn(log: TurnLog, session: str) -> LiveTurn:
    """The claimed turn t1."""
    await log.claim(USER, session, question(), head={})
    return LiveTurn("t1", USER, session)


async def finish(log: TurnLog, live: LiveTurn, end: TurnEnd | None = None) -> bool:
    end = end or done(live.id, live.text("text"))
    return await log.finish(USER, SESSION, live.id, end, live.read(live.logged), live.position)


async def contents(store: SessionStore) -> list[str]:
    return [message.content for message in (await store.messages(USER, SESSION)).items]


# Claim


async def test_a_claim_stores_the_message_once_and_returns_what_was_said_before(
    redis: Redis, store: SessionStore, log: TurnLog, session: str
) -> None:
    earlier = [question("t0", "Before"), answer("t0")]
    await append(store, *earlier)
    history = await log.claim(USER, session, question(), head={"role": "teacher", "model": "m"})
    assert history == StoredMessages(earlier)
    assert (await store.messages(USER, session)).items == [*earlier, question()]
    head = await store.get(USER, session)
    assert (head.role, head.model, head.last_turn, head.running) == ("teacher", "m", "t1", True)


async def test_the_history_is_whole_even_when_the_new_message_pushes_the_oldest_out(redis: Redis) -> None:
    store = SessionStore(redis, max_messages=2, ttl_seconds=0)
    await store.create(USER, SESSION, {"role": "assistant"})
    earlier = [question("t0", "Before"), answer("t0")]
    await append(store, *earlier)
    assert await TurnLog(redis, store).claim(USER, SESSION, question(), head={}) == StoredMessages(earlier)
    assert (await store.messages(USER, SESSION)).items == [earlier[1], question()]


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("What is love?", "What is love?"),
        ("\n \n  First   line \nsecond", "First line"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
    ],
    ids=["one line", "blank lines and spaces", "as long as it may be", "too long"],
)
async def test_the_first_line_of_the_first_message_becomes_the_title(
    store: SessionStore, log: TurnLog, session: str, message: str, title: str
) -> None:
    await log.claim(USER, session, question(text=message), head={})
    assert (await store.get(USER, session)).title == title


async def test_a_title_is_kept(store: SessionStore, log: TurnLog, session: str) -> None:
    await store.update(USER, session, title="Mine")
    await log.claim(USER, session, question(), head={})
    assert (await store.get(USER, session)).title == "Mine"


async def test_an_unknown_session_cannot_be_claimed(redis: Redis, log: TurnLog) -> None:
    with pytest.raises(SessionNotFound):
        await log.claim(USER, "nowhere", question(), head={})
    assert await redis.keys("*") == []


async def test_somebody_elses_session_cannot_be_claimed(redis: Redis, log: TurnLog, session: str) -> None:
    before = await dump(redis)
    with pytest.raises(SessionNotFound):
        await log.claim("u_eve", session, question(), head={})
    assert await dump(redis) == before


async def test_a_running_turn_keeps_others_out_and_they_change_nothing(
    redis: Redis, log: TurnLog, session: str, turn: LiveTurn
) -> None:
    before = await dump(redis)
    with pytest.raises(SessionBusy) as caught:
        await log.claim(
            USER, session, question_with_images("t2", "i"), head={"role": "teacher"}, images=urls("i")
        )
    assert caught.value.turn_id == "t1"
    assert await dump(redis) == before


@pytest.mark.parametrize("dead", [False, True], ids=["in a free session", "after a dead turn"])
async def test_of_many_claims_at_once_exactly_one_wins(
    redis: Redis,
    store: SessionStore,
    log: TurnLog,
    session: str,
    dead: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = []
    if dead:
        await log.claim(USER, session, question("t0", "Before"), head={})
        live = LiveTurn("t0", USER, session)
        live.append("text", "Half")
        await log.flush([live])
        await die(redis)
        before = ["Before", "Half"]
    _meet(monkeypatch, 8)
    claims = [log.claim(USER, session, question(f"t{n}", str(n)), head={}) for n in range(1, 9)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    won = [n for n, result in enumerate(results, 1) if not isinstance(result, BaseException)]
    assert len(won) == 1
    assert all(isinstance(result, SessionBusy) for n, result in enumerate(results, 1) if n not in won)
    assert await contents(store) == [*before, str(won[0])]
    assert await redis.get(LEASE) == f"t{won[0]}"


async def test_a_claim_whose_answer_got_lost_is_not_done_twice(
    store: SessionStore, log: TurnLog, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lose_an_answer(monkeypatch)
    assert await log.claim(
        USER, session, question_with_images("t1", "i"), head={}, images=urls("i")
    ) == StoredMessages([])
    assert await contents(store) == ["Why?"]
    assert await store.images(USER, session, ["i"]) == urls("i")


async def test_a_claim_ends_the_life_of_the_log_before_soon(
    redis: Redis, log: TurnLog, turn: LiveTurn
) -> None:
    await finish(log, turn)
    await log.claim(USER, SESSION, question("t2"), head={})
    assert 0 < await redis.ttl(LOG) <= 60


# Images


async def talk(log: TurnLog, turn_id: str, *image_ids: str, **place: Any) -> None:
    """A whole turn, whose message has new images of these ids."""
    new = urls(*image_ids)
    await log.claim(USER, SESSION, question_with_images(turn_id, *image_ids), head={}, images=new, **place)
    await log.finish(USER, SESSION, turn_id, done(turn_id))


async def test_images_are_stored_with_their_message_and_read_by_their_ids(
    store: SessionStore, log: TurnLog, session: str
) -> None:
    await talk(log, "t1", "a", "b")
    await talk(log, "t2", "c")
    assert await store.images(USER, session, ["c", "a"]) == urls("a", "c")
    assert await store.images(USER, session, ["gone", "b"]) == urls("b")
    assert await store.images("u_eve", session, ["a"]) == {}
    assert (await store.messages(USER, session)).items[0] == question_with_images("t1", "a", "b")


async def test_for_no_images_the_store_is_not_asked(
    store: SessionStore, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Redis, "execute_command", None)
    assert await store.images(USER, session, []) == {}


async def undo(log: TurnLog, store: SessionStore) -> None:
    await store.truncate(USER, SESSION, "t2-message", restore_id="r1")
    await talk(log, "t3")


async def correct(log: TurnLog, store: SessionStore) -> None:
    await talk(log, "t3", replaces="t2-message")


async def correct_with_another(log: TurnLog, store: SessionStore) -> None:
    await talk(log, "t3", "c", replaces="t2-message")


async def go_on(log: TurnLog, store: SessionStore) -> None:
    await talk(log, "t3")


async def fill(log: TurnLog, store: SessionStore) -> None:
    for turn_id in ("t3", "t4", "t5", "t6"):
        await talk(log, turn_id)


@pytest.mark.parametrize(
    ("change", "left"),
    [(undo, "a"), (correct, "a"), (correct_with_another, "ac"), (go_on, "ab"), (fill, "")],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else value or "none",
)
async def test_images_go_with_the_messages_they_belong_to(
    redis: Redis, change: Callable[[TurnLog, SessionStore], Awaitable[None]], left: str
) -> None:
    store = SessionStore(redis, max_messages=6, ttl_seconds=0)
    log = TurnLog(redis, store)
    await store.create(USER, SESSION, {"role": "assistant"})
    await talk(log, "t1", "a")
    await talk(log, "t2", "b")
    await change(log, store)
    assert await redis.hgetall(keys.images(USER, SESSION)) == urls(*left)


async def test_a_message_that_is_tried_again_keeps_its_images_and_those_of_earlier_versions(
    redis: Redis, log: TurnLog, session: str
) -> None:
    await talk(log, "t1", "a")
    reply = answer("t1").model_copy(update={"images": question_with_images("t1", "b").images})
    message = question_with_images("t2", "a").model_copy(update={"versions": (reply,)})
    await redis.hset(keys.images(USER, session), mapping=urls("b", "c"))
    await log.claim(USER, session, message, head={}, replaces="t1-message")
    assert await redis.hgetall(keys.images(USER, session)) == urls("a", "b")


async def test_the_images_of_a_message_that_is_just_pushed_out_can_still_be_sent(redis: Redis) -> None:
    store = SessionStore(redis, max_messages=2, ttl_seconds=0)
    log = TurnLog(redis, store)
    await store.create(USER, SESSION, {"role": "assistant"})
    await talk(log, "t1", "a")
    history = await log.claim(USER, SESSION, question("t2"), head={})
    assert history.items[0].images == question_with_images("t1", "a").images
    assert await store.images(USER, SESSION, ["a"]) == urls("a")


async def test_a_claim_made_of_an_old_reading_leaves_the_turn_alone_that_runs_now(
    store: SessionStore, log: TurnLog, session: str
) -> None:
    await talk(log, "t1", "a")
    state = await store.read(USER, session, 1)  # of images all rows are needed: it is read again
    await log.claim(USER, session, question("t2"), head={})
    with pytest.raises(SessionBusy):
        await log.claim(USER, session, question("t3"), head={}, state=state)


# Flush


async def test_the_ids_in_the_log_are_positions(redis: Redis, log: TurnLog, turn: LiveTurn) -> None:
    turn.append("reasoning", "Hm, ")
    turn.append("reasoning", "so.")
    turn.append("text", "你好🙂")
    await log.flush([turn])
    turn.append("text", "!")
    await log.flush([turn])
    assert await redis.xrange(LOG) == [
        ("7-0", {"reasoning": "Hm, so."}),
        ("10-0", {"text": "你好🙂"}),
        ("11-0", {"text": "!"}),
    ]
    assert turn.logged == turn.position == 11


async def test_a_flush_of_nothing_new_writes_nothing(redis: Redis, log: TurnLog, turn: LiveTurn) -> None:
    assert await log.flush([turn]) == [TurnState(open=True, stop_requested=False)]
    assert await redis.exists(LOG) == 0
    assert await log.flush([]) == []


async def test_a_flush_whose_answer_got_lost_is_repeated_without_harm(
    redis: Redis, log: TurnLog, turn: LiveTurn
) -> None:
    turn.append("text", "Once")
    await log.flush([turn])
    before = await dump(redis)
    turn.logged = 0
    assert await log.flush([turn]) == [TurnState(open=True, stop_requested=False)]
    assert await dump(redis) == before


async def test_what_is_written_again_in_another_cut_is_read_once(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    for text in ("Once ", "upon ", "a ", "time"):
        written = turn.logged
        turn.append("text", text)
        await log.flush([turn])
        turn.logged = written if text == "upon " else turn.logged  # that answer got lost
    assert await redis.xlen(LOG) == 4
    await die(redis)
    text, end = await read(log.follow(USER, SESSION, "t1"))
    assert text == "Once upon a time"
    assert end.message is not None
    assert end.message.content == text


async def test_a_flush_renews_the_lease(redis: Redis, log: TurnLog, turn: LiveTurn) -> None:
    await redis.pexpire(LEASE, 500)
    await log.flush([turn])
    assert 4000 < await redis.pttl(LEASE) <= 5000


async def test_a_lease_that_ran_out_is_taken_again_while_the_turn_is_open(
    redis: Redis, log: TurnLog, turn: LiveTurn
) -> None:
    await die(redis)
    turn.append("text", "Still here")
    assert await log.flush([turn]) == [TurnState(open=True, stop_requested=False)]
    assert await redis.get(LEASE) == "t1"
    assert await redis.xlen(LOG) == 1


async def test_a_flush_hears_that_somebody_wants_to_stop(log: TurnLog, turn: LiveTurn) -> None:
    await log.request_stop(USER, "t1")
    assert await log.flush([turn]) == [TurnState(open=True, stop_requested=True)]


async def recovered(log: TurnLog, redis: Redis, store: SessionStore) -> None:
    await die(redis)
    assert await log.recover(USER, SESSION)


async def recovered_and_followed_by_another(log: TurnLog, redis: Redis, store: SessionStore) -> None:
    await recovered(log, redis, store)
    await log.claim(USER, SESSION, question("t2"), head={})


async def cleared(log: TurnLog, redis: Redis, store: SessionStore) -> None:
    await store.clear(USER, SESSION)


async def deleted(log: TurnLog, redis: Redis, store: SessionStore) -> None:
    await store.delete(USER, SESSION)


Closing = Callable[[TurnLog, Redis, SessionStore], Awaitable[None]]
closings = pytest.mark.parametrize(
    "close",
    [recovered, recovered_and_followed_by_another, cleared, deleted],
    ids=lambda close: close.__name__.replace("_", " "),
)


@closings
async def test_the_process_of_a_turn_closed_by_others_changes_nothing_any_more(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn, close: Closing
) -> None:
    turn.append("text", "Some")
    await log.flush([turn])
    await close(log, redis, store)
    before = await dump(redis)
    turn.append("text", " more")
    assert await log.flush([turn]) == [TurnState(open=False, stop_requested=False)]
    turn.logged = 0
    assert not await finish(log, turn)
    assert await dump(redis) == before


@pytest.mark.parametrize(
    ("close", "kept"),
    [
        (recovered, ["Why?", "Some more"]),
        (recovered_and_followed_by_another, ["Why?", "Some more", "Why?"]),
        (cleared, []),
        (deleted, []),
    ],
    ids=["recovered", "recovered and followed by another", "cleared", "deleted"],
)
async def test_the_process_that_ran_a_turn_knows_best_what_the_reply_was(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn, close: Closing, kept: list[str]
) -> None:
    turn.append("text", "Some")
    await log.flush([turn])
    await close(log, redis, store)
    assert await log.replace_recovered_reply(USER, SESSION, done(text="Some more")) is bool(kept)
    assert await contents(store) == kept


async def test_one_closed_turn_does_not_disturb_the_flush_of_others(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    await store.create(USER, "s2", {"role": "assistant"})
    await log.claim(USER, "s2", question("t2"), head={})
    other = LiveTurn("t2", USER, "s2")
    for live in (turn, other):
        live.append("text", "Hi")
    await store.delete(USER, SESSION)
    assert await log.flush([turn, other]) == [
        TurnState(open=False, stop_requested=False),
        TurnState(open=True, stop_requested=False),
    ]
    assert await redis.xrange(keys.log(USER, "t2")) == [("2-0", {"text": "Hi"})]


async def test_a_flush_that_cannot_write_says_so_and_forgets_nothing(
    redis: Redis, log: TurnLog, turn: LiveTurn
) -> None:
    await redis.set(LOG, "in the way")
    turn.append("text", "Hi")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await log.flush([turn])
    assert turn.logged == 0
    await redis.delete(LOG)
    await log.flush([turn])
    assert await redis.xrange(LOG) == [("2-0", {"text": "Hi"})]


# Finish


async def test_a_finished_turn_is_stored_logged_and_free(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    turn.append("text", "Because")
    await log.flush([turn])
    await log.request_stop(USER, "t1")
    turn.append("text", ".")
    assert await finish(log, turn)
    assert (await store.messages(USER, SESSION)).items == [question(), answer()]
    assert [entry_id for entry_id, _ in await redis.xrange(LOG)] == ["7-0", "8-0", "8-1"]
    assert await redis.exists(LEASE, keys.stop(USER, "t1")) == 0
    assert await log.open_turn(USER, SESSION) == ""
    assert await log.claim(USER, SESSION, question("t2"), head={}) == StoredMessages([question(), answer()])


async def test_a_second_finish_changes_nothing(redis: Redis, log: TurnLog, turn: LiveTurn) -> None:
    turn.append("text", "Because.")
    assert await finish(log, turn)
    before = await dump(redis)
    assert not await finish(log, turn, TurnEnd(status="interrupted", message=answer(text="Else")))
    assert await dump(redis) == before


async def test_a_server_that_has_forgotten_the_scripts_is_sent_them_again(
    redis: Redis, log: TurnLog, turn: LiveTurn
) -> None:
    turn.append("text", "One, ")
    await redis.script_flush()
    await log.flush([turn])
    turn.append("text", "two.")
    await redis.script_flush()
    assert await finish(log, turn)
    assert await redis.xrange(LOG, max="9-0") == [("5-0", {"text": "One, "}), ("9-0", {"text": "two."})]


async def test_of_many_ends_at_once_one_counts(store: SessionStore, log: TurnLog, turn: LiveTurn) -> None:
    results = await asyncio.gather(*(finish(log, turn, done(text=str(n))) for n in range(6)))
    assert sorted(results) == [False] * 5 + [True]
    assert await contents(store) == ["Why?", str(results.index(True))]


async def test_a_finish_whose_answer_got_lost_is_not_done_twice(
    store: SessionStore, log: TurnLog, turn: LiveTurn, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lose_an_answer(monkeypatch)
    await finish(log, turn, done())
    assert await contents(store) == ["Why?", "Because."]


async def test_an_end_without_a_message_stores_no_reply(
    store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    failed = TurnEnd(status="failed", error=TurnError.of(ModelStalled()))
    assert await finish(log, turn, failed)
    (asked,) = (await store.messages(USER, SESSION)).items
    assert (asked.content, asked.status, asked.error) == ("Why?", "failed", failed.error)
    assert await read(log.follow(USER, SESSION, "t1")) == ("", failed)


async def test_nothing_comes_back_when_the_session_was_deleted(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    turn.append("text", "Too late")
    await store.delete(USER, SESSION)
    assert not await finish(log, turn)
    assert await redis.keys("*") == []


async def test_a_finish_and_a_deletion_at_once_leave_nothing(
    redis: Redis, store: SessionStore, log: TurnLog
) -> None:
    for _ in range(10):
        await store.create(USER, SESSION, {"role": "assistant"})
        await log.claim(USER, SESSION, question(), head={})
        live = LiveTurn("t1", USER, SESSION)
        live.append("text", "Too late")
        await asyncio.gather(log.flush([live]), finish(log, live), store.delete(USER, SESSION))
        assert await redis.keys("*") == []


async def test_a_finish_survives_other_changes_at_the_same_moment(
    store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    renames = [store.update(USER, SESSION, title=f"Title {n}") for n in range(8)]
    finished, *_ = await asyncio.gather(finish(log, turn, done()), *renames)
    assert finished
    assert await contents(store) == ["Why?", "Because."]
    assert (await store.get(USER, SESSION)).title.startswith("Title")


# Recover


async def test_a_dead_turn_is_recovered_once_with_its_text(
    redis: Redis, store: SessionStore, log: TurnLog, session: str
) -> None:
    await log.claim(USER, session, question(), head={"model": "small"})
    live = LiveTurn("t1", USER, session)
    live.append("reasoning", "Hm.")
    live.append("text", "Half a rep")
    await log.flush([live])
    claimed_at = (await store.get(USER, session)).updated_at
    await die(redis)
    assert await log.recover(USER, session)
    reply = (await store.messages(USER, session)).items[-1]
    expected = answer(text="Half a rep", reasoning="Hm.")
    changed = {"status": "interrupted", "role_key": "assistant", "model": "small", "timestamp": claimed_at}
    assert reply == expected.model_copy(update=changed)
    before = await dump(redis)
    assert not await log.recover(USER, session)
    assert await dump(redis) == before


async def test_many_who_recover_at_once_store_one_reply(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn.append("text", "Half")
    await log.flush([turn])
    await die(redis)
    _meet(monkeypatch, 8)
    results = await asyncio.gather(*(log.recover(USER, SESSION) for _ in range(8)))
    assert sorted(results) == [False] * 7 + [True]
    assert await contents(store) == ["Why?", "Half"]


@pytest.mark.parametrize("first", ["finish", "recover"])
async def test_a_finish_and_a_recovery_at_once_store_one_reply(
    redis: Redis,
    store: SessionStore,
    log: TurnLog,
    turn: LiveTurn,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
) -> None:
    turn.append("text", "Half")
    await log.flush([turn])
    await die(redis)
    commit = SessionStore.commit

    async def after_the_finish(store: SessionStore, change: Change) -> Any:
        """The recovery has planned its change when the process gives its last sign of life."""
        monkeypatch.undo()
        assert await finish()
        return await commit(store, change)

    async def finish() -> bool:
        return await log.finish(USER, SESSION, "t1", done(text="Half and half"), position=turn.position)

    if first == "finish":
        monkeypatch.setattr(SessionStore, "commit", after_the_finish)
    assert await log.recover(USER, SESSION) is (first == "recover")
    assert not await finish()
    assert await contents(store) == ["Why?", "Half and half" if first == "finish" else "Half"]


async def test_a_dead_turn_without_text_leaves_no_reply(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    await die(redis)
    assert await log.recover(USER, SESSION)
    (asked,) = (await store.messages(USER, SESSION)).items
    assert (asked.content, asked.status, asked.error) == ("Why?", "interrupted", None)
    assert await read(log.follow(USER, SESSION, "t1")) == ("", TurnEnd(status="interrupted"))


async def test_a_turn_that_runs_is_not_recovered(redis: Redis, log: TurnLog, turn: LiveTurn) -> None:
    before = await dump(redis)
    assert not await log.recover(USER, SESSION)
    assert not await log.recover(USER, "nowhere")
    assert await dump(redis) == before


async def test_a_turn_of_this_process_is_not_dead_however_late_its_sign_of_life(
    redis: Redis, log: TurnLog, turn: LiveTurn
) -> None:
    log.live["t1"] = turn
    await die(redis)
    before = await dump(redis)
    assert not await log.recover(USER, SESSION)
    with pytest.raises(SessionBusy):
        await log.claim(USER, SESSION, question("t2"), head={})
    assert await dump(redis) == before
    assert await finish(log, turn)


async def known(store: SessionStore, turn: LiveTurn) -> LiveTurn:
    """It knows what the store has of its session."""
    head = (await store.read(USER, SESSION)).head
    turn.head, turn.said = {**head, "images": "1", "dropped": "3"}, [answer("t0"), question()]
    return turn


async def test_a_session_that_the_store_has_lost_is_stored_again_with_all_of_the_reply(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    turn.append("text", "Be")
    await log.flush([await known(store, turn)])
    await redis.flushall()
    turn.append("text", "cause.")
    assert await log.flush([turn]) == [TurnState(open=False, stop_requested=False)]
    assert await log.restore(turn)
    assert await log.flush([turn]) == [TurnState(open=True, stop_requested=False)]
    session = await store.get(USER, SESSION)
    assert (session.title, session.role, session.running, session.dropped) == ("Why?", "assistant", True, 3)
    assert await finish(log, turn)
    assert (await read(log.follow(USER, SESSION, "t1")))[0] == "Because."
    assert await contents(store) == ["Because.", "Why?", "Because."]
    assert [one.id for one in await store.sessions(USER)] == [SESSION]


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "silent"])
async def test_a_session_that_is_there_or_was_deleted_is_not_stored_again(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn, stopped: bool
) -> None:
    before = await dump(redis)
    assert not await log.restore(await known(store, turn))
    assert await dump(redis) == before
    if stopped:  # somebody has closed it meanwhile, so nobody is left word
        await store.create(USER, "another", {"role": "assistant"})
        turn.alive_at -= 60
    await store.delete(USER, SESSION, leave_word=not stopped)
    before = await dump(redis)
    assert not await log.restore(turn)
    assert await dump(redis) == before


async def test_a_sign_of_life_and_a_recovery_at_once_lose_no_text(
    redis: Redis, store: SessionStore, log: TurnLog
) -> None:
    for _ in range(20):
        await redis.flushall()
        await store.create(USER, SESSION, {"role": "assistant"})
        await log.claim(USER, SESSION, question(), head={})
        live = LiveTurn("t1", USER, SESSION)
        live.append("text", "Half")
        await log.flush([live])
        await die(redis)
        live.append("text", " and half")
        recovery, [pulse] = await asyncio.gather(log.recover(USER, SESSION), log.flush([live]))
        assert recovery is not pulse.open
        if pulse.open:
            await finish(log, live)
        assert await contents(store) == ["Why?", "Half and half" if pulse.open else "Half"]


def _meet(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """That many changes have all been planned before the first of them is committed."""
    commit, barrier = SessionStore.commit, asyncio.Barrier(number)

    async def together(store: SessionStore, change: Change) -> Any:
        nonlocal number
        if number:
            number -= 1
            await barrier.wait()
        return await commit(store, change)

    monkeypatch.setattr(SessionStore, "commit", together)


def _lose_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next scripts are run, but the connection breaks before the answer comes: the client sends them
    again."""

    async def twice(redis: Redis, *calls: ScriptCall) -> Any:
        monkeypatch.undo()
        assert None not in await run_scripts_in_order(redis, *calls)
        return await run_scripts_in_order(redis, *calls)

    monkeypatch.setattr("chat_core.storage.sessions.run_scripts", twice)
    monkeypatch.setattr("chat_core.turns.log.run_scripts_in_order", twice)
