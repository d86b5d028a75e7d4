"""ProcessBoard: what processes over one store tell each other of the calls that wait there."""

import secrets
import time
from collections.abc import Collection, Mapping
from contextlib import suppress

from pydantic import BaseModel, ValidationError

from . import keys
from .scripts import Redis

_SILENT_SECONDS = 10.0  # of one that has ended
_KEPT_SECONDS = 60


class ProcessNote(BaseModel):
    """What a process tells the others: when, in seconds, and its `unheard` calls, the ids of calls by the
    session they came in, to which nobody listens there."""

    at: float
    unheard: dict[str, list[str]]


class ProcessBoard:
    """The notes of all processes, of which each puts up its own again and again."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._name = secrets.token_hex(8)

    async def exchange(self, unheard: Mapping[str, Collection[str]]) -> dict[str, ProcessNote]:
        """Puts up this process's note; those of the others that live, by their names."""
        now = time.time()
        note = ProcessNote(at=now, unheard={session: [*ids] for session, ids in unheard.items()})
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.PROCESSES, self._name, note.model_dump_json())
            pipe.expire(keys.PROCESSES, _KEPT_SECONDS)
            pipe.hgetall(keys.PROCESSES)
            found = (await pipe.execute())[-1]
        del found[self._name]
        notes = {}
        for name, text in found.items():
            with suppress(ValidationError):  # of a process of another version
                notes[name] = ProcessNote.model_validate_json(text)
        if gone := [name for name, other in notes.items() if now - other.at > _KEPT_SECONDS]:
            await self._redis.hdel(keys.PROCESSES, *gone)
        return {name: other for name, other in notes.items() if now - other.at < _SILENT_SECONDS}

    async def leave(self) -> None:
        """Takes this process's note away."""
        await self._redis.hdel(keys.PROCESSES, self._name)
