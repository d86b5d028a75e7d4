"""Asks an address again and again until its input ends, in a process of its own, so that nobody else's work
delays it; then prints [[when it asked, seconds until the answer], …] and how late it was itself, as JSON.

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
    """How long answers took, and by how much a process that only sleeps was late meanwhile: a machine that is
    busy with other things."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, float]] = []
        self.late: list[float] = []

    def slowest(self, share: float, *, except_in: Sequence[tuple[float, float]] = ()) -> float:
        """So large a share of the answers took no longer than this, of those that were asked for outside
        of the times that are excepted."""
        took = [
            seconds
            for when, seconds in self.answers
            if not any(begin - seconds <= when <= end for begin, end in except_in)
        ]
        return _quantile(took, share)

    def noise(self, share: float) -> float:
        return _quantile(self.late, share)


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


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
    probes.answers, probes.late = json.loads(said)


def main(url: str) -> None:
    parts = urlsplit(url)
    assert parts.hostname
    connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
    answers, late = [], []
    while not select.select([sys.stdin], [], [], 0)[0]:
        began = time.monotonic()
        connection.request("GET", parts.path)
        connection.getresponse().read()
        answered = time.monotonic()
        answers.append((began, answered - began))
        time.sleep(_INTERVAL_SECONDS)
        late.append(time.monotonic() - answered - _INTERVAL_SECONDS)
    print(json.dumps([answers, late]))


if __name__ == "__main__":
    main(*sys.argv[1:])
