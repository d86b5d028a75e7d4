"""Backup: all that is stored of users in one file, from a store in use and back into one."""

import gzip
import json
from base64 import b64decode, b64encode
from collections import defaultdict
from pathlib import Path

from ..errors import InvalidInput
from . import keys
from .scripts import Redis

_FORMAT = {"format": "role-chat-backup", "version": 1}
_PAGE = 500

# A key's remaining life in milliseconds (0: for ever), and what Redis' DUMP tells of it, in base64.
Dumped = tuple[int, str]


class Backup:
    """`redis` must not decode what it answers. What is one user's is of one moment."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def write(self, file: Path) -> int:
        """Writes the file; how many keys are in it. Blocks the event loop while it writes."""
        count = 0
        with gzip.open(file, "wt", encoding="utf-8") as lines:
            lines.write(json.dumps(_FORMAT) + "\n")
            for names in await self._owned():
                dumped = await self._dump(names)
                count += len(dumped)
                lines.write(json.dumps(dumped) + "\n")
        return count

    async def restore(self, file: Path) -> int:
        """Puts what is in the file in the place of what has the same keys; how many there are. Raises
        InvalidInput for another file. Blocks the event loop while it reads."""
        count = 0
        try:
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                if json.loads(next(lines, "null")) != _FORMAT:
                    raise InvalidInput("file", "a backup")
                for line in lines:
                    count += await self._put(json.loads(line))
        except (gzip.BadGzipFile, EOFError, ValueError, AttributeError, TypeError) as error:
            raise InvalidInput("file", "a whole backup") from error
        return count

    async def _owned(self) -> list[list[str]]:
        """The keys of each user, and each other key alone."""
        owned: dict[str, list[str]] = defaultdict(list)
        for pattern in (keys.of_user("*"), keys.share_owner("*")):
            async for key in self._redis.scan_iter(match=pattern, count=_PAGE):
                name = key.decode()
                owned[name.partition("{")[2].partition("}")[0] or name].append(name)
        return list(owned.values())

    async def _dump(self, names: list[str]) -> dict[str, Dumped]:
        async with self._redis.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.pttl(name)
                pipe.dump(name)
            answers = await pipe.execute()
        dumped = zip(names, answers[::2], answers[1::2], strict=True)
        return {name: (max(0, left), b64encode(value).decode()) for name, left, value in dumped if value}

    async def _put(self, dumped: dict[str, Dumped]) -> int:
        async with self._redis.pipeline(transaction=True) as pipe:
            for name, (left, value) in dumped.items():
                pipe.restore(name, left, b64decode(value, validate=True), replace=True)
            return len(await pipe.execute())
