"""What README promises, done as it says."""

import re
from contextlib import redirect_stdout
from io import StringIO
from itertools import zip_longest
from pathlib import Path

from chat_core.providers import known_providers, load_providers
from chat_core.roles import load_roles
from tests import configuration
from tests.running import RunningApp

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROVIDERS = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")


def block(language: str, having: str, document: str = README) -> str:
    """The code block of that language with this in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)
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
    file.write_text(block("toml", "[mine]", PROVIDERS), encoding="utf-8")
    mine = load_providers(file)["mine"]
    assert mine.capabilities("small").price == (0.1, 0.4)
    assert mine.capabilities("large").vision


def test_the_page_of_all_settings_is_what_is_made_of_the_example() -> None:
    assert configuration.DOCUMENT.read_text(encoding="utf-8") == configuration.document()


def test_the_settings_that_are_named_exist_with_these_defaults() -> None:
    table = README.split("## Settings")[1].split("##")[0]
    everything = configuration.document()
    for names, defaults in re.findall(r"^\| (`[A-Z].*?) \| (.*?) ?\| ", table, re.M):
        shown = [default.strip() for default in defaults.split(",")] if defaults else []
        for name, default in zip_longest(names.split(", "), shown, fillvalue=""):
            row = re.search(rf"^\| {name} \| (.*?) ?\| ", everything, re.M)
            assert row, name
            assert default == row[1] or not default


def test_the_known_providers_are_listed_with_their_addresses() -> None:
    rows = dict(re.findall(r"^\| .*? \| `(\w+)` \| `?(.*?)`? \|", PROVIDERS, re.M))
    assert rows == {key.upper(): provider.base_url for key, provider in known_providers().items()}


def test_files_and_pictures_that_are_linked_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "docs/architecture.md" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_chinese_readme_has_the_same_commands_settings_endpoints_and_promises() -> None:
    chinese = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")

    def same(found: str, flags: re.RegexFlag = re.M) -> None:
        assert re.findall(found, chinese, flags) == re.findall(found, README, flags) != []

    same(r"^```.*?^```$", re.M | re.S)
    same(r"^\| (`[A-Z_].*?) \| (.*?) ?\| ")
    same(r"^\| `(/\w+)` \| (`.*`)? ?\| ")
    same(r"^#+(?= )")
    theirs, ours = ([part.count("\n| ") for part in text.split("\n## ")[1:]] for text in (chinese, README))
    assert theirs == ours  # rows of tables, by section
