"""Processes: what the processes over one store know of each other."""

from collections.abc import Collection, Mapping

from ..storage import ProcessBoard, ProcessNote, Redis, redis_errors_as_store_unavailable

_ASK_SECONDS = 2.0
_LEAVE_SECONDS = 0.5  # a process that ends has no time, and is not missed for long


class Processes:
    """This process among those that share its store, where it `can_be_shared`."""

    def __init__(self, redis: Redis, *, can_be_shared: bool) -> None:
        self.can_be_shared = can_be_shared
        self._board = ProcessBoard(redis)

    @redis_errors_as_store_unavailable(_ASK_SECONDS)
    async def exchange(self, unheard: Mapping[str, Collection[str]]) -> dict[str, ProcessNote]:
        """Tells the others that this process lives, and to which of its calls, by the sessions they came in,
        nobody listens; what each of the others has told last. Raises StoreUnavailable."""
        return await self._board.exchange(unheard)

    @redis_errors_as_store_unavailable(_LEAVE_SECONDS)
    async def leave(self) -> None:
        """Tells the others that this process ends. Raises StoreUnavailable."""
        await self._board.leave()
