"""The command line, as people call it: `python -m chat_ui.cli`."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_openai import FakeOpenAI
from tests.running import RunningApp

ROOT = Path(__file__).parents[2]


def command(app: RunningApp, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "chat_ui.cli", "--url", app.url, *arguments]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path)}


def test_it_asks_keeps_the_conversation_and_takes_what_is_piped(
    app: RunningApp, provider: FakeOpenAI, environment: dict[str, str], tmp_path: Path
) -> None:
    def run(*arguments: str, piped: str = "") -> tuple[int, str, str]:
        done = subprocess.run(
            command(app, *arguments),
            cwd=ROOT,
            env=environment,
            input=piped,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    kept = tmp_path / "role-chat.json"
    kept.write_text('{"http://elsewhere": ["u", "s"]}')
    kept.chmod(0o600)
    assert run("--role", "teacher", "Hello", "there") == (0, "You said: Hello there\n", "")
    assert run("Sum up:", piped="one\ntwo\n") == (0, "You said: Sum up:\n\none\ntwo\n", "")
    said = [message["content"] for message in provider.requests[-1].body["messages"]]
    assert "teacher" in said[0].lower()
    assert said[1:] == ["Hello there", "You said: Hello there", "Sum up:\n\none\ntwo"]
    assert kept.stat().st_mode & 0o077 == 0
    assert {*json.loads(kept.read_text())} == {"http://elsewhere", app.url}
    assert run("--new", piped="Hello") == (0, "You said: Hello\n", "")
    assert len(provider.requests[-1].body["messages"]) == 2
    code, out, told = run("[[401]]")
    assert (code, out.strip()) == (1, "")
    assert "did not accept the API key" in told


def test_ctrl_c_stops_the_reply_and_the_chat_goes_on(app: RunningApp, environment: dict[str, str]) -> None:
    terminal, other = pty.openpty()
    process = subprocess.Popen(
        command(app), cwd=ROOT, env=environment, stdin=other, stdout=other, stderr=other, close_fds=True
    )
    os.close(other)
    shown = ""

    def read_until(text: str) -> None:
        nonlocal shown
        while text not in shown:
            shown += os.read(terminal, 4096).decode()
        shown = shown.rpartition(text)[2]

    try:
        read_until("> ")
        os.write(terminal, b"[[slow]] one two three four\n")
        read_until("You said: ")
        process.send_signal(signal.SIGINT)
        read_until("> ")
        os.write(terminal, b"Hello\n")
        read_until("You said: Hello")
        os.write(terminal, b"\x04")
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(terminal)
    kept = json.loads((Path(environment["XDG_STATE_HOME"]) / "role-chat.json").read_text())
    assert [*kept] == [app.url]
