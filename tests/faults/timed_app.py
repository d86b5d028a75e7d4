"""`app.py`, which logs the longest round of its event loop since the last time when it is sent SIGUSR1: how
many seconds it took, and in how many of one the loop itself worked."""

import asyncio
import runpy
import signal
import sys
import time
from pathlib import Path
from socket import socket

import uvicorn

APP = Path(__file__).parents[2] / "app.py"
_INTERVAL_SECONDS = 0.005


class Rounds:
    """Those of a loop: a timer that goes off late tells of a long one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._longest = self._busiest = 0.0
        self._look_again()

    def _look_again(self) -> None:
        self._began, self._worked = time.monotonic(), time.thread_time()
        self._loop.call_later(_INTERVAL_SECONDS, self._look)

    def _look(self) -> None:
        self._longest = max(self._longest, time.monotonic() - self._began - _INTERVAL_SECONDS)
        self._busiest = max(self._busiest, time.thread_time() - self._worked)
        self._look_again()

    def tell(self) -> None:
        sys.stderr.write(f"longest round: {self._longest:.3f} s, busiest: {self._busiest:.3f} s\n")
        self._longest = self._busiest = 0.0


async def startup(server: uvicorn.Server, sockets: list[socket] | None = None) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, Rounds(loop).tell)
    await _startup(server, sockets)


_startup = uvicorn.Server.startup

if __name__ == "__main__":
    setattr(uvicorn.Server, "startup", startup)  # noqa: B010 - mypy forbids an assignment
    sys.path.insert(0, str(APP.parent))
    runpy.run_path(str(APP), run_name="__main__")
