"""A few hundred calls that no client sends; `make faults` has thousands."""

from tests.faults.fuzz import fuzz
from tests.running import RunningApp


def test_whatever_is_called_gets_an_answer_and_nothing_of_others(app: RunningApp) -> None:
    answers = fuzz(app, 300)
    assert min(answers["200"], answers["400"]) > 20
