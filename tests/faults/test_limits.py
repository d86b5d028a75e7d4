"""One caller who wants more than their share: of messages, of replies at once, and of pictures to look at."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.pictures import picture
from tests.running import RunningApp, running_app

from .callers import Caller, callers
from .floods import client_at, memory_of

# As the app comes; see .env.example.
USUAL = {"RATE_LIMIT": "20/minute", "RATE_LIMIT_ADDRESS": "60/minute"}
# Twenty words a second.
LONG = "word " * 600


async def test_a_new_user_for_each_message_has_no_more_than_their_address(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    answered, refusals = 0, []

    async def ask_as_somebody_new(caller: Caller) -> None:
        nonlocal answered
        for _ in range(150):
            try:
                await caller.start()
                await caller.call("chat", message="Hello")
                answered += 1
            except RuntimeError as refused:
                refusals.append(str(refused))

    with running_app(tmp_path, **settings | USUAL) as app:
        began = time.monotonic()
        async with callers(app.url, 2, "127.0.0.20") as people:
            await asyncio.gather(*map(ask_as_somebody_new, people))
        assert time.monotonic() - began < 60
        assert 0 < answered <= 60
        assert len(refusals) == 300 - answered
        assert all("too fast" in refused for refused in refusals)
        async with callers(app.url, 1, "127.0.0.21") as (somebody_else,):
            await somebody_else.call("chat", message="Hello")


async def test_two_who_want_ten_long_replies_each_leave_room_for_a_third(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    async def ask_for_another(caller: Caller) -> str:
        """Begins a reply in a conversation of its own."""
        begun = await caller.call_bare("start_chat", user_id=caller.conversation["user_id"])
        caller.conversation = {name: begun[name] for name in ("user_id", "session_id")}
        events = caller.events("chat_events", message=LONG)
        try:
            return str((await anext(events))["type"])
        except RuntimeError:
            return "refused"
        finally:
            await events.aclose()  # the reply goes on

    with running_app(tmp_path, **settings, MAX_CONCURRENT_REPLIES="20") as app:
        async with (
            callers(app.url, 1, "127.0.0.20") as (ana,),
            callers(app.url, 1, "127.0.0.21") as (bob,),
            callers(app.url, 1, "127.0.0.22") as (newest,),
        ):
            for heavy in (ana, bob):
                answers = Counter([await ask_for_another(heavy) for _ in range(10)])
                assert answers == {"started": 4, "refused": 6}
            began = time.monotonic()
            asking = asyncio.create_task(newest.ask("Hello"))
            await asyncio.wait_for(newest.began.wait(), 1)
            assert time.monotonic() - began <= 1
            await asking


async def test_pictures_over_the_limit_cost_nothing_and_their_memory_comes_back(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    large = picture("PNG", (8000, 5000), compress_level=1)  # of 40 megapixels
    with running_app(tmp_path, **settings | {"RATE_LIMIT": "1/hour"}) as app:
        async with callers(app.url, 1) as (ana,), client_at("127.0.0.1") as http:
            images = [await upload(http, app, large) for _ in range(4)]
            before, peak = memory_of(app), 0.0

            async def watch() -> None:
                nonlocal peak
                while True:
                    peak = max(peak, memory_of(app) + memory_of_decoders(app))
                    await asyncio.sleep(0.02)

            watching = asyncio.create_task(watch())
            await ana.call("chat", message="Look!", images=images)
            spent = processor_seconds(app)
            for _ in range(4):
                with pytest.raises(RuntimeError, match="too fast"):
                    await ana.call("chat", message="Look!", images=images)
            spent = processor_seconds(app) - spent
            watching.cancel()
        rest = memory_of(app) - before
        print(
            f"{peak - before:.0f} MB more at the peak, {rest:.0f} MB at rest, {spent:.2f} s for four refused"
        )
        assert peak - before > 100  # they were decoded
        assert peak - before < 700
        assert rest < 50
        assert spent < 1


async def upload(http: aiohttp.ClientSession, app: RunningApp, content: bytes) -> dict[str, object]:
    """What a message is sent with the file."""
    form = aiohttp.FormData()
    form.add_field("files", content, filename="large.png")
    async with http.post(f"{app.url}/gradio_api/upload", data=form) as answer:
        (path,) = await answer.json()
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def memory_of_decoders(app: RunningApp) -> float:
    """The megabytes of the processes that decode pictures."""
    held = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == app.process.pid and "decoder" in (process / "cmdline").read_text():
                held += int((process / "statm").read_text().split()[1]) * 4096
        except OSError:  # it has ended
            continue
    return held / 1e6


def processor_seconds(app: RunningApp) -> float:
    """What the app has taken, with those of its processes that have ended."""
    times = Path(f"/proc/{app.process.pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
