"""What is asked of the store for those who look for a call at another process."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from chat_ui.routing import Routing


async def test_a_crowd_that_searches_asks_the_store_as_often_as_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chat_ui.routing._SEARCH_SECONDS", 0.2)
    monkeypatch.setattr("chat_ui.routing._SEARCH_AGAIN_SECONDS", 0.05)
    asked: list[Any] = []

    async def exchange(unheard: Any) -> dict[str, Any]:
        asked.append(unheard)
        return {}

    service: Any = SimpleNamespace(processes=SimpleNamespace(exchange=exchange), is_closed=False)
    names = ("pending_messages_per_session", "event_ids_to_events", "pending_event_ids_session")
    queue: Any = SimpleNamespace(**{name: {} for name in names})
    routing = Routing(service, queue)
    routing._has_others = True
    assert await asyncio.gather(*(routing.calls_elsewhere(f"s{n}") for n in range(50))) == [()] * 50
    assert 2 <= len(asked) <= 5
