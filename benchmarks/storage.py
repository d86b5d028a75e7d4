"""What the store takes: `python -m benchmarks.storage` writes those of many users, by the app's
own code, into an embedded Valkey, and prints what they take there.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from chat_core.messages import ChatMessage
from chat_core.storage import Change, SessionStore, keys
from chat_core.storage.valkey import EmbeddedValkey

_AT_ONCE = 50
_MESSAGES = 6
_WORDS = "The sky is blue because air scatters short waves of light more than long ones. "
KIB = 1024


def _message(number: int) -> ChatMessage:
    """A short question, or an answer of some 400 characters."""
    role: Any = ("user", "assistant")[number % 2]
    text = _WORDS if role == "user" else _WORDS * 5
    return ChatMessage(id=f"m{number}", role=role, content=text, timestamp=1.0, turn_id=f"t{number // 2}")


async def _write(store: SessionStore, user: int) -> None:
    user_id, session_id = f"u_{user:032x}", f"{user:032x}"
    await store.create(user_id, session_id, {"role": "assistant"})
    change = Change(user_id, session_id)
    for number in range(_MESSAGES):
        change.append(_message(number))
    await store.commit(change)


async def measure(users: int) -> str:
    """The figures, as lines."""
    with tempfile.TemporaryDirectory() as directory:
        valkey = EmbeddedValkey(Path(directory))
        await asyncio.to_thread(valkey.start)
        redis = Redis.from_url(f"unix://{valkey.socket}", decode_responses=True)
        try:
            store = SessionStore(redis, max_messages=0, ttl_seconds=7 * 24 * 3600)
            empty = (await redis.info("memory"))["used_memory"]
            began = time.monotonic()
            for first in range(0, users, _AT_ONCE):
                batch = range(first, min(users, first + _AT_ONCE))
                await asyncio.gather(*(_write(store, user) for user in batch))
            seconds = time.monotonic() - began
            used = (await redis.info("memory"))["used_memory"] - empty
            user_id, session_id = f"u_{0:032x}", f"{0:032x}"
            row = await redis.memory_usage(keys.messages(user_id, session_id), samples=0) or 0
            began = time.monotonic()
            await store.latest_sessions(f"u_{users // 2:032x}", 50)
            listed = (time.monotonic() - began) * 1000
        finally:
            await redis.aclose()
            await asyncio.to_thread(valkey.stop)
    return (
        f"{users:,} users with a conversation of {_MESSAGES} messages each: {used / KIB**2:,.0f} MiB, "
        f"{used / users / KIB:.1f} KiB a user, of which {row / _MESSAGES / KIB:.2f} KiB a message; "
        f"written in {seconds:.0f} s; one user's list read in {listed:.1f} ms"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    sys.stdout.write(asyncio.run(measure(parser.parse_args().users)) + "\n")
