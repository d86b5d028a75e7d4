"""Census: what is stored of whom, over all users; for the operator, not for the app."""

from collections import defaultdict
from collections.abc import Iterable

from . import keys
from .scripts import Redis

_PAGE = 500


class Census:
    """Looks through all keys, which takes its time in a large store and stops nobody."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def keys(self) -> dict[str, list[str]]:
        """The keys of each user, by the user's id."""
        found: dict[str, list[str]] = defaultdict(list)
        async for key in self._redis.scan_iter(match=keys.of_user("*"), count=_PAGE):
            found[key.partition("{")[2].partition("}")[0]].append(key)
        return dict(sorted(found.items()))

    async def bytes(self, names: Iterable[str]) -> int:
        """How much memory these keys take in the store."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.memory_usage(name)
            return sum(size or 0 for size in await pipe.execute())

    async def delete(self, names: Iterable[str]) -> int:
        """Removes these keys; how many there were."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.unlink(name)
            return sum(await pipe.execute())
