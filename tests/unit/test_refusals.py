"""What is said to those who are refused, and what the log has of it."""

import time
from collections import Counter
from http import HTTPStatus

import pytest

from chat_ui import refusals
from chat_ui.refusals import Refusal


def test_a_flood_of_refusals_does_not_fill_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 6000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(refusals, "_lines", Counter())
    caplog.set_level("INFO", refusals.log.name)
    refusal = Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_calls")
    answers = [refusal.answer({"type": "http", "headers": []}) for _ in range(1000)]
    assert len(caplog.records) == 100
    assert len({bytes(answer.body) for answer in answers}) == 1000, "each has a reference"
    now += 60
    refusal.answer({"type": "http", "headers": []})
    assert len(caplog.records) == 101
