"""The page's modules as one."""

from pathlib import Path

import pytest

from chat_ui.bundle import bundle_scripts, bundle_styles

MODULES = {
    "main": 'import { list, Cell } from "./list.js";\nimport * as words from "./some-words.js";\n'
    "console.log(list, new Cell().text, words.join(list), typeof join);\n",
    "list": 'import { join } from "./some-words.js";\nconst own = "own";\n'
    "export const list = [own, join([1, 2])];\nexport function Cell() {\n  this.text = own;\n}\n",
    "some-words": 'const own = "-";\nconsole.log("first");\nexport const join = (parts) => parts.join(own);\n'
    "export async function never() {}\nexport function* each() {}\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three modules, of which one is imported twice."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")
    return tmp_path


def test_each_module_keeps_its_own_names_and_runs_once_and_behind_what_it_imports(folder: Path) -> None:
    bundled = bundle_scripts(folder, "main")
    assert bundled.index("$some_words = ") < bundled.index("$list = ") < bundled.index("$main = ")
    assert bundled.count('console.log("first")') == 1
    assert 'const own = "-";' in bundled
    assert "return { join, never, each };" in bundled
    assert "import" not in bundled
    assert "export" not in bundled


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('import { list } from "./list.js";\nimport "./main.js";\n', 'main.js: import "./main.js";'),
        ('import { list as entries } from "./list.js";\n', "main.js: import { list as entries }"),
        ("export default 1;\n", "main.js: export default 1;"),
        ("export { a };\n", "main.js: export { a };"),
        ("export let a = 1;\n", "main.js: export let a"),
        ('import * as main from "./main.js";\n', "in a circle: main > main"),
    ],
)
def test_what_it_does_not_know_is_refused(folder: Path, text: str, reason: str) -> None:
    (folder / "main.js").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=reason.replace("{", r"\{")):
        bundle_scripts(folder, "main")


def test_modules_in_a_circle_are_named(folder: Path) -> None:
    (folder / "some-words.js").write_text('import { list } from "./list.js";\n', encoding="utf-8")
    with pytest.raises(ValueError, match="main > list > some-words > list"):
        bundle_scripts(folder, "main")


def test_style_sheets_are_put_one_behind_the_other(tmp_path: Path) -> None:
    (tmp_path / "b.css").write_text("b {}\n")
    (tmp_path / "a.css").write_text("a {}\n")
    assert bundle_styles(tmp_path) == "a {}\nb {}\n"
