"""A storm: two apps in processes of their own change one session at the same time, and nothing goes wrong.

Each round gives both something to do at once, on the ground of what the session was before it, and then looks
at what became of it.
"""

import asyncio
import json
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis

from chat_core.messages import ChatMessage
from chat_core.storage import SessionState, SessionStore, keys
from chat_core.storage.valkey import EmbeddedValkey
from tests.conftest import eventually

USER, SESSION = "u_storm", "s1"
TTL_SECONDS = 3600
# What may be refused, and then must not have changed anything.
REFUSALS = {"session_busy", "session_changed", "message_not_found", "turn_not_found"}


class Done(NamedTuple):
    """What one app was told, and what it answered."""

    told: dict[str, Any]
    answer: dict[str, Any]

    @property
    def succeeded(self) -> bool:
        return "result" in self.answer


async def storm(valkey: EmbeddedValkey, operations: int, seed: int) -> dict[str, int]:
    """So many operations, on an empty server; how many of each kind succeeded. Raises AssertionError."""
    dice = random.Random(seed)
    succeeded: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(
            Redis.from_url(f"unix://{valkey.socket}", decode_responses=True)
        )
        await redis.flushall()
        store = SessionStore(redis, max_messages=0, ttl_seconds=TTL_SECONDS)
        await store.create(USER, SESSION, {"role": "assistant"})
        apps = [await stack.enter_async_context(_app(valkey, seed + number)) for number in (1, 2)]

        async def idle() -> bool:
            return not (await _look(redis)).open_turn

        before = await _look(redis)
        for number in range(operations // 2):
            if dice.random() < 0.7:  # while a reply runs most operations are refused
                await eventually(idle)
                last, before = before, await _look(redis)
                _check(last, [], before)
            told = [_choose(dice, before, f"{number}.{app}") for app in (1, 2)]
            answers = await asyncio.gather(*map(_tell, apps, told))
            done = [Done(*pair) for pair in zip(told, answers, strict=True)]
            after = await _look(redis)
            try:
                _check(before, done, after)
                await _check_expiry(redis)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, round {number}: {error}; {done}") from error
            for one in done:
                succeeded[one.told["do"]] = succeeded.get(one.told["do"], 0) + one.succeeded
            before = after
        await eventually(idle)
        _check(before, [], await _look(redis))
    return succeeded


@asynccontextmanager
async def _app(valkey: EmbeddedValkey, seed: int) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.storm_process", valkey.socket, USER, SESSION, str(seed)),
        cwd=Path(__file__).parents[2],
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _tell(app: Process, told: dict[str, Any]) -> dict[str, Any]:
    assert app.stdin is not None
    assert app.stdout is not None
    app.stdin.write(json.dumps(told).encode() + b"\n")
    line = await asyncio.wait_for(app.stdout.readline(), 20)
    assert line, "the app has died"
    answer: dict[str, Any] = json.loads(line)
    return answer


def _choose(dice: random.Random, seen: SessionState, name: str) -> dict[str, Any]:
    """What to do, to a session that was `seen` like this."""
    messages = seen.messages.items
    asked = [message.id for message in messages if message.role == "user"] or ["none"]
    replies = [message.id for message in messages if message.role == "assistant"] or ["none"]
    turns = [reply.turn_id for message in messages for reply in message.versions] or ["none"]
    choices: list[tuple[int, dict[str, Any]]] = [
        (8, {"do": "start_turn", "message": f"Question {name}"}),
        (3, {"do": "start_panel", "message": f"Panel {name}", "roles": ["teacher", "assistant", "chef"]}),
        (2, {"do": "choose_reply", "turn_id": dice.choice(turns)}),
        (4, {"do": "undo"}),
        (2, {"do": "undo", "last_turn": seen.last_turn}),
        (4, {"do": "regenerate"}),
        (3, {"do": "start_turn", "message": f"Correction {name}", "replaces": dice.choice(asked[-3:])}),
        (2, {"do": "rate", "message_id": dice.choice(replies), "feedback": dice.choice(["like", "dislike"])}),
        (2, {"do": "select_version", "message_id": dice.choice(asked), "number": dice.choice([1, 2])}),
        (3, {"do": "stop"}),
        (1, {"do": "pin", "pinned": dice.random() < 0.5}),
    ]
    if dice.random() < 0.02:
        return {"do": "clear"}
    return dice.choices([choice for _, choice in choices], [weight for weight, _ in choices])[0]


async def _look(redis: Redis) -> SessionState:
    """The session as it is at one moment."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.hgetall(keys.session(USER, SESSION))
        pipe.lrange(keys.messages(USER, SESSION), 0, -1)
        return SessionState(SESSION, *await pipe.execute())


def _check(before: SessionState, done: Sequence[Done], after: SessionState) -> None:
    assert not after.messages.unreadable
    _check_order(after.messages.items, after.open_turn)
    for one in done:
        assert one.succeeded or one.answer["refused"] in REFUSALS, "an unexpected refusal"
    gone = _answers(before.messages.items) - _answers(after.messages.items)
    asked = [message for message in before.messages.items if message.role == "user"]
    for question, reply in gone:
        assert _was_removed(question, asked, done), f"the answer {reply} to {question!r} has disappeared"
    here = {message.content for message in after.messages.items}
    for one in done:
        if one.succeeded and "message" in one.told and one.told["message"] not in here:
            assert _was_removed(one.told["message"], asked, done), "a question has disappeared"


def _check_order(messages: Sequence[ChatMessage], open_turn: str) -> None:
    for message, following in pairwise(messages):
        assert (message.role, following.role) != ("assistant", "assistant"), "two replies to one question"
    assert not messages or messages[0].role == "user", "a reply to nothing"
    versions = [version for message in messages for version in (message, *message.versions)]
    ids = [version.id for version in versions]
    assert len(set(ids)) == len(ids), "a message is stored twice"
    turns = [(version.role, version.turn_id) for version in versions]
    assert len(set(turns)) == len(turns), "a turn is stored twice"
    if open_turn:
        asked = [message.turn_id for message in messages[-1:] if message.role == "user"]
        assert asked == [open_turn], "the turn that runs is not that of the last message"


def _answers(messages: Sequence[ChatMessage]) -> set[tuple[str, str]]:
    """Each answer, also one that another version hides: the question's text and the reply's id."""
    found = set()
    question = ""
    for message in messages:
        if message.role == "user":
            question = message.content
        else:
            found.add((question, message.id))
        found |= {(question, version.id) for version in message.versions}
    return found


def _was_removed(question: str, asked: Sequence[ChatMessage], done: Sequence[Done]) -> bool:
    """Whether one of the operations says that it has removed the question, or all from an earlier one on."""
    texts = [message.content for message in asked]
    for one in done:
        if not one.succeeded:
            continue
        match one.told:
            case {"do": "clear"}:
                return True
            case {"do": "undo"} if one.answer["result"][0] == question:
                return True
            case {"do": "start_turn", "replaces": replaced}:
                ids = [message.id for message in asked]
                if replaced in ids and question not in texts[: ids.index(replaced)]:
                    return True
    return False


async def _check_expiry(redis: Redis) -> None:
    names = await redis.keys("*")
    async with redis.pipeline(transaction=True) as pipe:
        pipe.sismember(keys.pinned(USER), SESSION)
        pipe.hget(keys.session(USER, SESSION), "last_turn")
        for name in names:
            pipe.ttl(name)
        is_pinned, last_turn, *left = await pipe.execute()
    for_ever = {name for name, seconds in zip(names, left, strict=True) if seconds == -1}
    parts = (keys.session, keys.messages, keys.images)
    pinned = {keys.sessions(USER), keys.pinned(USER), keys.log(USER, last_turn or "")}
    pinned |= {part(USER, SESSION) for part in parts}
    assert for_ever <= (pinned if is_pinned else set()), f"kept for ever: {for_ever}"
