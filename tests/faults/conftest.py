from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_core.storage.valkey import EmbeddedValkey
from tests.fake_openai import FakeOpenAI, echo, in_thread

WORDS_A_SECOND = 20


@pytest.fixture(scope="session")
def provider() -> Iterator[FakeOpenAI]:
    """A scripted provider that echoes, twenty words a second."""
    with in_thread() as server:
        server.otherwise = lambda request: echo(request.said, WORDS_A_SECOND)
        yield server


@pytest.fixture
def settings(provider: FakeOpenAI) -> dict[str, str]:
    """Of an app over the provider, in which many may talk from one address."""
    return {
        "OPENAI_BASE_URL": provider.base_url,
        "OPENAI_API_KEY": "none",
        "OPENAI_MODEL": "fake",
        "RATE_LIMIT": "",
        "RATE_LIMIT_ADDRESS": "",
        "MAX_REPLIES_PER_ADDRESS": "0",
        "MAX_CALLS_PER_ADDRESS": "0",
        "TITLE_MODEL": "off",
    }


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Where an app runs that may be killed: the store that it leaves behind is ended."""
    yield tmp_path
    EmbeddedValkey(tmp_path / "data").stop()
