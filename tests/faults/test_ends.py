"""However the app ends in the middle of twenty replies, what was said is kept."""

import asyncio
import os
import time
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM, Signals

import pytest
from redis.asyncio import Redis

from chat_core.storage.valkey import EmbeddedValkey
from tests.conftest import process_of, running_valkey
from tests.faults.callers import Caller, ask_all, callers
from tests.running import children, gone, launch, running_app, wait_until_gone

PEOPLE = 20
QUESTION = " ".join(f"word{number:03}" for number in range(200))
LEASE_SECONDS = 5


async def talk(people: list[Caller]) -> list[asyncio.Task[None]]:
    """All ask; returns when all have heard a second of their replies."""
    asking = await ask_all(people, QUESTION)
    await asyncio.sleep(1)  # of the replies is said
    return asking


async def check_what_is_kept(people: list[Caller], url: str, until: float) -> None:
    """Every question is there, and every reply as far as it was heard at that time, said to be interrupted;
    and the conversation goes on."""
    await check_replies(people, url, until)
    assert all(person.began.is_set() for person in people)
    last = await people[0].call("chat_events", message="again")
    assert last["message"]["content"] == "You said: again"


async def check_replies(people: list[Caller], url: str, until: float) -> None:
    """As far as there is a reply: of some the model may not have said a word."""
    for person in people:
        person.url = url
    async with asyncio.timeout(LEASE_SECONDS + 1):
        await asyncio.gather(*(_ended(person) for person in people))
    for person in people:
        question, *replies = await person.history()
        assert question["content"] == QUESTION
        assert [reply["status"] for reply in replies] == ["interrupted"] * person.began.is_set()
        text = replies[0]["content"] if replies else ""
        assert text.startswith(person.text(until).rstrip())


async def _ended(person: Caller) -> None:
    """Waits until it is certain that nobody writes the reply any more."""
    async for event in person.events("resume"):
        person.last = event
    assert person.last["status"] == "interrupted"


@pytest.mark.parametrize("how", [SIGTERM, SIGINT, SIGHUP])
async def test_an_end_keeps_every_word_and_leaves_nothing_running(
    directory: Path, settings: dict[str, str], how: Signals
) -> None:
    with running_app(directory, **settings) as app:
        async with callers(app.url, PEOPLE) as people:
            asking = await talk(people)
            began = time.monotonic()
            code = await asyncio.to_thread(app.end, how)
            took = time.monotonic() - began
            await asyncio.gather(*asking)
            assert code == 0
            assert took <= 2
            assert not (directory / "data" / "valkey.sock").exists()
            with running_app(directory, **settings) as again:
                await check_what_is_kept(people, again.url, time.monotonic())


@pytest.mark.alone  # the model would share its core
@pytest.mark.parametrize("how", [SIGTERM, SIGINT])
async def test_an_end_leaves_nothing_of_the_embedded_servers(directory: Path, how: Signals) -> None:
    settings = {"RATE_LIMIT": "", "RATE_LIMIT_ADDRESS": "", "MAX_REPLIES_PER_ADDRESS": "0"}
    with running_app(directory, **settings) as app:
        async with callers(app.url, PEOPLE) as people:
            asking = [asyncio.create_task(person.ask(QUESTION)) for person in people]
            async with asyncio.timeout(60):
                await asyncio.gather(*(person.started.wait() for person in people))
                await asyncio.wait(
                    [asyncio.create_task(person.began.wait()) for person in people],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            servers = children(app.process.pid)
            began = time.monotonic()
            code = await asyncio.to_thread(app.end, how)
            took = time.monotonic() - began
            await asyncio.gather(*asking)
            assert code == 0
            assert took <= 2
            assert len(servers) == 2  # of the store and of the model
            assert all(map(gone, servers))
            with running_app(directory, **settings) as again:
                await check_replies(people, again.url, time.monotonic())


@pytest.mark.parametrize("how", [SIGTERM, SIGINT, SIGHUP])
def test_an_end_amid_the_imports_is_no_failure(tmp_path: Path, how: Signals) -> None:
    process = launch(tmp_path)
    imported = Path(f"/proc/{process.pid}/maps")
    while "pydantic_core" not in imported.read_text():
        assert process.poll() is None
    process.send_signal(how)
    assert process.communicate(timeout=5)[1] == ""
    assert process.returncode == 0


@pytest.mark.parametrize("how", [SIGTERM, SIGINT, SIGHUP])
async def test_who_is_impatient_disturbs_no_end(
    directory: Path, settings: dict[str, str], how: Signals
) -> None:
    with running_app(directory, **settings) as app:
        async with callers(app.url, 3) as people:
            asking = await talk(people)
            while app.process.poll() is None:
                app.process.send_signal(how)
                await asyncio.sleep(0.01)
            await asyncio.gather(*asking)
            app.close()
            assert app.process.returncode == 0
            assert "Traceback" not in app.log
            assert not (directory / "data" / "valkey.sock").exists()
            with running_app(directory, **settings) as again:
                await check_replies(people, again.url, time.monotonic())


async def test_a_kill_leaves_the_store_alone_of_the_embedded_servers(directory: Path) -> None:
    with running_app(directory) as app:
        store, servers = await _process_of_store(directory), children(app.process.pid)
        app.end(SIGKILL)
        (model,) = servers - {store}
        wait_until_gone(model)
        assert not gone(store)  # the next app goes on with it


async def test_a_kill_of_the_embedded_model_ends_its_reply_and_no_other(directory: Path) -> None:
    with running_app(directory) as app:
        (model,) = children(app.process.pid) - {await _process_of_store(directory)}
        async with callers(app.url, 1) as (person,):
            asking = asyncio.create_task(person.ask("Tell me a long story."))
            await person.began.wait()
            os.kill(model, SIGKILL)
            await asking
            assert person.last["status"] == "failed"
            assert person.last["error"]["code"] == "model_disconnected"
            async with asyncio.timeout(30):
                while person.last["status"] == "failed":
                    await person.ask("Hello!")
            assert person.last["message"]["content"]


@pytest.mark.parametrize("store_too", [False, True])
async def test_a_kill_loses_at_most_the_last_300_ms(
    directory: Path, settings: dict[str, str], store_too: bool
) -> None:
    with running_app(directory, **settings) as app:
        async with callers(app.url, PEOPLE) as people:
            asking = await talk(people)
            killed = time.monotonic()
            store = await _process_of_store(directory)
            await asyncio.to_thread(app.end, SIGKILL)
            if store_too:
                os.kill(store, SIGKILL)
            await asyncio.gather(*asking)
            with running_app(directory, **settings) as again:
                await check_what_is_kept(people, again.url, killed - 0.3)


async def _process_of_store(directory: Path) -> int:
    async with Redis(unix_socket_path=str(EmbeddedValkey(directory / "data").socket)) as redis:
        return int((await redis.info("server"))["process_id"])


async def test_sigterm_ends_the_app_also_while_its_store_is_frozen(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with running_valkey(tmp_path / "store") as valkey:
        address = {"REDIS_URL": f"unix://{valkey.socket}"}
        with running_app(tmp_path, **settings, **address) as app:
            async with callers(app.url, 3) as people:
                asking = await talk(people)
                process_of(valkey).send_signal(SIGSTOP)
                began = time.monotonic()
                code = await asyncio.to_thread(app.end, SIGTERM)
                assert time.monotonic() - began <= 8
                assert code == 0
                assert app.log.count("3 replies could not be saved") == 1
                assert "Traceback" not in app.log
                await asyncio.gather(*asking, return_exceptions=True)
