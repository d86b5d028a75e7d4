"""How a task is ended."""

import asyncio
from contextlib import suppress
from typing import Any

_AGAIN_SECONDS = 0.5


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancels the task and waits until it has ended. Once is not enough: Python 3.11's `asyncio.wait_for`,
    which redis-py writes with, loses a cancellation that comes together with its result."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN_SECONDS)
    with suppress(asyncio.CancelledError):
        await task
