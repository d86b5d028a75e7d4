"""The app as people run it: `python app.py` in a process of its own, on a port that the system chooses."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

APP = Path(__file__).parent.parent / "app.py"
START_SECONDS = 100
_USUAL = {"GRADIO_SERVER_PORT": "0", "PYTHONWARNINGS": "default", "TITLE_MODEL": "off"}


def children(process: int) -> set[int]:
    """The processes that it has started, and that run."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, parent = file.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == process and state != "Z":
                found.add(int(file.parent.name))
    return found


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


class RunningApp:
    """A running app: its `url` and everything it has logged so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._ready = threading.Event()
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"running on (http://\S+)", line):
                self.url = found[1]
                self._ready.set()
        self._ready.set()

    def wait_until_ready(self) -> None:
        self._ready.wait(START_SECONDS)
        assert self.url, "".join(self.lines)

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal and waits; the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(20)
        self.close()
        return code

    def close(self) -> None:
        """Reads what a process that has ended has left."""
        self._reader.join(5)
        assert self.process.stderr
        self.process.stderr.close()


def launch(
    directory: Path, *, program: Path = APP, prefix: Sequence[str] = (), **environment: str
) -> subprocess.Popen[str]:
    """Starts the app's program in `directory`, by the command `prefix` if there is one, with nothing of the
    tester's own environment but the path. What was asked is the title, unless the `environment` has another
    TITLE_MODEL."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.Popen(
        [*prefix, sys.executable, str(program)],
        cwd=directory,
        env={**keep, **_USUAL, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_app(
    directory: Path, *, program: Path = APP, prefix: Sequence[str] = (), **environment: str
) -> Iterator[RunningApp]:
    """The app, ready, with these settings; its data lie in `directory`."""
    app = RunningApp(launch(directory, program=program, prefix=prefix, **environment))
    try:
        app.wait_until_ready()
        yield app
    finally:
        if app.process.poll() is None:
            app.end()
        else:
            app.close()
