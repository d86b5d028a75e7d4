"""Whoever follows a turn, from wherever and whenever, gets the rest of it and then its end."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterable, Callable

import pytest
from redis.asyncio import Redis

from chat_core.errors import ModelDisconnected
from chat_core.messages import ChatMessage, Delta, DeltaKind, TurnEnd, TurnError, TurnEvent
from chat_core.storage import SessionStore, keys
from chat_core.turns import LiveTurn, TurnLog

from .conftest import SESSION, USER, answer, die, done, parts, question, read

TEXT = "One, two, three."

Follow = Callable[[int], AsyncIterable[TurnEvent]]


@pytest.fixture
async def turn(log: TurnLog, session: str) -> LiveTurn:
    """The claimed turn t1."""
    await log.claim(USER, session, question(), head={})
    return LiveTurn("t1", USER, session)


@pytest.fixture
async def ended(log: TurnLog, turn: LiveTurn) -> LiveTurn:
    """The same, with TEXT in the log in three pieces, and at its end."""
    for piece in ("One, ", "two, ", "three."):
        turn.append("text", piece)
        await log.flush([turn])
    await log.finish(USER, SESSION, "t1", done(text=TEXT), position=turn.position)
    return turn


@pytest.mark.parametrize("logged", [True, False], ids=["from the log", "from the stored reply"])
@pytest.mark.parametrize("after", [0, 1, 5, 7, len(TEXT) - 1, len(TEXT), len(TEXT) + 1, 10**6])
async def test_an_ended_turn_is_followed_from_any_position(
    redis: Redis, log: TurnLog, ended: LiveTurn, after: int, logged: bool
) -> None:
    if not logged:
        await redis.delete(keys.log(USER, "t1"))
    assert await read(log.follow(USER, SESSION, "t1", after)) == (TEXT[after:], done(text=TEXT))


async def test_a_follower_that_came_before_the_first_piece_gets_everything(
    log: TurnLog, turn: LiveTurn
) -> None:
    async with asyncio.TaskGroup() as tasks:
        followers = [tasks.create_task(read(log.follow(USER, SESSION, "t1"))) for _ in range(2)]
        await asyncio.sleep(0)
        for piece in ("One, ", "two, ", "three."):
            turn.append("text", piece)
            await log.flush([turn])
        await log.finish(USER, SESSION, "t1", done(text=TEXT), position=turn.position)
    assert [task.result() for task in followers] == [(TEXT, done(text=TEXT))] * 2


async def test_pieces_come_while_the_turn_still_runs(log: TurnLog, turn: LiveTurn) -> None:
    events = log.follow(USER, SESSION, "t1")
    for piece in ("One, ", "two"):
        turn.append("text", piece)
        await log.flush([turn])
        assert (await anext(events)) == Delta("text", piece, turn.position)
    await events.aclose()


async def test_a_follower_waits_through_a_silence_longer_than_one_look(
    log: TurnLog, turn: LiveTurn, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    recover = log.recover

    async def looking(user_id: str, session_id: str) -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            turn.append("text", TEXT)
            await log.finish(USER, SESSION, "t1", done(text=TEXT), turn.read(), turn.position)
        return await recover(user_id, session_id)

    monkeypatch.setattr(log, "recover", looking)
    assert await read(log.follow(USER, SESSION, "t1")) == (TEXT, done(text=TEXT))
    assert looks == 3


async def test_reasoning_and_text_are_told_apart_in_the_log_and_in_the_stored_reply(
    redis: Redis, log: TurnLog, turn: LiveTurn
) -> None:
    turn.append("reasoning", "Hm.")
    turn.append("text", TEXT)
    end = done(text=TEXT, reasoning="Hm.")
    await log.finish(USER, SESSION, "t1", end, turn.read(), turn.position)
    for after in (0, 2, 3, 4):
        logged = await parts(log.follow(USER, SESSION, "t1", after))
        await redis.rename(keys.log(USER, "t1"), keys.log(USER, "elsewhere"))
        assert await parts(log.follow(USER, SESSION, "t1", after)) == logged
        await redis.rename(keys.log(USER, "elsewhere"), keys.log(USER, "t1"))
    assert await parts(log.follow(USER, SESSION, "t1", 2)) == (
        [Delta("reasoning", ".", 3), Delta("text", TEXT, 3 + len(TEXT))],
        end,
    )


async def test_a_dead_turn_is_closed_by_its_follower(
    redis: Redis, store: SessionStore, log: TurnLog, turn: LiveTurn
) -> None:
    turn.append("text", "Half")
    await log.flush([turn])
    follower = asyncio.create_task(read(log.follow(USER, SESSION, "t1")))
    await asyncio.sleep(0)
    await die(redis)
    text, end = await follower
    assert (text, end.status) == ("Half", "interrupted")
    assert end.message == (await store.messages(USER, SESSION)).items[-1]
    assert not await log.recover(USER, SESSION)


async def test_the_end_of_a_turn_without_a_reply_still_has_its_error(log: TurnLog, turn: LiveTurn) -> None:
    failed = TurnEnd(status="failed", error=TurnError.of(ModelDisconnected("gone")))
    await log.finish(USER, SESSION, "t1", failed)
    for after in (0, 1):
        assert await read(log.follow(USER, SESSION, "t1", after)) == ("", failed)


@pytest.mark.parametrize("gone", ["cleared", "deleted"])
async def test_following_a_turn_that_is_taken_away_ends(
    store: SessionStore, log: TurnLog, turn: LiveTurn, gone: str
) -> None:
    turn.append("text", "Half")
    await log.flush([turn])
    events = log.follow(USER, SESSION, "t1")
    assert (await anext(events)) == Delta("text", "Half", 4)
    await (store.clear if gone == "cleared" else store.delete)(USER, SESSION)
    assert await read(events) == ("", TurnEnd(status="interrupted"))


async def test_following_a_turn_that_never_was_ends(log: TurnLog, session: str) -> None:
    assert await read(log.follow(USER, session, "t9")) == ("", TurnEnd(status="interrupted"))


async def test_nobody_elses_turn_can_be_followed(log: TurnLog, ended: LiveTurn) -> None:
    assert await read(log.follow("u_eve", SESSION, "t1")) == ("", TurnEnd(status="interrupted"))


# Whatever the cuts


class Play:
    """A random turn: pieces of both kinds, flushes now and then, some of whose answers get lost, and
    followers that come at any time and go on from any position."""

    def __init__(self, seed: int, log: TurnLog) -> None:
        self.chance = random.Random(seed)
        self.log = log
        self.live = LiveTurn("t1", USER, SESSION)
        self.written: list[tuple[DeltaKind, str]] = []  # one character each

    async def perform(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.chance.randint(1, 40)):
                if self.chance.random() < 0.15:
                    tasks.create_task(self.check(self.remote, self.chance.randint(0, 60)))
                if self.chance.random() < 0.15:
                    tasks.create_task(self.check(self.live.follow, self.chance.randint(0, 60)))
                self.write()
                if self.chance.random() < 0.4:
                    await self.flush()
            await self.finish()

    def write(self) -> None:
        kind: DeltaKind = self.chance.choice(["text", "text", "reasoning"])
        text = "".join(self.chance.choices("ab \n你🙂", k=self.chance.randint(1, 12)))
        self.live.append(kind, text)
        self.written += [(kind, character) for character in text]

    async def flush(self) -> None:
        logged = self.live.logged
        assert [pulse.open for pulse in await self.log.flush([self.live])] == [True]
        if self.chance.random() < 0.3:
            self.live.logged = logged

    async def finish(self) -> None:
        live = self.live
        message = answer(text=live.text("text"), reasoning=live.text("reasoning"))
        end = TurnEnd(status="done", message=message if message.content else None)
        assert await self.log.finish(USER, SESSION, "t1", end, live.read(live.logged), live.position)
        live.publish_end(end)

    def remote(self, after: int) -> AsyncIterable[TurnEvent]:
        return self.log.follow(USER, SESSION, "t1", after)

    async def check(self, follow: Follow, after: int) -> None:
        pieces, end = await parts(follow(after))
        seen: dict[str, str] = defaultdict(str)
        for piece in pieces:
            seen[piece.kind] += piece.text
        expected: dict[str, str] = defaultdict(str)
        for kind, character in self.written[after:]:
            expected[kind] += character
        assert seen == expected
        ends = [piece.end for piece in pieces]
        assert ends == sorted(set(ends))
        assert not ends or (ends[0] > after and ends[-1] == len(self.written))
        assert end.status == "done"


@pytest.mark.parametrize("seed", range(12))
async def test_what_followers_get_together_is_what_was_written(log: TurnLog, session: str, seed: int) -> None:
    await log.claim(USER, session, question(), head={})
    play = Play(seed, log)
    await play.perform()
    for after in range(len(play.written) + 2):
        await play.check(play.remote, after)
        await play.check(play.live.follow, after)


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_recovered_is_what_was_logged(
    redis: Redis, store: SessionStore, log: TurnLog, session: str, seed: int
) -> None:
    await log.claim(USER, session, question(), head={})
    play = Play(seed, log)
    for _ in range(20):
        play.write()
        await play.flush()
    await die(redis)
    await log.recover(USER, session)
    reply: ChatMessage = (await store.messages(USER, session)).items[-1]
    assert (reply.content, reply.reasoning) == (play.live.text("text"), play.live.text("reasoning"))
