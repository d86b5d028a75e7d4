"""A flood of calls from one address, as `make faults` has longer ones of each kind."""

from pathlib import Path

import pytest

from tests.faults.floods import Person, app_over_scripted_model, flooded

pytestmark = [pytest.mark.long, pytest.mark.alone]


async def test_a_person_talks_on_in_a_flood_of_streams_from_elsewhere(tmp_path: Path) -> None:
    with app_over_scripted_model(tmp_path) as app:
        async with Person.at(app.url) as person:
            await person.talk(1)  # what is made once is there
            async with flooded(app.url, "unread streams") as answers:
                assert max(await person.talk(3)) <= 1
                assert answers[429] > answers[200] > 0
