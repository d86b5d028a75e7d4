"""What an app says of itself, to wait for: in its log, at its probes, and of a conversation."""

import asyncio
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGUSR1
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.conftest import eventually
from tests.faults.callers import Caller
from tests.running import RunningApp

TIMED_APP = Path(__file__).parent / "timed_app.py"
# A person does not notice it.
MOST_SECONDS = 0.1
# Of an app that has to wait for longer than this, others decide how fast it answers.
MOST_STARVATION = 0.25
_LISTENS = "0A"  # a state of a socket in /proc/net/tcp


class Rounds(NamedTuple):
    """How many seconds the longest round of a loop took, and in how many of one the loop itself worked."""

    longest: float
    busiest: float


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


async def longest_round_of(app: RunningApp) -> Rounds:
    """Of the loop of a timed_app.py, since this was asked for the last time."""
    seen = len(app.lines)
    app.process.send_signal(SIGUSR1)

    def told() -> list[str]:
        return [line for line in app.lines[seen:] if line.startswith("longest round: ")]

    async def has_told() -> bool:
        return bool(told())

    await eventually(has_told)
    return Rounds(*map(float, re.findall(r"[\d.]+", told()[0])))


@contextmanager
def starvation_of(app: RunningApp) -> Iterator[list[float]]:
    """Afterwards, the one number in the list is the share of the time in which it wanted to run and was
    not let: so busy was the machine with other things."""
    schedule = Path(f"/proc/{app.process.pid}/schedstat")
    ran, waited, _ = map(int, schedule.read_text().split())
    share: list[float] = []
    yield share
    now_ran, now_waited, _ = map(int, schedule.read_text().split())
    share.append((now_waited - waited) / (now_ran - ran + now_waited - waited))


async def is_stored(person: Caller, question: str) -> bool:
    """Whether question and reply are whole."""
    said = [message["content"] for message in await person.history()]
    return said == [question, f"You said: {question}"]
