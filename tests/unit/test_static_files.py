"""The page's own files: their address, how browsers are to keep them, and where the page names them."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.testclient import TestClient

from chat_ui.server import STATIC, PageHead
from chat_ui.static_files import StaticFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files, beside one that is nobody's business."""
    (folder := tmp_path / "static").mkdir()
    (folder / "main.js").write_text('import * as other from "./other.js";\n')
    (folder / "other.js").write_text("")
    (folder / "one.css").write_text("p {}\n")
    (folder / "two.css").write_text("b {}\n")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret").write_text("secret")
    return folder


def client(folder: Path) -> tuple[TestClient, str]:
    """An app that serves the folder, and the address."""
    app = FastAPI()
    static = StaticFolder(folder)
    static.mount(app)
    return TestClient(app), static.address


@pytest.mark.parametrize(
    ("file", "content_type"),
    [("main.js", "javascript"), ("one.css", "text/css"), ("pictures/icon.svg", "image/svg+xml")],
)
def test_a_file_is_served_as_what_it_is_and_kept_for_ever(folder: Path, file: str, content_type: str) -> None:
    browser, address = client(folder)
    answer = browser.get(f"/{address}/{file}")
    assert answer.status_code == 200
    assert answer.content == (folder / file).read_bytes()
    assert content_type in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = browser.get(f"/{address}/{file}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "file",
    ["unknown.js", "", "pictures", "../secret", "..%2fsecret", "%2e%2e/secret", "pictures/../../secret"],
)
def test_nothing_else_is_served(folder: Path, file: str) -> None:
    browser, address = client(folder)
    answer = browser.get(f"/{address}/{file}")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_the_address_changes_with_any_content_or_name_and_with_nothing_else(folder: Path) -> None:
    first = StaticFolder(folder).address
    assert StaticFolder(folder).address == first
    (folder / "pictures" / "icon.svg").write_text("<svg></svg>")
    second = StaticFolder(folder).address
    (folder / "one.css").rename(folder / "another.css")
    assert len({first, second, StaticFolder(folder).address}) == 3


def test_the_page_names_one_script_and_one_style_sheet_by_relative_addresses(folder: Path) -> None:
    browser, address = client(folder)
    assert StaticFolder(folder).tags() == (
        f'<link rel="stylesheet" href="{address}/page.css">'
        f'<script type="module" src="{address}/page.js"></script>'
    )
    for file, text in (("page.js", "const $other = "), ("page.css", "p {}\nb {}\n")):
        answer = browser.get(f"/{address}/{file}")
        assert text in answer.text
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_only_the_page_gets_them_also_under_a_path() -> None:
    page = FastAPI()
    page.add_middleware(PageHead, begin="<!-- mine -->", end="<!-- too -->", manifest="static/manifest.json")

    @page.get("/", response_class=HTMLResponse)
    @page.get("/other", response_class=HTMLResponse)
    def html() -> str:
        return '<html><head><link rel="manifest" href="/manifest.json"></head></html>'

    outer = FastAPI()
    outer.mount("/sub", page)
    for app, path in ((page, ""), (outer, "/sub")):
        browser = TestClient(app)
        assert browser.get(f"{path}/").text == (
            '<html><head><!-- mine --><link rel="manifest" href="static/manifest.json">'
            "<!-- too --></head></html>"
        )
        assert "mine" not in browser.get(f"{path}/other").text


def test_every_module_is_there_and_wanted() -> None:
    modules = {file.name: file.read_text(encoding="utf-8") for file in STATIC.glob("*.js")}
    imported = {name for text in modules.values() for name in re.findall(r'from "\./(.+)"', text)}
    assert imported | {"main.js"} == modules.keys()
