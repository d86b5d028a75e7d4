"""Asks an address again and again until its input ends, in a process of its own, so that nobody else's work
delays it; then prints [[when it asked, seconds until the answer], …] as JSON.

    python -m tests.faults.prober http://127.0.0.1:7860/healthz
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

_INTERVAL_SECONDS = 0.05


class Probes:
    """How long answers took, and when they were asked for."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, float]] = []

    def slowest(self, share: float, *, except_in: Sequence[tuple[float, float]] = ()) -> float:
        """So large a share of the answers took no longer than this, of those that were asked for outside
        of the times that are excepted."""
        took = [
            seconds
            for when, seconds in self.answers
            if not any(begin - seconds <= when <= end for begin, end in except_in)
        ]
        return sorted(took)[int(share * (len(took) - 1))]


@contextmanager
def probed(url: str) -> Iterator[Probes]:
    """Probes the address all the time; the answers are there afterwards."""
    command = [sys.executable, "-m", "tests.faults.prober", url]
    probes = Probes()
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield probes
        finally:
            said, _ = process.communicate(timeout=30)
    probes.answers = json.loads(said)


def main(url: str) -> None:
    parts = urlsplit(url)
    assert parts.hostname
    connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
    answers = []
    while not select.select([sys.stdin], [], [], 0)[0]:
        began = time.monotonic()
        connection.request("GET", parts.path)
        connection.getresponse().read()
        answers.append((began, time.monotonic() - began))
        time.sleep(_INTERVAL_SECONDS)
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
