"""Whatever one address sends, a person at another one talks on, and the app holds no more of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import RunningApp

from .floods import FLOODS, MOST_FILES, Person, app_over_scripted_model, flooded, memory_of

# Those that fill what all callers share, and the others.
LONG_FLOODS = ("unread answers", "unread streams", "unread replies")
LONG_SECONDS, SHORT_SECONDS, NEXT_FLOOD_SECONDS = 60, 15, 10
MOST_MEGABYTES = 50


@pytest.fixture
def app(tmp_path: Path) -> Iterator[RunningApp]:
    prefix = ("sh", "-c", f'ulimit -n {MOST_FILES} && exec "$0" "$@"')
    with app_over_scripted_model(tmp_path, prefix=prefix) as app:
        yield app


@pytest.mark.timeout(LONG_SECONDS + 180)
@pytest.mark.parametrize("kind", FLOODS)
async def test_a_person_talks_on_in_a_flood_from_elsewhere(app: RunningApp, kind: str) -> None:
    async with Person.at(app.url) as person:
        await person.talk(3)  # what is made once is there
        before = memory_of(app)
        grown = []
        first = LONG_SECONDS if kind in LONG_FLOODS else SHORT_SECONDS
        for seconds in (first, NEXT_FLOOD_SECONDS):
            async with flooded(app.url, kind) as answers:
                began = await person.talk(seconds)
                grown.append(memory_of(app) - before)
            print(f"{kind}: {answers}, began after {max(began):.2f} s, {grown[-1]:.0f} MB more")
            assert max(began) <= 1
            assert set(answers) <= {200, 429}
    assert max(grown) < MOST_MEGABYTES
    # What the allocator does not give back is used again.
    assert grown[1] < grown[0] + MOST_MEGABYTES / 2
