"""What the suites of the contract share: one user with one session, and short words for long calls."""

import itertools
from collections.abc import AsyncIterable, Callable

import pytest
from redis.asyncio import Redis

from chat_core.messages import ChatMessage, Delta, Image, TurnEnd, TurnEvent
from chat_core.storage import Change, SessionStore, keys
from chat_core.turns import TurnLog

USER, SESSION = "u_ada", "s1"
TTL_SECONDS = 3600

Clock = Callable[[], float]


@pytest.fixture
def clock() -> Clock:
    """A clock that goes on by a second whenever it is looked at."""
    return map(float, itertools.count(1_700_000_000)).__next__


@pytest.fixture
def store(redis: Redis, clock: Clock) -> SessionStore:
    return SessionStore(redis, max_messages=0, ttl_seconds=TTL_SECONDS, clock=clock)


@pytest.fixture
async def session(store: SessionStore) -> str:
    """The id of an empty session of USER."""
    return (await store.create(USER, SESSION, {"role": "assistant"})).id


@pytest.fixture
def log(redis: Redis, store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> TurnLog:
    monkeypatch.setattr("chat_core.turns.log._BLOCK_MS", 50)
    return TurnLog(redis, store)


def question(turn_id: str = "t1", text: str = "Why?") -> ChatMessage:
    return ChatMessage(id=f"{turn_id}-message", role="user", content=text, timestamp=1.0, turn_id=turn_id)


def question_with_images(turn_id: str, *image_ids: str) -> ChatMessage:
    """A question with images of these ids."""
    images = [Image(id=i, media_type="image/jpeg", width=8, height=6, preview="data:,") for i in image_ids]
    return question(turn_id).model_copy(update={"images": tuple(images)})


def urls(*image_ids: str) -> dict[str, str]:
    return {image_id: f"data:image/jpeg;base64,{image_id}" for image_id in image_ids}


def answer(turn_id: str = "t1", text: str = "Because.", reasoning: str = "") -> ChatMessage:
    return ChatMessage(
        id=f"{turn_id}-reply",
        role="assistant",
        content=text,
        timestamp=2.0,
        turn_id=turn_id,
        reasoning=reasoning,
    )


def done(turn_id: str = "t1", text: str = "Because.", reasoning: str = "") -> TurnEnd:
    return TurnEnd(status="done", message=answer(turn_id, text, reasoning))


async def append(store: SessionStore, *messages: ChatMessage) -> None:
    change = Change(USER, SESSION)
    for message in messages:
        change.append(message)
    await store.commit(change)


async def die(redis: Redis) -> None:
    """What is left of the session's running turn some time after its process was killed."""
    assert await redis.delete(keys.lease(USER, SESSION)) == 1


async def dump(redis: Redis) -> dict[str, object]:
    """Everything that is stored, to see that nothing changed."""
    read = {"hash": redis.hgetall, "string": redis.get}
    ranges = {"list": redis.lrange, "stream": redis.xrange, "zset": redis.zrange}
    found: dict[str, object] = {}
    async for key in redis.scan_iter():
        kind = await redis.type(key)
        found[key] = await read[kind](key) if kind in read else await ranges[kind](key, *_ALL[kind])
    return found


_ALL = {"list": (0, -1), "stream": ("-", "+"), "zset": (0, -1)}


async def read(events: AsyncIterable[TurnEvent]) -> tuple[str, TurnEnd]:
    """A followed turn: its text, and its end, after which nothing came."""
    pieces, end = await parts(events)
    assert all(piece.kind == "text" for piece in pieces)
    return "".join(piece.text for piece in pieces), end


async def parts(events: AsyncIterable[TurnEvent]) -> tuple[list[Delta], TurnEnd]:
    seen = [event async for event in events]
    *pieces, end = seen
    assert isinstance(end, TurnEnd)
    deltas = [piece for piece in pieces if isinstance(piece, Delta)]
    assert len(deltas) == len(pieces), "something came after the end"
    return deltas, end
