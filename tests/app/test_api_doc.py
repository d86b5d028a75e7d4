"""docs/api.md: every endpoint has an example, and every example runs as it is written."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.running import RunningApp

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
HERE = "http://127.0.0.1:7860"


def example(language: str, part: str) -> str:
    """All code of that language in the part with that heading."""
    (text,) = re.findall(rf"^## {part}\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL))


def run(command: list[str], directory: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_in_python_run_and_name_every_endpoint(
    app: RunningApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    code = example("python", "Python").replace(HERE, app.url)
    printed = StringIO()
    names: dict[str, object] = {}
    with redirect_stdout(printed):
        exec(compile(code, "docs/api.md", "exec"), names)
    assert printed.getvalue().splitlines()[0] == "You said: Why is the sky blue?"
    assert printed.getvalue().splitlines()[-1] == "You said: Hello"
    client = names["client"]
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]  # type: ignore[attr-defined]
    assert {name for name in endpoints if f'api_name="{name}"' not in code} == set()


def test_the_examples_with_curl_run(app: RunningApp, tmp_path: Path) -> None:
    code = example("sh", "curl").replace(HERE, app.url)
    printed = run(["sh", "-eu", "-c", code], tmp_path)
    assert '"messages"' in printed
    assert printed.strip().endswith('data: ["You said: Why?"]')


def test_the_example_with_mcp_runs(app: RunningApp, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(example("python", "MCP").replace(HERE, app.url))
    assert run([sys.executable, str(script)], tmp_path) == "You said: And at dusk?\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_the_example_in_javascript_runs(app: RunningApp, tmp_path: Path) -> None:
    script = tmp_path / "example.mjs"
    script.write_text(example("js", "JavaScript").replace(HERE, app.url))
    assert run(["node", str(script)], tmp_path).strip() == '["You said: Why is the sky blue?"]'


def test_the_examples_of_the_command_line_run(app: RunningApp, tmp_path: Path) -> None:
    code = (
        example("sh", "The command line").replace(HERE, app.url).replace("python -m", f"{sys.executable} -m")
    )
    printed = run(["sh", "-eu", "-c", code], ROOT, XDG_STATE_HOME=str(tmp_path))
    assert printed.split("You said: ")[1:] == [
        "Why is the sky blue?\n",
        "In one sentence:\n\nExplain this line.\n",
        "Something else\n",
    ]
