"""What README promises, done as it says."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from chat_core.roles import load_roles
from chat_core.settings import VARIABLES
from tests.running import RunningApp

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The last code block of that language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[-1]


def test_the_client_example_runs_as_written(app: RunningApp) -> None:
    code = block("python").replace("http://127.0.0.1:7860", app.url)
    assert app.url in code
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue().splitlines()[-2:] == [
        "user done Why is the sky blue?",
        "assistant done You said: Why is the sky blue?",
    ]


def test_the_roles_example_is_a_valid_roles_file(tmp_path: Path) -> None:
    file = tmp_path / "roles.toml"
    file.write_text(block("toml"), encoding="utf-8")
    roles = load_roles(file)
    assert roles.default == "cook"
    assert roles["cook"].name["zh"] == "厨师"


def test_the_table_of_settings_names_every_variable() -> None:
    table = README.split("## Settings")[1].split("###")[0]
    named = set(re.findall(r"`([A-Z_]+)`", table)) | {f"REDIS_{x}" for x in ("PORT", "PASSWORD", "DB")}
    assert {field.upper() for field in VARIABLES} <= named


def test_files_and_pictures_that_are_linked_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "docs/architecture.md" in links
    assert [link for link in links if not (ROOT / link).exists()] == []
