"""The operator's command, on the store of an app that runs."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from chat_core.exchange import parse_export
from chat_core.storage import keys
from chat_core.storage.valkey import EmbeddedValkey
from tests.running import RunningApp

from .clients import connected

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
USER = "u_of-the-operators-test"
SHOWN = "u_of-the-ope…"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def admin(app: RunningApp, app_directory: Path) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "chat_core.admin", *arguments],
            cwd=app_directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def row_of(table: str, beginning: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if beginning in line]
    return line.split()


def test_users_are_counted_exported_mended_and_deleted(
    app: RunningApp, app_directory: Path, admin: Run, tmp_path: Path
) -> None:
    with connected(app) as client:
        who = client.predict(user_id=USER, api_name="/start_chat")
        session = who["session_id"]
        client.predict(user_id=USER, session_id=session, message="Hello", api_name="/chat")

        code, table, _ = admin("users")
        user, sessions, messages, kib, day = row_of(table, SHOWN)
        assert (code, user, sessions, messages) == (0, SHOWN, "1", "2")
        assert 0 < int(kib) < 100
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
        assert USER not in table

        _, table, _ = admin("usage")
        assert row_of(table, SHOWN) == [day, SHOWN, "1", "10", "unknown"]
        _, table, _ = admin("usage", "--sessions")
        assert row_of(table, SHOWN) == [SHOWN, session[:12], "1", "10", "unknown"]

        saved = tmp_path / "all.gz"
        code, said, _ = admin("backup", str(saved))
        assert code == 0
        assert re.fullmatch(rf"\d+ keys written to {saved}\n", said)

        assert SHOWN not in admin("broken")[1]
        with Redis(unix_socket_path=str(app_directory / "data" / "valkey.sock")) as redis:
            redis.lpush(keys.messages(USER, session), "no message")
        assert row_of(admin("broken")[1], SHOWN) == [SHOWN, session, "1", "rows"]

        code, said, _ = admin("export", "u_of-the-op", str(tmp_path / "out"))
        assert (code, said) == (0, f"1 conversations written to {tmp_path / 'out'}\n")
        data = (tmp_path / "out" / f"{session}.json").read_bytes()
        exported = parse_export(data, max_message_chars=100, now=time.time())
        assert [message.content for message in exported.messages] == ["Hello", "You said: Hello"]

        with Redis(unix_socket_path=str(app_directory / "data" / "valkey.sock")) as redis:
            redis.hset(keys.session(USER, session), "sampling", "{oops")
        listed = client.predict(user_id=USER, api_name="/sessions")
        assert (listed["sessions"], listed["unreadable"]) == ([], [{"session_id": session, "title": "Hello"}])

        assert admin("delete", USER)[0] == 2  # it is not done without --yes
        code, said, _ = admin("delete", USER, "--yes")
        assert code == 0
        assert re.fullmatch(rf"{SHOWN}: \d+ keys removed\n", said)
        assert client.predict(user_id=USER, api_name="/sessions")["total"] == 0
        assert admin("restore", str(saved))[0] == 0
        history = client.predict(user_id=USER, session_id=session, api_name="/history")
        assert [message["content"] for message in history["messages"]] == ["Hello", "You said: Hello"]
        (tmp_path / "half.gz").write_bytes(saved.read_bytes()[:200])
        code, _, said = admin("restore", str(tmp_path / "half.gz"))
        assert (code, said) == (1, "file must be a whole backup.\n")
        assert admin("delete", USER, "--yes")[0] == 0
    assert SHOWN not in admin("users")[1]
    assert admin("delete", USER, "--yes")[0] == 1
    assert "0 users have an id that begins with" in admin("export", USER, "x")[2]


def test_what_the_tutorials_app_has_stored_is_taken_over_once(
    app: RunningApp, admin: Run, valkey: EmbeddedValkey
) -> None:
    address = f"unix://{valkey.socket}?db=3"
    with Redis.from_url(address) as source:
        source.flushdb()
        said = [("user", "Why is the sky blue?"), ("assistant", "It scatters."), ("user", "And red?")]
        for number, (role, content) in enumerate(said):
            row = {"role": role, "content": content, "timestamp": 1_700_000_000 + number}
            source.lpush("conversation:ana:sky", json.dumps(row))
        source.lpush("conversation:ana:torn", "{")
        source.hset("user_sessions:ana", "sky", "{}")
    assert admin("import_legacy", address) == (0, "1 imported  0 here already  1 not readable\n", "")
    assert admin("import_legacy", address) == (0, "0 imported  1 here already  1 not readable\n", "")
    with connected(app) as client:
        history = client.predict(user_id="ana", session_id="sky", api_name="/history")
        assert [(message["role"], message["content"]) for message in history["messages"]] == said
        (session,) = client.predict(user_id="ana", api_name="/sessions")["sessions"]
        assert (session["title"], session["role"]) == ("Why is the sky blue?", "assistant")
        talk = {"user_id": "ana", "session_id": "sky", "message": "Go on"}
        assert client.predict(**talk, api_name="/chat") == "You said: Go on"
