"""How running turns get into the log: in beats, together, and whatever goes wrong with one of them."""

import asyncio
import logging
from typing import Any

import pytest

from chat_core import ChatService, TurnEnd
from chat_core.errors import ShuttingDown
from chat_core.messages import Delta
from chat_core.storage import StoreConnection
from chat_core.turns import LiveTurn, TurnWriter
from tests.conftest import Connect, eventually
from tests.scripted_model import ScriptedModel

from .conftest import Chat, OpenService


@pytest.fixture
async def chats(service: ChatService, model: ScriptedModel) -> list[Chat]:
    """Sessions of three users."""
    starts = [await service.start_session() for _ in range(3)]
    return [Chat(service, model, user, session.id) for user, session in starts]


def writer_of(service: ChatService) -> TurnWriter:
    return service._writer


async def test_all_running_turns_are_written_in_one_beat(
    chats: list[Chat], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = writer_of(chats[0].service)._log
    flush, all_at_once = log.flush, asyncio.Event()

    async def watched(turns: list[LiveTurn]) -> Any:
        if len(turns) == len(chats):
            all_at_once.set()
        return await flush(turns)

    monkeypatch.setattr(log, "flush", watched)
    calls = [call for _, call in [await chat.ask() for chat in chats]]
    await all_at_once.wait()
    for number, call in enumerate(calls):
        call.say(f"{number}.")
        call.end()
    assert [(await chat.read())[0] for chat in chats] == ["0.", "1.", "2."]


@pytest.mark.parametrize("trouble", ["flush", "finish"])
async def test_a_mistake_with_one_turn_does_not_keep_the_others_from_their_end(
    chats: list[Chat], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    bad, *others = chats
    bad_turn, bad_call = await bad.ask()
    bad_call.say("Late.")
    if trouble == "finish":
        bad_call.end()
    log = writer_of(bad.service)._log
    flush, finish = log.flush, log.finish
    broken = True

    async def troubled_flush(turns: list[LiveTurn]) -> Any:
        if broken and trouble == "flush" and bad_turn in [turn.id for turn in turns]:
            raise ZeroDivisionError
        return await flush(turns)

    async def troubled_finish(user: str, session: str, turn: str, *rest: Any, **options: Any) -> Any:
        if broken and trouble == "finish" and turn == bad_turn:
            raise ZeroDivisionError
        return await finish(user, session, turn, *rest, **options)

    async def told() -> bool:
        return "replies cannot be saved" in caplog.text

    monkeypatch.setattr(log, "flush", troubled_flush)
    monkeypatch.setattr(log, "finish", troubled_finish)
    with caplog.at_level(logging.ERROR):
        for chat in others:
            await chat.say("Why?", "Because.")
        await eventually(told)
    assert caplog.text.count("replies cannot be saved, trying on: ZeroDivisionError") == 1
    assert await bad.contents() == ["Why?"]
    broken = False
    if trouble == "flush":
        bad_call.end()
    assert (await bad.read(bad_turn))[0] == "Late."
    assert await bad.contents() == ["Why?", "Late."]


async def test_a_turn_thought_dead_by_others_is_cut_and_its_whole_text_kept(
    chats: list[Chat], open_service: OpenService, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat, other = chats[0], await open_service()
    turn_id, call = await chat.ask()
    call.say("One, ")
    await chat.through(other).read_until("One, ")
    log = writer_of(chat.service)._log
    flush, awake = log.flush, asyncio.Event()

    async def late(turns: list[LiveTurn]) -> Any:
        await awake.wait()
        return await flush(turns)

    monkeypatch.setattr(log, "flush", late)
    follower = asyncio.create_task(chat.read(turn_id))
    call.say("two.")
    await chat.read_until("two.")
    await connect().delete(f"chat:{{{chat.user}}}:session:{chat.id}:turn")
    assert (await other.history(chat.user, chat.id)).items[-1].content == "One, "
    awake.set()
    text, end = await follower
    await call.closed.wait()
    assert (text, end.status) == ("One, two.", "interrupted")
    reply = (await chat.history())[-1]
    assert reply == end.message
    assert reply.content == "One, two."


# A turn in memory


async def test_a_follower_misses_nothing_of_what_comes_while_it_is_busy() -> None:
    live = LiveTurn("t1", "u_ada", "s1")
    live.append("text", "One, ")
    events = live.follow()
    assert await anext(events) == Delta("text", "One, ", 5)
    live.append("text", "two, ")
    live.append("reasoning", "three, ")
    assert await anext(events) == Delta("text", "two, ", 10)
    live.append("text", "four.")
    end = TurnEnd(status="done")
    live.publish_end(end)
    assert [event async for event in events] == [
        Delta("reasoning", "three, ", 17),
        Delta("text", "four.", 22),
        end,
    ]


async def test_many_followers_wake_up_for_every_piece() -> None:
    live = LiveTurn("t1", "u_ada", "s1")
    followers = [live.follow() for _ in range(3)]
    for number in range(1, 4):
        waiting = [asyncio.ensure_future(anext(follower)) for follower in followers]
        await asyncio.sleep(0)
        live.append("text", "x")
        assert await asyncio.gather(*waiting) == [Delta("text", "x", number)] * 3


async def test_only_the_first_end_counts() -> None:
    live = LiveTurn("t1", "u_ada", "s1")
    live.publish_end(TurnEnd(status="done"))
    live.publish_end(TurnEnd(status="failed"))
    assert [event async for event in live.follow()] == [TurnEnd(status="done")]


async def test_only_the_first_cut_counts() -> None:
    live = LiveTurn("t1", "u_ada", "s1")
    reader = asyncio.ensure_future(asyncio.sleep(3600))
    live.readers = [reader]
    live.cancel("stopped")
    live.cancel("interrupted")
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert live.cancelled_as == "stopped"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (0, [Delta("text", "abcd", 4), Delta("reasoning", "ef", 6), Delta("text", "g", 7)]),
        (3, [Delta("text", "d", 4), Delta("reasoning", "ef", 6), Delta("text", "g", 7)]),
        (5, [Delta("reasoning", "f", 6), Delta("text", "g", 7)]),
        (7, []),
        (99, []),
    ],
    ids=["from the start", "inside a piece", "inside another kind", "at the end", "beyond"],
)
def test_what_came_after_a_position_is_read_in_as_few_pieces_as_can_be(
    after: int, expected: list[Delta]
) -> None:
    live = LiveTurn("t1", "u_ada", "s1")
    live.append("text", "ab")
    live.append("text", "cd")
    live.append("reasoning", "ef")
    live.append("text", "g")
    assert live.read(after) == expected
    assert (live.text("text"), live.text("reasoning"), live.position) == ("abcdg", "ef", 7)


async def test_a_service_that_is_to_end_refuses_turns_and_lets_the_running_ones_end(chat: Chat) -> None:
    turn_id, call = await chat.ask()
    call.say("Half ")
    await chat.read_until("Half ", turn_id)
    ending = asyncio.create_task(chat.service.finish_turns(60))
    await eventually(lambda: _refuses(chat))
    assert not ending.done()
    call.say("and half.")
    call.end()
    await ending
    assert await chat.contents() == ["Why?", "Half and half."]
    assert (await chat.history())[-1].status == "done"


async def test_what_has_not_ended_in_time_is_kept_as_far_as_it_came(chat: Chat) -> None:
    turn_id, call = await chat.ask()
    call.say("Half ")
    await chat.read_until("Half ", turn_id)
    await chat.service.finish_turns(0.05)
    assert not call.closed.is_set()
    await chat.service.drain()
    reply = (await chat.history())[-1]
    assert (reply.content, reply.status, reply.is_unfinished) == ("Half ", "interrupted", True)


async def _refuses(chat: Chat) -> bool:
    _, another = await chat.service.start_session(chat.user)
    with pytest.raises(ShuttingDown):
        await chat.service.start_turn(chat.user, another.id, "And?")
    return True


async def test_a_service_ends_also_when_a_cancellation_gets_lost(
    open_service: OpenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = []

    async def watch(_: StoreConnection) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append("the first one")

    monkeypatch.setattr(StoreConnection, "watch", watch)
    service = await open_service()
    await asyncio.sleep(0)  # it is watched now
    async with asyncio.timeout(10):
        await service.__aexit__(None, None, None)
    assert lost
