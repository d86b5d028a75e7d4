"""What the suites of the embedded servers share."""

import time
from contextlib import suppress
from pathlib import Path

from redis import Redis

from chat_core.storage.valkey import EmbeddedValkey


def client(server: EmbeddedValkey) -> Redis:
    return Redis(unix_socket_path=str(server.socket), decode_responses=True)


def gone(pid: int) -> bool:
    """No such process, or only its entry, which waits for a parent that does not care."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def wait_until_gone(pid: int) -> None:
    for _ in range(500):
        if gone(pid):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")
