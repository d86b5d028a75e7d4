"""Lua scripts, which Redis runs in one step. Their sources are `.lua` files beside their callers."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

# redis-py's annotations say "bytes or str" and "maybe awaitable" of everything, whatever the client is.
Redis = Any

Part = str | int | float


class Script:
    """The script in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.source = path.read_text(encoding="utf-8")
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class ScriptCall(NamedTuple):
    """A script with what it is called with."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Part]


async def run_scripts(redis: Redis, *calls: ScriptCall) -> list[Any]:
    """Runs the calls in one round trip, each atomic by itself; their results.

    A server that does not know a script (any more) is sent all of them again with their sources, so a call
    must be safe to be made twice, and not depend on those before it.
    """
    try:
        return await _run(redis, "EVALSHA", [(call, call.script.sha) for call in calls])
    except NoScriptError:
        return await run_scripts_in_order(redis, *calls)


async def run_scripts_in_order(redis: Redis, *calls: ScriptCall) -> list[Any]:
    """The same for calls of which the later depend on the earlier: with their sources, for of several that
    are named the server would leave out those alone that it does not know."""
    return await _run(redis, "EVAL", [(call, call.script.source) for call in calls])


async def _run(redis: Redis, command: str, calls: list[tuple[ScriptCall, str]]) -> list[Any]:
    commands = [(command, script, len(call.keys), *call.keys, *call.arguments) for call, script in calls]
    if len(commands) == 1:
        return [await redis.execute_command(*commands[0])]
    async with redis.pipeline(transaction=False) as pipe:
        for parts in commands:
            pipe.execute_command(*parts)
        return await pipe.execute()  # type: ignore[no-any-return]
