"""What is left when a process that writes a reply ends: killed, or told to."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from chat_core import ChatService, Delta
from chat_core.errors import SessionBusy
from chat_core.storage.valkey import EmbeddedValkey

from .conftest import Chat

pytestmark = pytest.mark.parametrize("connect", ["valkey"], indirect=True)

# The writer's beat, and some room for a busy machine.
LONGEST_LOSS_SECONDS = 0.5


@asynccontextmanager
async def talking(valkey: EmbeddedValkey, chat: Chat, *arguments: str) -> AsyncIterator[Process]:
    """Another process, which talks in the session."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.core.talking_process", valkey.socket, chat.user, chat.id),
        *arguments,
        cwd=Path(__file__).parents[2],
        stdout=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def talker(valkey: EmbeddedValkey, chat: Chat) -> AsyncIterator[Process]:
    async with talking(valkey, chat) as process:
        yield process


async def test_a_killed_process_loses_no_more_than_its_last_beat(
    chat: Chat, service: ChatService, talker: Process
) -> None:
    assert talker.stdout is not None
    turn_id = (await talker.stdout.readline()).decode().strip()
    seen = ""
    async for event in service.follow(chat.user, chat.id, turn_id):
        assert isinstance(event.text, str)
        seen += event.text
        if len(seen) > 500:
            break
    with pytest.raises(SessionBusy):
        await service.start_turn(chat.user, chat.id, "Stop talking!")
    killed = time.monotonic()
    talker.send_signal(SIGKILL)
    text, end = await chat.read(turn_id)
    assert text.startswith(seen)
    assert killed - float(text.split()[-1]) < LONGEST_LOSS_SECONDS
    assert end.status == "interrupted"
    question, reply = await chat.history()
    assert (question.content, reply) == ("Talk!", end.message)
    assert reply.content == text
    assert not (await service.session(chat.user, chat.id)).running
    await chat.say("And now?", "Now it goes on.")


async def test_a_process_that_is_told_to_end_loses_nothing(
    chat: Chat, service: ChatService, talker: Process
) -> None:
    assert talker.stdout is not None
    turn_id = (await talker.stdout.readline()).decode().strip()
    follower = asyncio.create_task(chat.read(turn_id))
    await chat.read_until(" ", turn_id)
    talker.send_signal(SIGTERM)
    said = (await talker.stdout.readline()).decode().removesuffix("\n")
    assert await talker.wait() == 0
    text, end = await follower
    assert text == said
    assert end.status == "interrupted"
    assert await chat.contents() == ["Talk!", said]
    await chat.say("And now?", "Now it goes on.")


async def test_a_reply_whose_process_was_killed_is_continued_and_killed_and_continued(
    chat: Chat, valkey: EmbeddedValkey
) -> None:
    said, position = "", 0
    for how in ([], ["on"], ["on"]):
        async with talking(valkey, chat, *how) as process:
            assert process.stdout is not None
            turn_id = (await process.stdout.readline()).decode().strip()
            async with aclosing(chat.service.follow(chat.user, chat.id, turn_id, position)) as events:
                async for event in events:
                    assert isinstance(event, Delta)
                    assert event.end > position
                    if event.end > position + 300:
                        break
            process.send_signal(SIGKILL)
            rest, end = await chat.read(turn_id, position)
            assert end.status == "interrupted"
        (_, reply) = await chat.history()
        assert reply.content == said + rest
        said, position = reply.content, len(reply.content)
    turn_id, after = await chat.service.continue_reply(chat.user, chat.id)
    assert after == position
    call = await chat.model.next_call()
    call.say("Enough.")
    call.end()
    assert (await chat.read(turn_id, after))[0] == "Enough."
    assert await chat.contents() == ["Talk!", f"{said}Enough."]
