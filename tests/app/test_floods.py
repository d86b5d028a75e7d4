"""A flood of calls from one address, as `make faults` has longer ones of each kind."""

from pathlib import Path

import pytest

from tests.faults.floods import FLOODING_ADDRESS, Person, app_over_scripted_model, flooded

pytestmark = [pytest.mark.long, pytest.mark.alone]


@pytest.mark.parametrize("address", [FLOODING_ADDRESS, "127.0.0.1"])  # or a proxy that nobody has named
async def test_a_person_talks_on_in_a_flood_of_streams_from_elsewhere(tmp_path: Path, address: str) -> None:
    with app_over_scripted_model(tmp_path) as app:
        async with Person.at(app.url) as person:
            await person.talk(1)  # what is made once is there
            async with flooded(app.url, "unread streams", address) as answers:
                assert max(await person.talk(4)) <= 1
                assert set(answers) == {200, 429}
                assert 0 < answers[200] < 200
