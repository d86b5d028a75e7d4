from collections.abc import AsyncIterator

import pytest

from tests.fake_openai import FakeOpenAI


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server
