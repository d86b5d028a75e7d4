"""Servers in processes of their own: started, waited for, watched and ended."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_SECONDS = 60
KEPT_VARIABLES = ("PATH", "HOME", "LANG")


class Server:
    """A running server at `url`, with all processes that it has started."""

    def __init__(self, process_id: int, url: str) -> None:
        self._root = process_id
        self.url = url

    def cpu_seconds(self) -> float:
        """What its processes have used of the processors until now, to the microsecond."""
        # The clock that Linux keeps for each process; /proc has it in hundredths of a second only.
        spent = 0.0
        for process in self._processes():
            with suppress(OSError):
                spent += time.clock_gettime((~process << 3) | 2)
        return spent

    def memory_bytes(self) -> int:
        """The memory that its processes hold."""
        pages = 0
        for process in self._processes():
            with suppress(OSError):
                pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _processes(self) -> list[int]:
        """The process, its children, theirs and so on. Threads and processes may end at any moment."""
        found = [self._root]
        for process in found:
            for children in Path("/proc").glob(f"{process}/task/*/children"):
                with suppress(OSError):
                    found += map(int, children.read_text().split())
        return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def started(
    command: Sequence[str], directory: Path, url: str, ready: str = "", **environment: str
) -> Iterator[Server]:
    """The server that the command starts in the directory, once it answers at `url` + `ready`. It sees
    nothing of this process's environment but where programs and the home directory are."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=directory, env=environment_of(environment), stdout=log, stderr=log
        )
    try:
        wait_until_ready(process, url + ready, directory / "log")
        yield Server(process.pid, url)
    finally:
        end(process)


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings, and the few variables that every program needs."""
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | dict(settings)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Waits for an answer, whatever it says."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process, with patience at first."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
