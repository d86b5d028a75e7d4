from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client

from chat_core.storage.valkey import EmbeddedValkey
from tests.app.clients import connected
from tests.running import RunningApp


@pytest.fixture(scope="module")
def client(app: RunningApp) -> Iterator[Client]:
    """A client that many callers share: who calls is told with each call."""
    with connected(app) as client:
        yield client


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A data directory of an app that may be killed: the store it leaves behind is ended."""
    yield tmp_path
    EmbeddedValkey(tmp_path / "data").stop()
