"""What the page's head names of what Gradio loads for its components."""

import re
from pathlib import Path

import gradio as gr
import pytest
from fastapi import FastAPI
from gradio.route_utils import BUILD_PATH_LIB
from starlette.testclient import TestClient

from chat_ui.preloading import ComponentFiles, _files_of

ASSETS = Path(BUILD_PATH_LIB)


@pytest.fixture
async def files() -> ComponentFiles:
    """Of a page with a few components."""
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Chatbot()
        gr.Button("Go")
    return ComponentFiles(demo)


def named(files: ComponentFiles, kind: str) -> list[str]:
    return re.findall(rf'<link rel="{kind}" href="assets/([^"]+)"', files.tags())


def test_scripts_are_named_that_are_there(files: ComponentFiles) -> None:
    scripts = named(files, "modulepreload")
    assert len(scripts) == len(set(scripts)) > 10
    assert all(name.endswith(".js") and (ASSETS / name).is_file() for name in scripts)
    for begin in ("Index-", "Blocks-", "core-", "markdown-code-"):
        assert any(name.startswith(begin) for name in scripts), begin


def test_one_sheet_has_the_styles_of_those_that_are_not_to_be_loaded(files: ComponentFiles) -> None:
    app = FastAPI()
    files.add_to(app)
    (address,) = re.findall(r'<link rel="stylesheet" href="(static-\w+/components\.css)">', files.tags())
    answer = TestClient(app).get(f"/{address}")
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    sheets = named(files, "stylesheet")
    assert len(sheets) > 5
    assert answer.text == "".join((ASSETS / name).read_text() for name in sheets)
    assert files.tags().count(" disabled>") == len(sheets)


async def test_only_what_the_page_has_is_named(files: ComponentFiles) -> None:
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Button("Go")
    fewer = ComponentFiles(demo)
    assert set(named(fewer, "modulepreload")) < set(named(files, "modulepreload"))
    assert fewer.tags() != files.tags()


def test_the_order_is_the_same_in_every_process() -> None:
    names = ["html", "chatbot", "button", "dropdown", "accordion"]
    assert _files_of(names) == _files_of(reversed(names)) == _files_of([*names, "html"])
