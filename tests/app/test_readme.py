"""What README promises, done as it says."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from chat_core.providers import load_providers
from chat_core.roles import load_roles
from chat_core.settings import VARIABLES
from tests.running import RunningApp

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, having: str) -> str:
    """The code block of that language with this in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (found,) = [code for code in blocks if having in code]
    return str(found)


def test_the_client_example_runs_as_written(app: RunningApp) -> None:
    code = block("python", "gradio_client").replace("http://127.0.0.1:7860", app.url)
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
    file.write_text(block("toml", "[[roles]]"), encoding="utf-8")
    roles = load_roles(file)
    assert roles.default == "cook"
    assert roles["cook"].name["zh"] == "厨师"


def test_the_example_of_a_provider_is_a_valid_file(tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(block("toml", "[mine]"), encoding="utf-8")
    mine = load_providers(file)["mine"]
    assert mine.capabilities("small").price == (0.1, 0.4)
    assert mine.capabilities("large").vision


def test_the_table_of_settings_names_every_variable() -> None:
    table = README.split("## Settings")[1].split("###")[0]
    named = set(re.findall(r"`([A-Z_]+)`", table)) | {f"REDIS_{x}" for x in ("PORT", "PASSWORD", "DB")}
    assert {field.upper() for field in VARIABLES} <= named


def test_files_and_pictures_that_are_linked_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "docs/architecture.md" in links
    assert [link for link in links if not (ROOT / link).exists()] == []
