"""What an app says of itself, to wait for: in its log, at its probes, and of a conversation."""

import asyncio
import json
import urllib.error
import urllib.request

from tests.faults.callers import Caller
from tests.running import RunningApp


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


async def is_stored(person: Caller, question: str) -> bool:
    """Whether question and reply are whole."""
    said = [message["content"] for message in await person.history()]
    return said == [question, f"You said: {question}"]
