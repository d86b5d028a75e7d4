"""A reply belongs to the service: it goes on, is stopped, fails and ends whoever looks on."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from chat_core import ChatService, Delta, Sampling, Settings, StopResult, TurnEnd, Usage
from chat_core.context import PromptMessage
from chat_core.errors import (
    ContextTooLong,
    ModelDisconnected,
    ModelError,
    ModelNotConfigured,
    ModelRateLimited,
    ModelServerFailed,
    RateLimited,
    SessionBusy,
    ShuttingDown,
    TooManyReplies,
    TooManyRepliesFromAddress,
    TooManyRepliesOfUser,
)
from chat_core.models import NoModel, Piece
from tests.conftest import Connect
from tests.scripted_model import ScriptedModel

from .conftest import Chat, OpenService

USAGE = Usage(prompt_tokens=5, completion_tokens=2, total_tokens=7)


@pytest.fixture
async def replica(open_service: OpenService, chat: Chat) -> Chat:
    """The same session, seen through another process."""
    return chat.through(await open_service())


# Following


async def test_a_reply_comes_in_pieces_and_ends_with_all_that_is_known(chat: Chat) -> None:
    turn_id, call = await chat.ask()
    events = chat.service.follow(chat.user, chat.id, turn_id)
    call.think("Hm.")
    assert await anext(events) == Delta("reasoning", "Hm.", 3)
    call.say("Be")
    assert await anext(events) == Delta("text", "Be", 5)
    call.say("cause")
    assert await anext(events) == Delta("text", "cause", 10)
    call.count(USAGE)
    call.end()
    end = await anext(events)
    assert [event async for event in events] == []
    assert isinstance(end, TurnEnd)
    assert (end.status, end.error, end.usage) == ("done", None, USAGE)
    reply = end.message
    assert reply is not None
    assert (reply.content, reply.reasoning, reply.status) == ("Because", "Hm.", "done")
    assert (reply.model, reply.usage, reply.turn_id, reply.context) == ("big", USAGE, turn_id, end.context)
    assert reply.seconds is not None
    assert reply.seconds_to_first_token is not None
    assert 0 <= reply.seconds_to_first_token <= reply.seconds
    assert (await chat.history())[-1] == reply


async def test_a_reply_goes_on_with_nobody_following(chat: Chat) -> None:
    turn_id, call = await chat.ask()
    call.say("Because", ".")
    call.end()
    await call.closed.wait()
    assert (await chat.read(turn_id))[0] == "Because."
    assert await chat.contents() == ["Why?", "Because."]


@pytest.mark.parametrize("leave", ["by going away", "by being cancelled"])
async def test_a_follower_that_leaves_disturbs_neither_the_reply_nor_the_others(
    chat: Chat, leave: str
) -> None:
    turn_id, call = await chat.ask()
    staying = asyncio.create_task(chat.read(turn_id))
    call.say("Be")
    if leave == "by going away":
        await chat.read_until("Be")
    else:
        leaving = asyncio.create_task(chat.read(turn_id))
        await chat.read_until("Be")
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    call.say("cause")
    call.end()
    assert (await staying)[0] == "Because"
    assert (await chat.read(turn_id))[1].status == "done"


async def test_a_follower_goes_on_where_it_was_in_any_process(chat: Chat, replica: Chat) -> None:
    turn_id, call = await chat.ask()
    call.say("Be")
    seen = await chat.read_until("Be")
    call.say("cause")
    there = await replica.read_until("cause")
    call.say(".")
    call.end()
    assert (await chat.read(turn_id, seen.end))[0] == "cause."
    assert (await replica.read(turn_id, there.end))[0] == "."
    assert (await replica.read(turn_id, 1))[0] == "ecause."


async def test_another_replica_follows_live(chat: Chat, replica: Chat) -> None:
    turn_id, call = await chat.ask()
    events = replica.service.follow(chat.user, chat.id, turn_id)
    position = 0
    for piece in ("Be", "cause", " of 你"):
        call.say(piece)
        position += len(piece)
        assert await anext(events) == Delta("text", piece, position)
    call.end()
    end = await anext(events)
    assert isinstance(end, TurnEnd)
    assert end.message == (await chat.history())[-1]


async def test_a_slow_follower_gets_what_it_missed_in_one_piece(chat: Chat) -> None:
    turn_id, call = await chat.ask()
    events = chat.service.follow(chat.user, chat.id, turn_id)
    call.say("One, ")
    assert await anext(events) == Delta("text", "One, ", 5)
    call.say("two, ", "three, ", "four.")
    await chat.read_until("four.")
    assert await anext(events) == Delta("text", "two, three, four.", 22)
    await events.aclose()


# Stopping


@pytest.mark.parametrize("where", ["here", "on another replica"])
async def test_stopping_keeps_the_text_and_frees_the_model_within_a_second(
    chat: Chat, replica: Chat, where: str
) -> None:
    turn_id, call = await chat.ask()
    call.say("Half a rep")
    await chat.read_until("rep")
    service = chat.service if where == "here" else replica.service
    began = time.monotonic()
    stopped = await service.stop(chat.user, chat.id)
    await call.closed.wait()
    assert time.monotonic() - began < 1
    assert stopped == StopResult(True, turn_id, len("Half a rep"))
    question, reply = await chat.history()
    assert (question.content, reply.content, reply.status) == ("Why?", "Half a rep", "stopped")
    for view in (chat, replica):
        text, end = await view.read(turn_id)
        assert (text, end.status, end.error, end.message) == ("Half a rep", "stopped", None, reply)
    await chat.say("Again?", "Again.")


async def test_stopping_before_the_first_word_stores_no_reply(chat: Chat) -> None:
    turn_id, call = await chat.ask()
    assert await chat.service.stop(chat.user, chat.id) == StopResult(True, turn_id, 0)
    assert call.closed.is_set()
    assert await chat.contents() == ["Why?"]
    assert (await chat.read(turn_id))[1].status == "stopped"


async def test_a_turn_that_is_stopped_at_once_still_ends(chat: Chat) -> None:
    turn_id = await chat.service.start_turn(chat.user, chat.id, "Why?")
    stopped, (_, end) = await asyncio.gather(chat.service.stop(chat.user, chat.id), chat.read(turn_id))
    assert stopped == StopResult(True, turn_id, 0)
    assert end.status == "stopped"
    assert await chat.contents() == ["Why?"]


async def test_stopping_nothing_is_no_error(chat: Chat) -> None:
    assert await chat.service.stop(chat.user, chat.id) == StopResult(False, "", 0)
    await chat.say("Why?", "Because.")
    assert await chat.service.stop(chat.user, chat.id) == StopResult(False, "", 0)
    assert await chat.contents() == ["Why?", "Because."]


async def test_many_stops_are_one(chat: Chat, replica: Chat) -> None:
    turn_id, call = await chat.ask()
    call.say("Half")
    await chat.read_until("Half")
    stops = [view.service.stop(chat.user, chat.id) for view in (chat, replica, chat, replica)]
    assert set(await asyncio.gather(*stops)) <= {StopResult(True, turn_id, 4), StopResult(False, "", 0)}
    assert await chat.contents() == ["Why?", "Half"]


# Failing


@pytest.mark.parametrize(
    "error",
    [
        ModelRateLimited("slow down", retry_after=9.0),
        ContextTooLong("8193 tokens"),
        ModelDisconnected(),
        ModelServerFailed("half a surrogate \ud83d"),
    ],
    ids=lambda error: error.code,
)
@pytest.mark.parametrize("text", ["", "Half"], ids=["before the first word", "in the middle"])
async def test_a_failed_reply_ends_with_its_error_and_keeps_what_text_there_is(
    chat: Chat, replica: Chat, error: ModelError, text: str
) -> None:
    turn_id, call = await chat.ask()
    if text:
        call.say(text)
    call.fail(error)
    for view in (chat, replica):
        seen, end = await view.read(turn_id)
        assert (seen, end.status) == (text, "failed")
        assert end.error is not None
        facts = {**error.facts, "reference": turn_id[:8]}
        assert (end.error.code, end.error.facts) == (error.code, facts)
        assert (end.message is None) is not bool(text)
    assert await chat.contents() == (["Why?", text] if text else ["Why?"])
    if text:
        reply = (await chat.history())[-1]
        assert (reply.status, reply.error) == ("failed", end.error)
    await chat.say("Again?", "Again.")


@pytest.mark.parametrize("thought", ["", "Hm."], ids=["at all", "but thoughts"])
async def test_a_reply_without_a_word_is_a_failure(chat: Chat, thought: str) -> None:
    turn_id, call = await chat.ask()
    if thought:
        call.think(thought)
    call.count(USAGE)
    call.end()
    _, end = await chat.read(turn_id)
    assert end.error is not None
    assert (end.status, end.error.code, end.message, end.usage) == ("failed", "model_silent", None, USAGE)
    assert await chat.contents() == ["Why?"]


async def test_a_mistake_inside_the_app_does_not_leak_its_text(
    chat: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    turn_id, call = await chat.ask()
    call.say("Half")
    call.fail(ZeroDivisionError("sk-secret"))
    with caplog.at_level(logging.ERROR):
        text, end = await chat.read(turn_id)
    assert end.error is not None
    assert (text, end.status, end.error.code) == ("Half", "failed", "internal")
    assert end.error.facts == {"reference": turn_id[:8]}
    assert "secret" not in end.model_dump_json()
    assert "failed inside the app" in caplog.text
    assert await chat.contents() == ["Why?", "Half"]


async def test_without_a_model_every_turn_says_so(connect: Connect) -> None:
    async with ChatService(Settings(), redis=connect(), model=NoModel()) as service:
        user, session = await service.start_session()
        turn_id = await service.start_turn(user, session.id, "Why?")
        end = [event async for event in service.follow(user, session.id, turn_id)][-1]
        assert isinstance(end, TurnEnd)
        assert end.error is not None
        assert end.error.code == ModelNotConfigured.code
        assert (await service.health()).model is False


class StubbornModel(ScriptedModel):
    """Fails once more when it is closed."""

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[Piece | Usage, None]:
        try:
            async for item in super().stream(messages, model=model, sampling=sampling):
                yield item
        finally:
            raise ConnectionResetError


async def test_a_model_that_fails_while_it_is_stopped_was_still_stopped(connect: Connect) -> None:
    model = StubbornModel()
    async with ChatService(Settings(), redis=connect(), model=model) as service:
        user, session = await service.start_session()
        chat = Chat(service, model, user, session.id)
        turn_id, call = await chat.ask()
        call.say("Half")
        await chat.read_until("Half")
        assert await service.stop(user, session.id) == StopResult(True, turn_id, 4)


# Limits


async def test_only_one_reply_at_a_time_runs_in_a_session(chat: Chat, replica: Chat) -> None:
    turn_id, call = await chat.ask()
    for view in (chat, replica):
        with pytest.raises(SessionBusy) as caught:
            await view.service.start_turn(chat.user, chat.id, "And?")
        assert caught.value.turn_id == turn_id
    call.say("Because.")
    call.end()
    await chat.read(turn_id)
    assert await chat.contents() == ["Why?", "Because."]


async def test_only_so_many_replies_run_at_once(open_service: OpenService, model: ScriptedModel) -> None:
    service = await open_service(max_concurrent_replies=3)
    user, _ = await service.start_session()
    chats = [Chat(service, model, user, (await service.start_session(user))[1].id) for _ in range(8)]
    starts = [service.start_turn(user, chat.id, "Why?") for chat in chats]
    results = await asyncio.gather(*starts, return_exceptions=True)
    refused = [chat for chat, result in zip(chats, results, strict=True) if not isinstance(result, str)]
    assert [type(result) for result in results if not isinstance(result, str)] == [TooManyReplies] * 5
    assert [await chat.contents() for chat in refused] == [[]] * 5
    running = next(chat for chat in chats if chat not in refused)
    await service.stop(user, running.id)
    await refused[0].service.start_turn(user, refused[0].id, "Now?")
    assert await refused[0].contents() == ["Now?"]


Begin = Callable[..., Awaitable[object]]


@pytest.fixture
def begin(model: ScriptedModel) -> Begin:
    """Begins a reply in a conversation of its own; what the user was told if that was refused."""

    async def begin(service: ChatService, user: str, address: str = "") -> object:
        _, session = await service.start_session(user)
        try:
            return await service.start_turn(user, session.id, "Why?", address=address)
        except TooManyReplies as error:
            assert (await service.history(user, session.id)).items == []
            return type(error)

    return begin


async def test_a_user_has_a_share_of_the_replies(open_service: OpenService, begin: Begin) -> None:
    service = await open_service(max_replies_per_user=2)
    replies = [await begin(service, "u_ada") for _ in range(3)]
    assert [type(reply) for reply in replies[:2]] == [str, str]
    assert replies[2] is TooManyRepliesOfUser
    assert await begin(service.temporary, "u_ada") is TooManyRepliesOfUser
    assert isinstance(await begin(service, "u_bob"), str)


async def test_an_address_has_a_share_of_the_replies(open_service: OpenService, begin: Begin) -> None:
    service = await open_service(max_replies_per_address=2)
    replies = [await begin(service, f"u_{number}", "192.0.2.1") for number in range(3)]
    assert [type(reply) for reply in replies[:2]] == [str, str]
    assert replies[2] is TooManyRepliesFromAddress
    assert isinstance(await begin(service, "u_ada", "192.0.2.2"), str)
    for number in range(3):  # of whom nobody knows where they are
        assert isinstance(await begin(service, f"u_{number}"), str)


async def test_a_share_of_addresses_is_the_own_machines_too_where_somebody_has_set_it(
    open_service: OpenService, begin: Begin
) -> None:
    usual = await open_service()
    for number in range(15):
        assert isinstance(await begin(usual, f"u_{number}", "127.0.0.1"), str)
    chosen = await open_service(max_replies_per_address=12)
    replies = [await begin(chosen, f"v_{number}", "127.0.0.1") for number in range(13)]
    assert replies[12] is TooManyRepliesFromAddress


async def test_shares_can_be_switched_off(open_service: OpenService, begin: Begin) -> None:
    service = await open_service(max_replies_per_user=0, max_replies_per_address=0)
    for _ in range(15):
        assert isinstance(await begin(service, "u_ada", "192.0.2.1"), str)


async def test_the_last_quarter_is_for_those_who_have_no_reply_running(
    open_service: OpenService, begin: Begin
) -> None:
    service = await open_service(max_concurrent_replies=8)
    for number in range(6):
        user = f"u_{number % 2}"
        assert isinstance(await begin(service, user, f"192.0.2.{number % 2}"), str)
    assert await begin(service, "u_1", "192.0.2.9") is TooManyReplies
    assert await begin(service, "u_new", "192.0.2.1") is TooManyReplies
    assert isinstance(await begin(service, "u_ada", "192.0.2.3"), str)
    assert isinstance(await begin(service, "u_bob"), str)
    assert await begin(service, "u_cleo", "192.0.2.4") is TooManyReplies


async def test_over_the_rate_limit_nothing_is_stored(open_service: OpenService, model: ScriptedModel) -> None:
    service = await open_service(rate_limit="1/hour")
    user, session = await service.start_session()
    chat = Chat(service, model, user, session.id)
    await chat.say("Why?", "Because.")
    before = await service.session(user, session.id)
    with pytest.raises(RateLimited) as caught:
        await service.start_turn(user, session.id, "And?")
    assert 3590 < caught.value.retry_after <= 3600
    assert await service.session(user, session.id) == before
    assert await chat.contents() == ["Why?", "Because."]
    assert model.silent


async def test_new_users_from_one_address_share_its_rate_limit(
    open_service: OpenService, model: ScriptedModel
) -> None:
    service = await open_service(rate_limit="9/hour", rate_limit_address="3/hour")

    async def say_as_somebody_new(address: str) -> None:
        user, session = await service.start_session(address=address)
        await Chat(service, model, user, session.id).say("Why?", "Because.", address=address)

    await say_as_somebody_new("192.0.2.1")
    user, session = await service.start_session(address="192.0.2.1")
    with pytest.raises(RateLimited):
        await service.start_turn(user, session.id, "Why?", address="192.0.2.1")
    with pytest.raises(RateLimited):
        await service.start_session(address="192.0.2.1")
    with pytest.raises(RateLimited):
        await service.import_file(user, "", address="192.0.2.1")
    await service.start_session(user, address="192.0.2.1")
    await say_as_somebody_new("192.0.2.2")


# Coming and going


async def test_leaving_the_service_saves_what_runs_as_interrupted(
    connect: Connect, model: ScriptedModel, chat: Chat
) -> None:
    async with ChatService(Settings(), redis=connect(), model=model) as service:
        leaving = chat.through(service)
        turn_id, call = await leaving.ask()
        call.say("Half a rep")
        await leaving.read_until("rep")
        follower = asyncio.create_task(leaving.read(turn_id))
        await asyncio.sleep(0)
    assert call.closed.is_set()
    text, end = await follower
    assert (text, end.status) == ("Half a rep", "interrupted")
    assert [(m.content, m.status) for m in await chat.history()] == [
        ("Why?", "done"),
        ("Half a rep", "interrupted"),
    ]
    await chat.say("Again?", "Again.")


async def test_a_service_that_has_left_takes_no_new_turns(connect: Connect, chat: Chat) -> None:
    async with ChatService(Settings(), redis=connect(), model=chat.model) as service:
        pass
    with pytest.raises(ShuttingDown):
        await service.start_turn(chat.user, chat.id, "Why?")
    assert await chat.history() == []


async def test_a_turn_that_begins_while_the_service_leaves_is_saved_too(
    connect: Connect, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async with ChatService(Settings(), redis=connect(), model=chat.model) as service:
        claim = service._log.claim

        async def claim_late(*arguments: Any, **options: Any) -> object:
            began.set()
            await go_on.wait()
            return await claim(*arguments, **options)

        monkeypatch.setattr(service._log, "claim", claim_late)
        start = asyncio.create_task(service.start_turn(chat.user, chat.id, "Why?"))
        await began.wait()
        asyncio.get_running_loop().call_later(0.01, go_on.set)
    assert start.done()
    assert not (await chat.service.session(chat.user, chat.id)).running
    assert (await chat.read(await start))[1].status == "interrupted"
    assert await chat.contents() == ["Why?"]


@pytest.mark.parametrize("steps", range(0, 40, 2))
async def test_whoever_starts_a_turn_may_go_away_at_any_moment(chat: Chat, steps: int) -> None:
    start = asyncio.create_task(chat.service.start_turn(chat.user, chat.id, "Why?"))
    for _ in range(steps):
        await asyncio.sleep(0)
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    await asyncio.gather(*chat.service._starter._starting)
    if not await chat.contents():
        return
    call = await chat.model.next_call()
    call.say("Because.")
    call.end()
    assert (await chat.read())[1].status == "done"
    assert await chat.contents() == ["Why?", "Because."]
