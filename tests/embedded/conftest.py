"""What the suites of the embedded servers share."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from chat_core.models.llama import EmbeddedLlama
from chat_core.storage.valkey import EmbeddedValkey


@contextmanager
def running(llama: EmbeddedLlama) -> Iterator[str]:
    """The base URL under which it serves meanwhile."""
    with asyncio.Runner() as runner:
        yield runner.run(llama.start())
        runner.run(llama.stop())


def client(server: EmbeddedValkey) -> Redis:
    return Redis(unix_socket_path=str(server.socket), decode_responses=True)
