"""The embedded Valkey: one server for all who use a directory, ended by the last of them."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGKILL, SIGSTOP
from time import sleep

import pytest

from chat_core.errors import StoreUnavailable
from chat_core.storage.repair import repair
from chat_core.storage.valkey import EmbeddedValkey
from tests.running import gone, wait_until_gone

from .conftest import client

ROOT = Path(__file__).parents[2]


class Apps:
    """Apps that use one directory; whatever servers they start are ended with the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.servers: list[EmbeddedValkey] = []
        self.pids: set[int] = set()

    def start(self, timeout_seconds: float = 10) -> EmbeddedValkey:
        server = EmbeddedValkey(self.directory)
        self.servers.append(server)
        server.start(timeout_seconds)
        self.pid(server)
        return server

    def pid(self, server: EmbeddedValkey) -> int:
        with client(server) as redis:
            pid = int(redis.info("server")["process_id"])
        self.pids.add(pid)
        return pid

    def end(self) -> None:
        for pid in self.pids:
            if not gone(pid):
                os.kill(pid, SIGKILL)
        for server in self.servers:
            if server._child:
                server._child.kill()
                server._child.wait()


@pytest.fixture
def apps(tmp_path: Path) -> Iterator[Apps]:
    apps = Apps(tmp_path / "data")
    yield apps
    apps.end()


def test_what_is_stored_is_there_after_a_restart(apps: Apps) -> None:
    server = apps.start()
    with client(server) as redis:
        redis.set("name", "Ada")
    first = apps.pid(server)
    server.stop()
    again = apps.start()
    assert apps.pid(again) != first
    with client(again) as redis:
        assert redis.get("name") == "Ada"


def test_what_is_stored_survives_a_killed_server(apps: Apps) -> None:
    server = apps.start()
    with client(server) as redis:
        redis.set("name", "Ada")
        assert redis.waitaof(1, 0, 0) == [1, 0]  # by itself it is on the disk within a second or two
    os.kill(apps.pid(server), SIGKILL)
    assert server._child is not None
    server._child.wait()
    with client(apps.start()) as redis:
        assert redis.get("name") == "Ada"


def test_a_stopped_server_leaves_no_process_and_no_socket(apps: Apps) -> None:
    server = apps.start()
    pid = apps.pid(server)
    server.stop()
    assert gone(pid)
    assert not server.socket.exists()
    server.stop()  # and stopping nothing is no error


def test_files_and_directories_are_for_the_owner_only(apps: Apps) -> None:
    apps.directory.mkdir(mode=0o755)
    with client(apps.start()) as redis:
        redis.set("name", "Ada")
    found = [apps.directory, *apps.directory.rglob("*")]
    assert {"valkey.sock", "valkey.lock", "appendonlydir"} <= {path.name for path in found}
    open_to_others = {
        path.name: oct(path.stat().st_mode)
        for path in found
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    }
    assert open_to_others == {}


def test_the_server_listens_on_its_socket_only(apps: Apps) -> None:
    with client(apps.start()) as redis:
        assert redis.config_get("port") == {"port": "0"}


def test_the_second_app_shares_the_server_and_the_last_one_ends_it(apps: Apps) -> None:
    first, second = apps.start(), apps.start()
    pid = apps.pid(first)
    assert apps.pid(second) == pid
    with client(second) as redis:
        redis.set("name", "Ada")
        first.stop()
        assert redis.get("name") == "Ada"
    second.stop()
    wait_until_gone(pid)


def test_starts_at_the_same_moment_make_one_server(apps: Apps) -> None:
    with ThreadPoolExecutor(6) as pool:
        servers = list(pool.map(lambda _: apps.start(), range(6)))
    assert len({apps.pid(server) for server in servers}) == 1
    assert sum(server._child is not None for server in servers) == 1


APP = """
import sys, time
from pathlib import Path
from chat_core.storage.repair import repair
from chat_core.storage.valkey import EmbeddedValkey
EmbeddedValkey(Path(sys.argv[1])).start()
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["killed", "interrupted with its process group"])
def test_a_server_outlives_its_app_and_is_used_again(apps: Apps, how: str) -> None:
    command = [sys.executable, "-c", APP, str(apps.directory)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as app:
        assert app.stdout is not None
        assert app.stdout.readline() == b"started\n"
        server = EmbeddedValkey(apps.directory)
        pid = apps.pid(server)
        assert os.getsid(pid) == pid
        with client(server) as redis:
            redis.set("name", "Ada")
        if how == "killed":
            app.kill()
        else:
            os.killpg(app.pid, SIGINT)  # what Ctrl+C in its terminal does
    later = apps.start()
    assert apps.pid(later) == pid
    with client(later) as redis:
        assert redis.get("name") == "Ada"
    later.stop()
    wait_until_gone(pid)


def test_where_the_temporary_directory_has_a_long_path_too_another_one_is_used(
    apps: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps.directory = apps.directory.joinpath(*["d" * 50] * 4)
    monkeypatch.setattr(tempfile, "tempdir", str(apps.directory))
    server = apps.start()
    assert server.socket.parents[1] == Path("/tmp")
    server.stop()
    server.socket.parent.rmdir()


def test_a_data_directory_with_a_very_long_path_works(apps: Apps) -> None:
    apps.directory = apps.directory.joinpath(*["d" * 50] * 4)
    server = apps.start()
    assert server.socket.parent != apps.directory
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    with client(server) as redis:
        redis.set("name", "Ada")
    assert apps.pid(apps.start()) == apps.pid(server)
    server.stop()
    with client(apps.start()) as redis:
        assert redis.get("name") == "Ada"
    assert (apps.directory / "appendonlydir").is_dir()
    assert EmbeddedValkey(apps.directory.parent).socket != server.socket
    apps.servers[-1].stop()
    server.socket.parent.rmdir()


def test_a_path_relative_to_the_working_directory_is_the_same_place(
    apps: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = apps.start()
    monkeypatch.chdir(apps.directory.parent)
    apps.directory = Path(apps.directory.name)
    assert apps.pid(apps.start()) == apps.pid(server)


# When it cannot start


def test_a_data_directory_that_is_a_file_is_a_clear_error(apps: Apps) -> None:
    apps.directory.write_text("in the way")
    with pytest.raises(StoreUnavailable) as caught:
        apps.start()
    assert "cannot start" in str(caught.value)
    assert str(apps.directory) in str(caught.value)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_somebody_elses_directory_is_a_clear_error(apps: Apps) -> None:
    apps.directory.mkdir()
    os.chown(apps.directory, 65534, 65534)
    with pytest.raises(StoreUnavailable) as caught:
        apps.start()
    assert f"{apps.directory} belongs to somebody else" in str(caught.value)


def test_a_server_that_dies_at_once_is_a_clear_error_that_names_its_log(apps: Apps) -> None:
    server = apps.start()
    with client(server) as redis:
        redis.set("name", "Ada")
    server.stop()
    next((apps.directory / "appendonlydir").glob("*.manifest")).write_text("garbage")
    with pytest.raises(StoreUnavailable) as caught:
        apps.start()
    assert str(apps.directory / "valkey.log") in str(caught.value)
    assert "MANIFEST" in (apps.directory / "valkey.log").read_text()


def break_file(file: Path, how: str) -> None:
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-9] + b"garbage")


@pytest.mark.parametrize("how", ["missing", "damaged"])
@pytest.mark.parametrize(
    ("file", "left"),
    [("2.base.rdb", {"new"}), ("2.incr.aof", {"old"}), ("manifest", {"old", "new"})],
)
def test_data_without_one_of_their_files_are_kept_until_they_are_repaired(
    apps: Apps, file: str, how: str, left: set[str]
) -> None:
    server = apps.start()
    with client(server) as redis:
        redis.set("old", "1")
        redis.bgrewriteaof()
        while redis.info("persistence")["aof_rewrite_in_progress"]:
            sleep(0.01)
        redis.set("new", "2")
    server.stop()
    name = f"appendonly.aof.{file}"
    break_file(server.files / name, how)
    before = {path.name: path.read_bytes() for path in server.files.iterdir()}
    with pytest.raises(StoreUnavailable) as caught:
        apps.start()
    assert (name if server.manifest.exists() else str(server.files)) in caught.value.reason
    assert {path.name: path.read_bytes() for path in server.files.iterdir()} == before
    copy, said = repair(server)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    is_whole = (server.files / name).exists() and (how, file) != ("damaged", "2.base.rdb")
    assert (f"{name} is left out" in said) != is_whole
    again = apps.start()
    with client(again) as redis:
        assert set(redis.keys()) == left


def test_a_server_that_was_killed_over_its_first_files_is_started_again(apps: Apps) -> None:
    server = apps.start()
    server.stop()
    server.manifest.unlink()
    with client(apps.start()) as redis:
        assert redis.dbsize() == 0


def test_a_server_that_does_not_answer_gets_no_second_one_beside_it(apps: Apps) -> None:
    server = apps.start()
    pid = apps.pid(server)
    os.kill(pid, SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            apps.start(timeout_seconds=0.1)
    finally:
        os.kill(pid, SIGCONT)
    assert [other._child for other in apps.servers] == [server._child, None]
    assert apps.pid(server) == pid
