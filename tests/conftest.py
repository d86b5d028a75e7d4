"""The two stores that the suites run on, and the bounded patience for what cannot be awaited."""

import asyncio
import itertools
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGCONT
from typing import Any

import fakeredis
import pytest
from redis.asyncio import Redis
from uvicorn.loops.auto import auto_loop_factory

from chat_core.storage import clients
from chat_core.storage.valkey import EmbeddedValkey
from chat_core.store_address import StoreAddress
from tests.fake_openai import FakeOpenAI, in_thread
from tests.many_servers import HOST, running_cluster
from tests.running import RunningApp, running_app

Connect = Callable[[], Redis]

# What a shell starts in the background ignores Ctrl+C, and so would the processes that tests end by it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The tests run on the event loop that the app runs on."""
    return {"uvicorn's": auto_loop_factory()}


def calls_of(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[tuple[Any, ...]]:
    """What the function is called with from now on, by position."""
    calls: list[tuple[Any, ...]] = []
    function = getattr(owner, name)

    def noted(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return function(*arguments, **named)

    monkeypatch.setattr(owner, name, noted)
    return calls


@contextmanager
def running_valkey(data_dir: Path) -> Iterator[EmbeddedValkey]:
    """A started server that is ended whatever happens."""
    server = EmbeddedValkey(data_dir)
    server.start()
    try:
        yield server
    finally:
        child = process_of(server)
        if child.poll() is None:
            child.send_signal(SIGCONT)
            server.stop()
        if child.poll() is None:
            child.kill()
            child.wait()


def process_of(server: EmbeddedValkey) -> subprocess.Popen[bytes]:
    """The process of a server that this object has started."""
    assert server._child is not None
    return server._child


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    with (
        tempfile.TemporaryDirectory(prefix="chat-tests-") as data_dir,
        running_valkey(Path(data_dir)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[StoreAddress]:
    with (
        tempfile.TemporaryDirectory(prefix="chat-tests-") as directory,
        running_cluster(Path(directory) / "cluster") as nodes,
    ):
        yield StoreAddress(f"redis://{HOST}:{nodes[0].port}", is_cluster=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stores", default="fakeredis,valkey", help="where suites run: these two, or cluster")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "connect" in metafunc.fixturenames and "connect" not in chosen:
        stores = metafunc.config.getoption("--stores").split(",")
        metafunc.parametrize("connect", stores, indirect=True)


@pytest.fixture
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Makes clients of one store, empty at first: each stands for the client of one more process."""
    client: Connect
    if request.param == "fakeredis":
        server = fakeredis.FakeServer()
        client = partial(
            fakeredis.FakeAsyncRedis, server=server, decode_responses=True, encoding_errors="replace"
        )
    elif request.param == "valkey":
        client = partial(clients.connect, StoreAddress(f"unix://{request.getfixturevalue('valkey').socket}"))
    else:
        client = partial(clients.connect, request.getfixturevalue(request.param))
    opened: list[Redis] = []

    def connect() -> Redis:
        opened.append(client())
        return opened[-1]

    await connect().flushall()
    yield connect
    for one in opened:
        await one.aclose()


@pytest.fixture
def redis(connect: Connect) -> Redis:
    return connect()


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Waits until `condition` holds, where nothing tells when it does."""
    deadline = time.monotonic() + seconds
    for _ in itertools.count():
        if await condition():
            return
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def provider() -> Iterator[FakeOpenAI]:
    """A scripted provider that echoes; keywords in a message call for something else."""
    with in_thread() as server:
        yield server


@pytest.fixture(scope="session")
def model(provider: FakeOpenAI) -> dict[str, str]:
    """The settings that make an app talk to the scripted provider."""
    return {
        "OPENAI_BASE_URL": provider.base_url,
        "OPENAI_API_KEY": "sk-secret-of-the-owner",
        "OPENAI_MODEL": "fake",
        "OPENAI_MODELS": "fake,other",
        "TEXT_ONLY_MODELS": "other",
        "IMAGE_MODEL": "gpt-image-1",
    }


@pytest.fixture(scope="session")
def app_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `app` runs and keeps its data."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="session")
def app(app_directory: Path, model: dict[str, str]) -> Iterator[RunningApp]:
    """The app over the scripted provider and an embedded Valkey, without the usual limits."""
    limits = {
        "RATE_LIMIT": "",
        "RATE_LIMIT_ADDRESS": "",
        "MAX_REPLIES_PER_ADDRESS": "0",
        "MAX_MESSAGE_CHARS": "2000",
        "MAX_STORED_MESSAGES": "0",
        "MEMORY": "off",
        "MCP": "true",
    }
    with running_app(app_directory, **limits, **model) as running:
        yield running
