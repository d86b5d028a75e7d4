"""Gradio's own client, as a caller uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gradio_client import Client

from tests.running import RunningApp


@contextmanager
def connected(app: RunningApp, **options: Any) -> Iterator[Client]:
    """A client of the app."""
    client = Client(app.url, verbose=False, analytics_enabled=False, **options)
    try:
        yield client
    finally:
        client.close()


def start(client: Client, **fields: str) -> dict[str, str]:
    """A new conversation, as the keywords that name it in other calls."""
    answer = client.predict(**fields, api_name="/start_chat")
    return {"user_id": answer["user_id"], "session_id": answer["session_id"]}
