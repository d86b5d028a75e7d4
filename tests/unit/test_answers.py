"""How many answers are made for an address at once, and how long ones are sent."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest

from chat_ui.answers import InParts, is_long, place_of


async def test_an_address_has_four_places_and_others_have_theirs() -> None:
    may_end = asyncio.Event()
    inside: list[str] = []

    async def have_one(address: str) -> None:
        async with place_of(address):
            inside.append(address)
            await may_end.wait()

    async with asyncio.TaskGroup() as group:
        for address in ["192.0.2.1"] * 6 + ["192.0.2.2"] + ["127.0.0.1"] * 6:
            group.create_task(have_one(address))
        await asyncio.sleep(0.01)
        assert [inside.count(address) for address in ("192.0.2.1", "192.0.2.2", "127.0.0.1")] == [4, 1, 6]
        may_end.set()
    assert inside.count("192.0.2.1") == 6


@pytest.mark.parametrize(
    ("answer", "long"),
    [
        ([{"messages": [{"content": "a" * 1000}] * 300}], True),
        ([{"messages": [{"content": "a" * 1000}] * 200}], False),
        (("a" * 300_000,), True),
        ([1, None, {}], False),
        (None, False),
    ],
)
def test_an_answer_is_long_by_its_text(answer: Any, long: bool) -> None:
    assert is_long(answer) == long


@pytest.mark.parametrize("length", [0, 10, 65_536, 65_537, 200_000])
async def test_a_long_body_is_sent_in_parts(length: int) -> None:
    body = bytes(number % 251 for number in range(length))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body"})

    send = AsyncMock()
    await InParts(app)({"type": "http"}, AsyncMock(), send)
    start, *parts = [call.args[0] for call in send.await_args_list]
    assert start["type"] == "http.response.start"
    assert b"".join(part.get("body", b"") for part in parts) == body
    assert max(len(part.get("body", b"")) for part in parts) <= 65_536
    assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [False]
