"""What to do where one of a user's keys is of another type than it should be: every command fails at it, and
with it whatever else was asked for."""

import functools
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from redis.exceptions import ResponseError

from . import keys
from .scripts import Redis, Script, ScriptCall, run_scripts

log = logging.getLogger(__name__)

_SET_ASIDE = Script(Path(__file__).parent / "set_aside.lua")
_KEPT_SECONDS = 30 * 24 * 3600
_TYPES = {
    keys.sessions: "zset",
    keys.pinned: "set",
    keys.roles: "hash",
    keys.notes: "hash",
    keys.shares: "hash",
    keys.custom_prompt: "string",
}


class _Store(Protocol):
    _redis: Redis


_Self = TypeVar("_Self", bound=_Store)
_Given = ParamSpec("_Given")
_Returned = TypeVar("_Returned")
_Method = Callable[Concatenate[_Self, str, _Given], Coroutine[Any, Any, _Returned]]


def is_of_wrong_type(error: object) -> bool:
    """Whether that is what Redis says of a key of another type than the command is for."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


def sets_damage_aside(
    method: _Method[_Self, _Given, _Returned],
) -> _Method[_Self, _Given, _Returned]:
    """For a method of a store whose first argument is a user's id: where it fails for the type of one of the
    user's own keys, that key is set aside, and the method done again as if it was not there."""

    @functools.wraps(method)
    async def done_again(
        store: _Self, user_id: str, /, *args: _Given.args, **named: _Given.kwargs
    ) -> _Returned:
        try:
            return await method(store, user_id, *args, **named)
        except ResponseError as error:
            if not (is_of_wrong_type(error) and await _set_aside(store._redis, user_id)):
                raise
        return await method(store, user_id, *args, **named)

    return done_again


async def _set_aside(redis: Redis, user_id: str) -> bool:
    """Whether something was. It is kept for the operator for a while, under a name that tells whose it is."""
    calls = [
        ScriptCall(_SET_ASIDE, [key(user_id), keys.damaged(key(user_id))], [kind, _KEPT_SECONDS])
        for key, kind in _TYPES.items()
    ]
    found = dict(zip(_TYPES, await run_scripts(redis, *calls), strict=True))
    for key, kind in found.items():
        if kind:
            log.error("%s was a %s, and is set aside", key("…"), kind)
    if found[keys.sessions]:
        await _list_again(redis, user_id)
    return any(found.values())


async def _list_again(redis: Redis, user_id: str) -> None:
    """Puts the user's sessions into a new index, which lasts as long as the one that lasts longest."""
    begin = keys.session(user_id, "")
    names = [name async for name in redis.scan_iter(match=f"{begin}*", count=1000)]
    heads = [name for name in names if ":" not in name.removeprefix(begin)]
    if not heads:
        return
    async with redis.pipeline(transaction=False) as pipe:
        for head in heads:
            pipe.hget(head, "updated_at")
            pipe.ttl(head)
        replies = await pipe.execute(raise_on_error=False)
    index = keys.sessions(user_id)
    times = {head.removeprefix(begin): _time(text) for head, text in zip(heads, replies[::2], strict=True)}
    await redis.zadd(index, times, nx=True)
    if min(replies[1::2]) > 0:
        await redis.expire(index, max(replies[1::2]))


def _time(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return 0.0
