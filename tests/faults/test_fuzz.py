"""Whatever is called, the app answers with a sentence, keeps what is others', and serves the next person."""

import pytest

from tests.running import RunningApp

from .fuzz import fuzz


@pytest.mark.timeout(600)
def test_thousands_of_calls_that_no_client_sends(app: RunningApp) -> None:
    answers = fuzz(app, 3000)
    print(dict(answers))
    assert answers["200"] - answers["refused later"] > 50
    assert min(answers["refused later"], answers["400"]) > 100
