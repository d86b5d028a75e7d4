"""Redis goes away, for ever or for a while: callers hear it in one word, and replies lose nothing."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from chat_core import ChatService, ConversationExport, PictureOrder, Sampling, Settings
from chat_core.errors import StoreUnavailable
from chat_core.storage.valkey import EmbeddedValkey
from tests.conftest import eventually, process_of, running_valkey
from tests.scripted_model import ScriptedModel

from .conftest import Chat

EXPORTED = ConversationExport(
    format="role-chat", version=1, title="", role="", model="", exported_at=0, messages=()
).to_json()

# Everything a caller can await, but for `health`, `drain`, `finish_turns` and `refresh_models`, which never
# raise.
CALLS: dict[str, Callable[[ChatService], Awaitable[object]]] = {
    "start_session": lambda service: service.start_session("u_ada"),
    "session": lambda service: service.session("u_ada", "s1"),
    "sessions": lambda service: service.sessions("u_ada"),
    "latest_sessions": lambda service: service.latest_sessions("u_ada"),
    "latest_with_role": lambda service: service.latest_with_role("u_ada", "teacher"),
    "history": lambda service: service.history("u_ada", "s1"),
    "conversation": lambda service: service.conversation("u_ada", "s1"),
    "clear": lambda service: service.clear("u_ada", "s1"),
    "move": lambda service: service.move("u_ada", "s1", "Folder"),
    "set_sampling": lambda service: service.set_sampling("u_ada", "s1", Sampling()),
    "rename": lambda service: service.rename("u_ada", "s1", "Title"),
    "pin": lambda service: service.pin("u_ada", "s1"),
    "roles_for": lambda service: service.roles_for("u_ada"),
    "own_roles": lambda service: service.own_roles("u_ada"),
    "save_role": lambda service: service.save_role("u_ada", {"name": "Poet", "prompt": "Rhyme."}),
    "read_roles": lambda service: service.read_roles("u_ada", b"act,prompt\nPoet,Rhyme."),
    "import_roles": lambda service: service.import_roles("u_ada", b"act,prompt\nPoet,Rhyme."),
    "delete_role": lambda service: service.delete_role("u_ada", "custom"),
    "delete": lambda service: service.delete("u_ada", "s1"),
    "export": lambda service: service.export("u_ada", "s1"),
    "import_file": lambda service: service.import_file("u_ada", EXPORTED),
    "export_all": lambda service: service.export_all("u_ada", lambda *_: ""),
    "start_turn": lambda service: service.start_turn("u_ada", "s1", "Why?"),
    "start_panel": lambda service: service.start_panel("u_ada", "s1", "Why?", ["teacher", "assistant"]),
    "start_picture": lambda service: service.start_picture("u_ada", "s1", PictureOrder("a house")),
    "picture": lambda service: service.picture("u_ada", "s1", "p1"),
    "choose_reply": lambda service: service.choose_reply("u_ada", "s1", "t1"),
    "follow": lambda service: anext(service.follow("u_ada", "s1", "t1")),
    "complete": lambda service: anext(service.complete("u_ada", [{"role": "user", "content": "Why?"}])),
    "regenerate": lambda service: service.regenerate("u_ada", "s1"),
    "edit_message": lambda service: service.edit_message("u_ada", "s1", "m1", "Why?"),
    "continue_reply": lambda service: service.continue_reply("u_ada", "s1"),
    "undo": lambda service: service.undo("u_ada", "s1"),
    "restore": lambda service: service.restore("u_ada", "s1", "r1"),
    "rate": lambda service: service.rate("u_ada", "s1", "m1", "like"),
    "select_version": lambda service: service.select_version("u_ada", "s1", "m1", 1),
    "stop": lambda service: service.stop("u_ada", "s1"),
    "branch": lambda service: service.branch("u_ada", "s1", "m1"),
    "summary": lambda service: service.summary("u_ada", "s1"),
    "notes": lambda service: service.notes("u_ada", "teacher"),
    "save_note": lambda service: service.save_note("u_ada", "teacher", "I am vegetarian."),
    "delete_note": lambda service: service.delete_note("u_ada", "teacher", "n1"),
    "share": lambda service: service.share("u_ada", "s1"),
    "shares": lambda service: service.shares("u_ada"),
    "unshare": lambda service: service.unshare("u_ada", "t1"),
    "shared": lambda service: service.shared("t1"),
    "import_share": lambda service: service.import_share("u_ada", "t1"),
    "save_summary": lambda service: service.save_summary("u_ada", "s1", "Short."),
}


def test_every_public_method_is_tried_without_a_store() -> None:
    public = {
        name
        for name, member in inspect.getmembers(ChatService)
        if not name.startswith("_")
        and (inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member))
    }
    assert public == CALLS.keys() | {"health", "drain", "finish_turns", "refresh_models"}


async def hang_up(_: bytes) -> bytes:
    raise ConnectionResetError


async def say_nothing(_: bytes) -> bytes:
    await asyncio.sleep(3600)
    return b""


async def talk_nonsense(_: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


async def load_its_data(_: bytes) -> bytes:
    return b"-LOADING Valkey is loading the dataset in memory\r\n" * 20


@pytest.fixture(
    params=[None, hang_up, say_nothing, talk_nonsense, load_its_data],
    ids=["no socket", "hangs up", "is silent", "talks nonsense", "is loading"],
)
async def away(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Redis]:
    """The client of a Redis that is none."""
    path = tmp_path / "socket"
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            while sent := await reader.read(65536):
                writer.write(await request.param(sent))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path) if request.param else None
    async with Redis.from_url(f"unix://{path}", decode_responses=True, socket_timeout=0.1) as client:
        yield client
    if server:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)


async def test_every_public_method_says_that_the_store_is_away(away: Redis, model: ScriptedModel) -> None:
    async with ChatService(Settings(), redis=away, model=model) as service:
        for name, call in CALLS.items():
            with pytest.raises(StoreUnavailable) as caught:
                await call(service)
            assert caught.value.code == "store_unavailable", name
        health = await service.health()
        assert health.store_trouble in ("away", "loading")
        assert health.model
    assert model.silent


# For a while


class Outage(NamedTuple):
    """Takes a server away, as `kind` says, and brings it back."""

    kind: str
    server: EmbeddedValkey

    def begin(self) -> None:
        if self.kind == "paused":
            process_of(self.server).send_signal(SIGSTOP)
        else:
            process_of(self.server).terminate()
            process_of(self.server).wait()

    def end(self) -> None:
        if self.kind == "paused":
            process_of(self.server).send_signal(SIGCONT)
        else:
            self.server.start()


@pytest.fixture(params=["paused", "restarted"])
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outage]:
    with running_valkey(tmp_path) as server:
        yield Outage(request.param, server)


@pytest.fixture
async def chat(outage: Outage, model: ScriptedModel) -> AsyncIterator[Chat]:
    """A session on a server of its own, whose outages outlast the lease of a turn."""
    address = f"unix://{outage.server.socket}"
    settings = Settings(rate_limit="", title_model="off")
    async with (
        Redis.from_url(address, decode_responses=True, socket_timeout=0.2) as redis,
        ChatService(settings, redis=redis, model=model, lease_seconds=0.1) as service,
    ):
        user, session = await service.start_session()
        yield Chat(service, model, user, session.id)


@pytest.fixture
def noticed(caplog: pytest.LogCaptureFixture) -> Callable[[], Awaitable[None]]:
    """Waits until the outage was noticed, that is, until at least one flush has failed."""

    async def logged() -> bool:
        return "replies cannot be saved" in caplog.text

    return lambda: eventually(logged)


Noticed = Callable[[], Awaitable[None]]


async def test_a_reply_goes_on_through_an_outage_and_loses_no_text(
    chat: Chat, outage: Outage, noticed: Noticed
) -> None:
    turn_id, call = await chat.ask()
    follower = asyncio.create_task(chat.read(turn_id))
    call.say("One, ")
    await chat.read_until("One, ")
    outage.begin()
    call.say("two, ")
    await noticed()
    await chat.read_until("two, ", turn_id)  # whoever knows the turn can follow it even now
    with pytest.raises(StoreUnavailable):
        await chat.history()
    outage.end()
    await eventually(lambda: answers(chat))
    assert (await chat.service.session(chat.user, chat.id)).messages == 1  # not thought dead
    call.say("three.")
    call.end()
    text, end = await follower
    assert (text, end.status) == ("One, two, three.", "done")
    assert await chat.contents() == ["Why?", "One, two, three."]
    await chat.say("Again?", "Again.")


async def test_a_reply_that_ends_in_an_outage_is_saved_after_it(
    chat: Chat, outage: Outage, noticed: Noticed
) -> None:
    turn_id, call = await chat.ask()
    follower = asyncio.create_task(chat.read(turn_id))
    call.say("One, ")
    await chat.read_until("One, ")
    outage.begin()
    call.say("two.")
    call.end()
    await noticed()
    outage.end()
    text, end = await follower
    assert (text, end.status) == ("One, two.", "done")
    assert await chat.contents() == ["Why?", "One, two."]


async def test_a_reply_can_be_stopped_in_an_outage(
    chat: Chat, outage: Outage, noticed: Noticed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "chat_core.service.turns._STOP_SECONDS", 30.0
    )  # the outage may last longer than usual
    turn_id, call = await chat.ask()
    call.say("One, ")
    await chat.read_until("One, ")
    outage.begin()
    stop = asyncio.create_task(chat.service.stop(chat.user, chat.id))
    await call.closed.wait()
    await noticed()
    outage.end()
    assert await stop == (True, turn_id, 5)
    assert [(m.content, m.status) for m in await chat.history()][1:] == [("One, ", "stopped")]


async def test_followers_are_told_when_an_ended_reply_cannot_be_saved_for_long(
    chat: Chat, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.service._writer, "_patience_seconds", 0.0)
    turn_id, call = await chat.ask()
    follower = asyncio.create_task(chat.read(turn_id))
    call.say("All of it.")
    await chat.read_until("All of it.")
    outage.begin()
    call.end()
    text, end = await follower
    assert end.error is not None
    assert (text, end.status, end.error.code) == ("All of it.", "failed", "store_unavailable")
    assert end.message is not None
    assert end.message.content == "All of it."
    outage.end()
    await eventually(lambda: answers(chat))
    await chat.service._writer.wait_until_saved()
    assert [(m.content, m.status) for m in await chat.history()][1:] == [("All of it.", "done")]


async def test_leaving_in_an_outage_is_no_hang_and_says_what_is_lost(
    chat: Chat, outage: Outage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("chat_core.service.chat_service._SHUTDOWN_SECONDS", 0.3)
    _, call = await chat.ask()
    call.say("Lost.")
    await chat.read_until("Lost.")
    outage.begin()
    async with asyncio.timeout(3):
        await chat.service.__aexit__()
    assert call.closed.is_set()
    assert "1 replies could not be saved" in caplog.text


async def answers(chat: Chat) -> bool:
    return (await chat.service.health()).store
