"""While the store is away replies go on, and nobody waits long for the word that it is."""

import asyncio
import time
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from chat_core.storage.valkey import EmbeddedValkey
from tests.conftest import eventually, process_of, running_valkey
from tests.faults.callers import Caller, callers
from tests.running import running_app

QUESTION = " ".join(f"word{number:03}" for number in range(60))  # three seconds
AWAY_SECONDS = 10


def freeze(valkey: EmbeddedValkey) -> None:
    process_of(valkey).send_signal(SIGSTOP)


def thaw(valkey: EmbeddedValkey) -> None:
    process_of(valkey).send_signal(SIGCONT)


def kill(valkey: EmbeddedValkey) -> None:
    process_of(valkey).send_signal(SIGKILL)
    process_of(valkey).wait()


def restart(valkey: EmbeddedValkey) -> None:
    valkey.start()


@pytest.mark.parametrize(("take_away", "bring_back"), [(freeze, thaw), (kill, restart)])
async def test_replies_go_on_and_are_saved_and_new_messages_are_told(
    tmp_path: Path, settings: dict[str, str], take_away: object, bring_back: object
) -> None:
    assert callable(take_away)
    assert callable(bring_back)
    with running_valkey(tmp_path / "store") as valkey:
        address = {"REDIS_URL": f"unix://{valkey.socket}"}
        with running_app(tmp_path, **settings, **address) as app:
            async with callers(app.url, 6) as (late, *people):
                asking = [asyncio.create_task(person.ask(QUESTION)) for person in people]
                await asyncio.gather(*(person.began.wait() for person in people))
                take_away(valkey)
                gone = time.monotonic()
                with pytest.raises(RuntimeError, match="store does not answer"):
                    await late.call("chat_events", message="are you there?")
                assert time.monotonic() - gone <= 8

                async def all_said() -> bool:
                    return all(QUESTION in person.text(time.monotonic()) for person in people)

                await eventually(all_said, AWAY_SECONDS)
                await asyncio.sleep(max(0.0, gone + AWAY_SECONDS - time.monotonic()))
                await asyncio.to_thread(bring_back, valkey)
                await asyncio.gather(*asking)
                assert (await late.call("chat_events", message="now?"))["status"] == "done"
                for person in people:
                    await eventually(partial(_is_stored, person), 10)


async def _is_stored(person: Caller) -> bool:
    """Whether question and reply are whole."""
    said = [message["content"] for message in await person.history()]
    return said == [QUESTION, f"You said: {QUESTION}"]
