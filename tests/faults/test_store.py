"""While the store is away replies go on, and nobody waits long for the word that it is."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest
import trustme
from anyio.from_thread import start_blocking_portal
from redis import Redis

from chat_core.storage.valkey import EmbeddedValkey
from tests.conftest import eventually, process_of, running_valkey
from tests.faults.callers import ask_all, callers
from tests.faults.watching import is_ready, is_stored, readiness, says
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


def tell(*command: str | int) -> Callable[[EmbeddedValkey], None]:
    """Sends a server this command."""

    def send(valkey: EmbeddedValkey) -> None:
        with closing(Redis(unix_socket_path=str(valkey.socket))) as redis:
            redis.execute_command(*command)

    return send


def start_empty(valkey: EmbeddedValkey) -> None:
    tell("FLUSHALL")(valkey)
    tell("SAVE")(valkey)
    kill(valkey)
    restart(valkey)


FAULTS = {
    "frozen": (freeze, thaw, "away"),
    "killed": (kill, restart, "away"),
    "full": (tell("CONFIG", "SET", "maxmemory", 1), tell("CONFIG", "SET", "maxmemory", 0), "full"),
    "read-only": (tell("REPLICAOF", "127.0.0.1", 1), tell("REPLICAOF", "NO", "ONE"), "read_only"),
}


@pytest.mark.parametrize(("take_away", "bring_back", "trouble"), FAULTS.values(), ids=FAULTS)
async def test_replies_go_on_and_are_saved_and_new_messages_are_told(
    tmp_path: Path,
    settings: dict[str, str],
    take_away: Callable[[EmbeddedValkey], None],
    bring_back: Callable[[EmbeddedValkey], None],
    trouble: str,
) -> None:
    with running_valkey(tmp_path / "store") as valkey:
        address = {"REDIS_URL": f"unix://{valkey.socket}"}
        with running_app(tmp_path, **settings, **address) as app:
            async with callers(app.url, 6) as (late, *people):
                asking = await ask_all(people, QUESTION)
                take_away(valkey)
                gone = time.monotonic()
                with pytest.raises(RuntimeError, match="store does not answer"):
                    await late.call("chat_events", message="are you there?")
                assert time.monotonic() - gone <= 8
                assert await readiness(app) == (503, trouble)

                async def all_said() -> bool:
                    return all(QUESTION in person.text(time.monotonic()) for person in people)

                await eventually(all_said, AWAY_SECONDS)
                await asyncio.sleep(max(0.0, gone + AWAY_SECONDS + 1 - time.monotonic()))
                await asyncio.to_thread(bring_back, valkey)
                await asyncio.gather(*asking)
                await eventually(partial(is_ready, app), 10)
                assert (await late.call("chat_events", message="now?"))["status"] == "done"
                for person in people:
                    await eventually(partial(is_stored, person, QUESTION), 10)
                await eventually(partial(says, app, "The store can be used again"), 10)
            assert app.log.count("The store cannot be used") == 1
            assert "Traceback" not in app.log


@pytest.mark.parametrize("empty", [tell("FLUSHALL"), start_empty], ids=["emptied", "started again empty"])
async def test_replies_go_on_and_are_saved_though_the_store_has_lost_everything(
    tmp_path: Path, settings: dict[str, str], empty: Callable[[EmbeddedValkey], None]
) -> None:
    with running_valkey(tmp_path / "store") as valkey:
        address = {"REDIS_URL": f"unix://{valkey.socket}"}
        with running_app(tmp_path, **settings, **address) as app:
            async with callers(app.url, 5) as people:
                asking = await ask_all(people, QUESTION)
                await asyncio.to_thread(empty, valkey)
                await asyncio.wait_for(asyncio.gather(*asking), 10)
                for person in people:
                    assert person.last["status"] == "done"
                    assert QUESTION in person.text(time.monotonic())
                    await eventually(partial(is_stored, person, QUESTION), 10)
                    assert (await person.call("chat_events", message="again"))["status"] == "done"
            assert app.log.count("the store has lost session") == len(people)
            assert "Traceback" not in app.log


async def test_a_wrong_password_is_named_and_not_shown_and_heals(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with running_valkey(tmp_path / "store") as valkey:
        tell("CONFIG", "SET", "requirepass", "another-one")(valkey)
        address = {"REDIS_URL": f"unix://:not-the-word@{valkey.socket}"}
        with running_app(tmp_path, **settings, **address) as app:
            assert await readiness(app) == (503, "login_refused")
            with pytest.raises(RuntimeError, match="store does not answer"):
                async with callers(app.url, 1):
                    pass
            with closing(Redis(unix_socket_path=str(valkey.socket), password="another-one")) as redis:
                redis.config_set("requirepass", "not-the-word")
            await eventually(partial(says, app, "The store can be used again"), 20)
            async with callers(app.url, 1) as (person,):
                assert (await person.call("chat_events", message="again"))["status"] == "done"
            with closing(Redis(unix_socket_path=str(valkey.socket), password="not-the-word")) as redis:
                redis.config_set("requirepass", "")  # so that the test can end it
            assert app.log.count("does not accept the password") == 1
            assert "not-the-word" not in app.log
            assert "Traceback" not in app.log


@contextmanager
def behind_tls(socket: Path, authority: trustme.CA) -> Iterator[int]:
    """The port at which the server of that socket is spoken to by TLS."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_behind_tls(socket, authority)) as port,
    ):
        yield port


@asynccontextmanager
async def _behind_tls(socket: Path, authority: trustme.CA) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65536):
            writer.write(some)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(socket)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_over_tls_a_certificate_is_trusted_where_its_authority_is_named(
    tmp_path: Path, settings: dict[str, str], valkey: EmbeddedValkey
) -> None:
    authority = trustme.CA()
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    with behind_tls(valkey.socket, authority) as port:
        address = f"rediss://127.0.0.1:{port}/0"
        with running_app(tmp_path, **settings, REDIS_URL=address) as app:
            assert await readiness(app) == (503, "certificate_refused")
            await eventually(partial(says, app, "its certificate is not trusted"))
        with running_app(tmp_path, **settings, REDIS_URL=f"{address}?ssl_ca_certs={file}") as app:
            async with callers(app.url, 1) as (person,):
                assert (await person.call("chat_events", message="hello"))["status"] == "done"
            assert "The store cannot be used" not in app.log
