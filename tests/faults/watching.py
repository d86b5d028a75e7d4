"""What an app says of itself, to wait for: in its log, at its probes, and of a conversation."""

import asyncio
import json
import os
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.callers import Caller
from tests.running import RunningApp

_LISTENS = "0A"  # a state of a socket in /proc/net/tcp


async def says(app: RunningApp, words: str) -> bool:
    """Whether it has logged them."""
    return words in app.log


async def readiness(app: RunningApp) -> tuple[int, str]:
    """What `/readyz` answers, and what it says of the store."""

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{app.url}/readyz", timeout=10) as answer:
                return answer.status, json.load(answer)["store"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["store"]

    return await asyncio.to_thread(ask)


async def is_ready(app: RunningApp) -> bool:
    return (await readiness(app)) == (200, "ok")


def connections_of(app: RunningApp) -> int:
    """How many clients are connected to it."""
    process = Path(f"/proc/{app.process.pid}")
    own = set()
    for number in (process / "fd").iterdir():
        with suppress(OSError):  # it may have been closed meanwhile
            own.add(os.readlink(number))
    port = f":{urlsplit(app.url).port:04X}"
    rows = [row.split() for row in (process / "net" / "tcp").read_text().splitlines()[1:]]
    accepted = [f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] != _LISTENS]
    return len(own.intersection(accepted))


def threads_of(app: RunningApp) -> int:
    return len(list(Path(f"/proc/{app.process.pid}/task").iterdir()))


async def is_stored(person: Caller, question: str) -> bool:
    """Whether question and reply are whole."""
    said = [message["content"] for message in await person.history()]
    return said == [question, f"You said: {question}"]
