"""What a Hugging Face Space does with the project: install its requirements beside its own, and start it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat_ui.page import view
from tests.running import RunningApp, running_app

from .clients import connected

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SDK_VERSION = re.search(r"^sdk_version: (\S+)$", (ROOT / "README.md").read_text(), re.M)
# What the builder of Spaces installs together with requirements.txt.
OF_SPACES = ("uvicorn", "websockets", "spaces")


@pytest.mark.timeout(180)
def test_the_requirements_can_be_installed_beside_those_of_spaces(tmp_path: Path) -> None:
    assert SDK_VERSION
    line = [f"gradio[oauth,mcp]=={SDK_VERSION[1]}", *OF_SPACES]
    for file in (
        "requirements.txt",
        "requirements-mcp.txt",
        "requirements-oauth.txt",
        "requirements-otel.txt",
    ):
        line += ["-r", str(ROOT / file)]
    resolve = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    done = subprocess.run([*resolve, *line], capture_output=True, text=True, cwd=tmp_path, check=False)
    if "No matching distribution found" in done.stderr and "from versions: none" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr


@contextmanager
def on_a_space(tmp_path: Path, **settings: str) -> Iterator[RunningApp]:
    """The app as a Space may run it: as somebody who may write neither where it is nor in Gradio's usual
    directory."""
    here, elsewhere = tmp_path / "app", tmp_path / "tmp"
    (elsewhere / "gradio").mkdir(parents=True)
    here.mkdir()
    for directory in (here, elsewhere / "gradio"):
        directory.chmod(0o555)
    # Root may do everything, and is not asked.
    powerless = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    environment = {"SPACE_ID": "ana/chat", "TMPDIR": str(elsewhere), "EMBEDDED_MODEL": "", **settings}
    command = powerless if os.geteuid() == 0 else []
    with running_app(here, prefix=command, **environment) as app:
        yield app


def test_it_starts_where_it_may_not_write_and_says_how_long_conversations_are_kept(
    tmp_path: Path, model: dict[str, str]
) -> None:
    with on_a_space(tmp_path, **model) as app:
        with connected(app) as client:
            who = client.predict(api_name="/start_chat")
            talk = {"user_id": who["user_id"], "session_id": who["session_id"]}
            assert client.predict(**talk, message="Hello", api_name="/chat") == "You said: Hello"
            assert client.predict(**talk, api_name="/history")["total"] == 2
        assert "cannot be used" not in app.log
        assert (tmp_path / "tmp" / f"chat-data-{os.getuid()}" / "valkey.log").exists()


def test_what_a_space_keeps_and_who_can_change_that_is_told() -> None:
    told = view.notice(("until_restart", "embedded_model"), "Small-1", "en", on_space=True)
    assert "until this server restarts" in told
    assert "Variables and secrets" in told
    assert ".env" not in told
