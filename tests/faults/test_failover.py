"""A master is killed amid replies and its replica takes over, under sentinels and in a cluster."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.conftest import eventually
from tests.faults.callers import Caller, ask_all, callers
from tests.faults.watching import is_ready, is_stored
from tests.many_servers import HOST, MASTER_NAME, Node, running_cluster, running_sentinels
from tests.running import RunningApp, running_app

QUESTION = " ".join(f"word{number:03}" for number in range(160))  # eight seconds
PEOPLE = 20
FAILOVER_SECONDS = 20


@contextmanager
def cluster(directory: Path) -> Iterator[tuple[Node, dict[str, str]]]:
    with running_cluster(directory, replicas=True) as nodes:
        yield nodes[1], {"REDIS_URL": f"redis://{HOST}:{nodes[0].port}", "REDIS_CLUSTER": "true"}


@contextmanager
def sentinels(directory: Path) -> Iterator[tuple[Node, dict[str, str]]]:
    with running_sentinels(directory) as (master, watching):
        places = ",".join(f"{HOST}:{sentinel.port}" for sentinel in watching)
        yield master, {"REDIS_SENTINELS": places, "REDIS_MASTER": MASTER_NAME}


Store = Callable[[Path], AbstractContextManager[tuple[Node, dict[str, str]]]]


@pytest.mark.parametrize("store", [cluster, sentinels])
async def test_replies_go_on_and_are_stored_whole(
    tmp_path: Path, settings: dict[str, str], store: Store
) -> None:
    with store(tmp_path / "servers") as (master, where), running_app(tmp_path, **settings, **where) as app:
        async with callers(app.url, PEOPLE) as people:
            asking = await ask_all(people, QUESTION)
            began = time.monotonic()
            master.kill()
            await asyncio.gather(*asking)
            assert time.monotonic() - began < FAILOVER_SECONDS
            for person in people:
                assert person.text(time.monotonic()) == f"You said: {QUESTION}"
                await eventually(partial(is_stored, person, QUESTION), FAILOVER_SECONDS)
            await eventually(partial(is_ready, app), FAILOVER_SECONDS)
            asked_again = [person.call("chat_events", message="again") for person in people]
            assert {answer["status"] for answer in await asyncio.gather(*asked_again)} == {"done"}
        assert "Traceback" not in app.log


@pytest.fixture
def apps(tmp_path: Path, settings: dict[str, str]) -> Iterator[tuple[RunningApp, RunningApp]]:
    """Two processes over one cluster."""
    with (
        cluster(tmp_path / "servers") as (_, where),
        running_app(tmp_path, **settings, **where) as first,
        running_app(tmp_path, **settings, **where) as second,
    ):
        yield first, second


async def test_over_a_cluster_too_a_reply_is_followed_stopped_and_recovered_by_another_process(
    apps: tuple[RunningApp, RunningApp],
) -> None:
    first, second = apps
    async with callers(first.url, 2) as (stopped, cut_off):
        asking = await ask_all([stopped, cut_off], QUESTION)
        elsewhere = Caller(stopped._http, second.url)
        elsewhere.conversation = stopped.conversation
        async for event in elsewhere.events("resume"):
            if event["type"] == "text":
                break
        await elsewhere.call("stop")
        await asking[0]
        assert stopped.last["status"] == "stopped"

        await asyncio.to_thread(first.end, SIGKILL)
        await asking[1]
        cut_off.url = second.url
        said: list[str] = []

        async def is_recovered() -> bool:
            said[:] = [message["status"] for message in await cut_off.history()]
            return said[-1] == "interrupted"

        await eventually(is_recovered, 10)
        assert (await cut_off.call("chat_events", message="again"))["status"] == "done"
