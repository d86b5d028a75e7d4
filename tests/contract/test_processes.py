"""What processes over one store tell each other, on each kind of store."""

import pytest

from chat_core.storage import ProcessBoard, keys
from tests.conftest import Connect


async def test_each_process_is_told_what_the_others_have_put_up(connect: Connect) -> None:
    first, second = ProcessBoard(connect()), ProcessBoard(connect())
    assert await first.exchange({"session": {"call"}}) == {}
    (note,) = (await second.exchange({})).values()
    assert note.unheard == {"session": ["call"]}
    (note,) = (await first.exchange({})).values()
    assert note.unheard == {}
    await second.leave()
    assert await first.exchange({}) == {}
    assert 0 < await connect().ttl(keys.PROCESSES) <= 60


async def test_a_process_that_is_silent_is_gone(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ProcessBoard(connect()), ProcessBoard(connect())
    await second.exchange({"session": {"call"}})
    now = (await first.exchange({})).popitem()[1].at
    monkeypatch.setattr("time.time", lambda: now + 11)
    assert await first.exchange({}) == {}
    assert await connect().hlen(keys.PROCESSES) == 2
    monkeypatch.setattr("time.time", lambda: now + 61)
    assert await first.exchange({}) == {}
    assert await connect().hlen(keys.PROCESSES) == 1
