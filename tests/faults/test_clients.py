"""Clients that never read, and clients that vanish: their places are free again, and nobody else notices."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.running import RunningApp

from .floods import Flooder, Person, app_over_scripted_model, client_at, memory_of
from .prober import probed
from .watching import MOST_STARVATION, connections_of, starvation_of

MOST_MEGABYTES = 150
SECONDS = 8


@pytest.fixture
def app(tmp_path: Path) -> Iterator[RunningApp]:
    with app_over_scripted_model(tmp_path, MAX_CONCURRENT_REPLIES="400") as app:
        yield app


@pytest.mark.parametrize(("number", "stay"), [(180, True), (200, False)], ids=["never read", "vanish"])
async def test_others_notice_nothing_and_the_places_are_free_again(
    app: RunningApp, number: int, stay: bool
) -> None:
    async with Person.at(app.url) as person:
        await person.talk(3)  # what is made once is there
        memory, connections = memory_of(app), connections_of(app)
        with probed(f"{app.url}/livez") as probes, starvation_of(app) as starved:
            async with client_at("127.0.0.1") as http:
                clients = [Flooder(http, app.url) for _ in range(number)]
                for few in range(0, number, 20):
                    await asyncio.gather(*(client.stalled_readers() for client in clients[few : few + 20]))
                    for client in clients[few : few + 20] if not stay else ():
                        client.close()  # in the middle of the reply
                began = await person.talk(SECONDS)
                for client in clients:
                    assert set(client.answers) == {200}
                    client.close()
            gone = time.monotonic()

            async def are_gone() -> bool:
                return connections_of(app) <= connections + 2

            await eventually(are_gone, 5)
            freed = time.monotonic() - gone
            began += await person.talk(2)
        blocked = probes.slowest(0.99)
        grown = memory_of(app) - memory
        print(
            f"began after {max(began):.2f} s, gone after {freed:.1f} s, {grown:.0f} MB more, {blocked:.3f} s"
        )
        assert max(began) <= 2 or starved[0] > MOST_STARVATION
        assert blocked <= 0.25 or starved[0] > MOST_STARVATION
        assert grown < MOST_MEGABYTES
