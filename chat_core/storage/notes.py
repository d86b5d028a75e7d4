"""NoteStore: what users want their roles to know."""

import logging
from collections.abc import Mapping

from pydantic import ValidationError

from ..messages import Note
from . import keys
from .damage import sets_damage_aside
from .scripts import Redis

log = logging.getLogger(__name__)


class NoteStore:
    """The notes of users, which are kept for `ttl_seconds` after their last use (0: for ever)."""

    def __init__(self, redis: Redis, *, ttl_seconds: int) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds

    @sets_damage_aside
    async def all(self, user_id: str) -> list[Note]:
        """The user's notes for all roles, the oldest first."""
        async with self._redis.pipeline(transaction=False) as pipe:
            queue_notes(pipe, user_id, self._ttl_seconds)
            rows, *_ = await pipe.execute()
        return parse_notes(rows)

    @sets_damage_aside
    async def save(self, user_id: str, note: Note) -> None:
        """Adds the note."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(keys.notes(user_id), note.id, note.to_json())
            if self._ttl_seconds:
                pipe.expire(keys.notes(user_id), self._ttl_seconds)
            await pipe.execute()

    @sets_damage_aside
    async def delete(self, user_id: str, *note_ids: str) -> bool:
        """Removes the notes of these ids; whether there was one."""
        return bool(note_ids) and bool(await self._redis.hdel(keys.notes(user_id), *note_ids))


def queue_notes(pipe: Redis, user_id: str, ttl_seconds: int) -> None:
    """Reads the user's notes, for `parse_notes`, and keeps them as long from now on."""
    pipe.hgetall(keys.notes(user_id))
    if ttl_seconds:
        pipe.expire(keys.notes(user_id), ttl_seconds)


def parse_notes(rows: Mapping[str, str]) -> list[Note]:
    """Stored notes, the oldest first; one that cannot be read is logged and left out."""
    found = []
    for note_id, row in rows.items():
        try:
            found.append(Note.model_validate_json(row))
        except ValidationError:
            log.warning("the note %.8s… of a user cannot be read", note_id)
    return sorted(found, key=lambda note: (note.created_at, note.id))
