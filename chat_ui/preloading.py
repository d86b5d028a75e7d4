"""What Gradio's page loads for its components, named in the page's head.

Gradio 6.31 finds out bit by bit what a page needs, and asks for a style sheet for each part of a component
(`core-*.js`: the table of what each component loads). Here all scripts come at once, and the sheets as one:
Gradio leaves out those that the page has a link to.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from gradio.route_utils import BUILD_PATH_LIB

from .static_files import address_of_content, kept_for_ever

_ASSETS = Path(BUILD_PATH_LIB)

# How a script tells what it loads: a list of files, and with each import the numbers of those that it takes.
_FILES = re.compile(r"m\.f=(\[[^\]]*\])")
_NUMBERS = r"__vite__mapDeps\(\[([\d,]+)\]\)"
_PAGE = re.compile(rf"import\(`\./Blocks-[^_]+{_NUMBERS}")
_COMPONENT = re.compile(rf"[{{,](\w+):\{{[^{{}}]*?component:\(\)=>\w+\(\(\)=>import\([^)]*\),{_NUMBERS}")


class ComponentFiles:
    """The scripts and style sheets of the components that `demo` has."""

    def __init__(self, demo: gr.Blocks) -> None:
        files = _files_of(block.get_block_name() for block in demo.blocks.values())
        sheets = {
            file: (_ASSETS / file).read_text(encoding="utf-8") for file in files if file.endswith(".css")
        }
        # What is named in a sheet is looked for beside it.
        joined = {file: text for file, text in sheets.items() if "url(" not in text}
        self._scripts = [file for file in files if file.endswith(".js")]
        self._sheets = list(joined)
        self._styles = "".join(joined.values())
        self._address = f"{address_of_content([self._styles.encode()])}/components.css"

    def add_to(self, app: FastAPI) -> None:
        """Serves the styles."""
        app.add_api_route(f"/{self._address}", kept_for_ever(self._styles, "text/css"))

    def tags(self) -> str:
        """HTML for the end of the page's head."""
        scripts = [f'<link rel="modulepreload" href="assets/{file}">' for file in self._scripts]
        theirs = [f'<link rel="stylesheet" href="assets/{file}" disabled>' for file in self._sheets]
        return "".join([f'<link rel="stylesheet" href="{self._address}">', *theirs, *scripts])


def _files_of(components: Iterable[str]) -> list[str]:
    """The names of the assets that a page with these components loads, each once, in the same order in every
    process."""
    first = next(script for script in map(_Script, _named("index-*.js")) if script.files)
    page, table = (
        _Script(next(file for file in first.files if file.startswith(begin))) for begin in ("Index-", "core-")
    )
    loaded = dict(_COMPONENT.findall(table.text))
    wanted = [loaded[name] for name in sorted(set(components)) if name in loaded]
    files = [*first.files, *page.numbered(*_PAGE.findall(page.text)), *table.numbered(*wanted)]
    # The page itself names those of its own.
    return [file for file in dict.fromkeys(files) if not file.startswith("index-")]


def _named(pattern: str) -> list[str]:
    return sorted(file.name for file in _ASSETS.glob(pattern))


class _Script:
    """A script with the names of the `files` that it loads."""

    def __init__(self, name: str) -> None:
        self.text = (_ASSETS / name).read_text(encoding="utf-8")
        found = _FILES.search(self.text)
        self.files = [file.removeprefix("./") for file in json.loads(found[1])] if found else []

    def numbered(self, *numbers: str) -> list[str]:
        """Of lists of numbers like "0,1,12"."""
        return [self.files[int(number)] for some in numbers for number in some.split(",")]
