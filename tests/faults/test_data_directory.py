"""What can be wrong with the data directory: one clear sentence, and nothing acknowledged is lost."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGKILL

import pytest

from chat_core.storage.valkey import EmbeddedValkey
from tests.conftest import eventually
from tests.faults.callers import Caller, ask_all, callers
from tests.faults.watching import is_ready, is_stored, readiness, says
from tests.running import APP, RunningApp, launch, running_app

QUESTION = " ".join(f"word{number:03}" for number in range(60))  # three seconds


async def talk(app: RunningApp, messages: int) -> Caller:
    """Somebody who has had so many answers."""
    async with callers(app.url, 1) as (person,):
        for number in range(messages):
            assert (await person.call("chat_events", message=f"{number}"))["status"] == "done"
    return person


async def remembered(app: RunningApp, person: Caller) -> list[str]:
    """The questions that are stored, of those whose answers are stored too."""
    async with callers(app.url, 1) as (other,):
        other.conversation = person.conversation
        messages = await other.history()
    answered = [message["content"] for message in messages if message["role"] == "assistant"]
    return [text.removeprefix("You said: ") for text in answered]


async def test_an_embedded_store_that_is_killed_is_started_again(
    directory: Path, settings: dict[str, str]
) -> None:
    store = EmbeddedValkey(directory / "data")
    with running_app(directory, **settings) as app:
        async with callers(app.url, 6) as (late, *people):
            asking = await ask_all(people, QUESTION)
            os.kill(process_of(store), SIGKILL)
            await asyncio.gather(*asking)
            await eventually(partial(is_ready, app), 10)
            assert (await late.call("chat_events", message="now?"))["status"] == "done"
            for person in people:
                await eventually(partial(is_stored, person, QUESTION), 10)
        await eventually(partial(says, app, "The store can be used again"), 10)
        assert app.log.count("the embedded Valkey had died") == 1
        assert app.end() == 0
        assert not store.is_listening()


def process_of(store: EmbeddedValkey) -> int:
    with store._client() as redis:
        return int(redis.info("server")["process_id"])


async def test_a_cut_file_loses_no_more_than_its_last_change(
    directory: Path, settings: dict[str, str]
) -> None:
    with running_app(directory, **settings) as app:
        person = await talk(app, 3)
    (file,) = (directory / "data" / "appendonlydir").glob("*.incr.aof")
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])  # into the end of the last reply
    with running_app(directory, **settings) as app:
        assert await readiness(app) == (200, "ok")
        assert app.log.count("had been cut off") == 1
        assert (await remembered(app, person))[:2] == ["0", "1"]
        async with callers(app.url, 1) as (other,):
            other.conversation = person.conversation
            await other.call("resume")  # ends when the lease of the process that is gone is over
            assert (await other.call("chat_events", message="again"))["status"] == "done"
            asked = [message["content"] for message in await other.history() if message["role"] == "user"]
            assert asked == ["0", "1", "2", "again"]


async def test_a_damaged_file_is_named_and_kept_with_the_command_that_repairs_it(
    directory: Path, settings: dict[str, str]
) -> None:
    with running_app(directory, **settings) as app:
        person = await talk(app, 2)
    (file,) = (directory / "data" / "appendonlydir").glob("*.incr.aof")
    whole = file.read_bytes()
    damaged = whole + b"*3\r\ngarbage\x00\xff" * 9
    file.write_bytes(damaged)
    with running_app(directory, **settings) as app:
        assert await readiness(app) == (503, "away")
        assert app.log.count(f"{file} is damaged") == 1
        assert "Traceback" not in app.log
        assert file.read_bytes() == damaged
        command = re.search(r"`(\S+) (-m \S+) (\S+)` copies it", app.log)
        assert command is not None
        repair = [command[1], *command[2].split(), command[3]]
        done = await asyncio.to_thread(
            partial(subprocess.run, repair, cwd=APP.parent, capture_output=True, text=True, check=True)
        )
        assert "Successfully truncated" in done.stdout
        (copy,) = (directory / "data").glob("damaged-*")
        assert (copy / file.name).read_bytes() == damaged
        await eventually(partial(is_ready, app), 20)  # the app that runs finds it
        assert await remembered(app, person) == ["0", "1"]


@pytest.mark.parametrize(
    ("directory_is", "words"), [("unknown", "holds no data"), ("", "Say where the data lie")]
)
def test_a_repair_of_nothing_says_so(tmp_path: Path, directory_is: str, words: str) -> None:
    arguments = [str(tmp_path / directory_is)] if directory_is else []
    command = [sys.executable, "-m", "chat_core.storage.repair", *arguments]
    done = subprocess.run(command, cwd=APP.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


async def test_two_apps_share_one_directory_until_the_last_has_gone(
    directory: Path, settings: dict[str, str]
) -> None:
    with running_app(directory, **settings) as first, running_app(directory, **settings) as second:
        person = await talk(first, 1)
        assert await remembered(second, person) == ["0"]
        assert await asyncio.to_thread(first.end) == 0
        assert await remembered(second, await talk(second, 1)) == ["0"]
        assert await remembered(second, person) == ["0"]
        assert await asyncio.to_thread(second.end) == 0
    assert not EmbeddedValkey(directory / "data").is_listening()


def test_a_port_that_is_taken_is_one_sentence(directory: Path, settings: dict[str, str]) -> None:
    with running_app(directory, **settings) as app:
        port = app.url.rpartition(":")[2].strip("/")
        process = launch(directory, **settings | {"GRADIO_SERVER_PORT": port})
        _, errors = process.communicate(timeout=40)
        assert process.returncode not in (0, None)
        assert "Traceback" not in errors
        assert len(re.findall(rf"{port}.*address already in use", errors)) == 1
        assert app.process.poll() is None
        assert EmbeddedValkey(directory / "data").is_listening()  # the other app's


# As root only: others can mount nothing, and nothing is read-only to root but a disk that is.
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a disk")


@contextmanager
def disk(place: Path, *options: str) -> Iterator[None]:
    """A disk of 2 MB at that place."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(["size=2m", *options]), "disk", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@as_root
async def test_a_read_only_directory_is_one_sentence(directory: Path, settings: dict[str, str]) -> None:
    with disk(directory / "data", "ro"), running_app(directory, **settings) as app:
        assert await readiness(app) == (503, "away")
        with pytest.raises(RuntimeError, match="store does not answer"):
            await talk(app, 1)
        assert app.log.count("Read-only file system") == 1
        assert "Traceback" not in app.log


@as_root
async def test_a_full_disk_is_named_loses_nothing_acknowledged_and_heals(
    directory: Path, settings: dict[str, str]
) -> None:
    with disk(directory / "data"):
        ballast = directory / "data" / "ballast"
        with running_app(directory, **settings) as app:
            person = await talk(app, 2)
            async with callers(app.url, 1) as (other,):
                other.conversation = person.conversation
                fill(ballast)
                said = await until_refused(other)
                assert await readiness(app) == (503, "not_writing")
                with pytest.raises(RuntimeError, match="store does not answer"):  # each time
                    await other.call("chat_events", message="again")
                ballast.unlink()
                await eventually(partial(is_ready, app), 10)
                await other.call("chat_events", message="after")
            kept = await remembered(app, person)
            assert kept[:2] + kept[-1:] == ["0", "1", "after"]
            assert set(said) <= set(kept)
            assert app.log.count("The store cannot be used") == 1
        with running_app(directory, **settings) as app:
            assert await remembered(app, person) == kept


def fill(file: Path) -> None:
    """Leaves no room on its disk."""
    with file.open("wb", buffering=0) as out:
        for size in (65536, 1024, 1):
            try:
                while True:
                    out.write(b"x" * size)
            except OSError:
                continue


async def until_refused(person: Caller) -> list[str]:
    """Says something until it is refused; the messages that were answered and saved."""
    said: list[str] = []

    async def talk_on() -> None:
        for number in range(100):
            answer = await person.call("chat_events", message=f"full {number}")
            said.extend([f"full {number}"] if answer["status"] == "done" else [])

    with pytest.raises(RuntimeError, match="store does not answer"):
        await talk_on()
    return said
