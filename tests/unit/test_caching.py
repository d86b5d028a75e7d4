"""What visits have in common is made once, and sent to those who do not have it yet."""

import gzip
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import brotli
import gradio as gr
import httpx2
import pytest
from fastapi import FastAPI
from gradio.route_utils import BUILD_PATH_LIB
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_ui.caching import Caching

ASSETS = Path(BUILD_PATH_LIB)
SCRIPTS = [f"/assets/{file.name}" for file in sorted(ASSETS.glob("*.js"))[:3]]
FOR_EVER = "public, max-age=31536000, immutable"
Asked = Counter[str]


@asynccontextmanager
async def served(*, logins: bool = False) -> AsyncIterator[tuple[httpx2.AsyncClient, Asked]]:
    """Asks for a page of Gradio's; and counts what reaches Gradio."""
    asked: Asked = Counter()

    class Counting:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            asked[scope.get("path", "")] += 1
            await self._app(scope, receive, send)

    with gr.Blocks(analytics_enabled=False, title="A page") as demo:
        for name in ("one", "two", "three"):
            gr.Button(name).click(lambda text: text, gr.Textbox(), gr.Chatbot(), api_name=name)
    app = FastAPI()
    app.add_middleware(Counting)
    app.add_middleware(Caching, logins=logins)
    auth = [("ana", "secret-a"), ("bob", "secret-b")] if logins else None
    gr.mount_gradio_app(app, demo, path="/", auth=auth, run_history=False, ssr_mode=False)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        yield client, asked


PAGES = ["/", "/config", "/gradio_api/info", "/theme.css"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_made_once_and_sent_compressed(path: str) -> None:
    async with served() as (client, asked):
        first, second = await client.get(path), await client.get(path)
        plain = await client.get(path, headers={"accept-encoding": "identity"})
    assert first.status_code == second.status_code == 200
    assert first.text == second.text == plain.text
    assert second.headers["content-encoding"] == "br"
    assert "content-encoding" not in plain.headers
    assert int(second.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert asked[path] == 1


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=1.0, gzip;q=0.8", "br"),
        ("gzip, deflate", "gzip"),
        ("brown", None),
        ("", None),
    ],
)
async def test_each_browser_gets_what_is_smallest_for_it(accepted: str, encoding: str | None) -> None:
    async with served() as (client, asked):
        plain = await client.get("/", headers={"accept-encoding": "identity"})
        async with client.stream("GET", "/", headers={"accept-encoding": accepted}) as answer:
            sent = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.headers["etag"] == plain.headers["etag"]
    decoded = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding](sent)
    assert decoded == plain.content
    assert int(answer.headers["content-length"]) == len(sent)
    assert asked["/"] == 1


@pytest.mark.parametrize("path", PAGES)
async def test_who_has_a_page_is_not_sent_it_again(path: str) -> None:
    async with served() as (client, _):
        page = await client.get(path)
        tag = page.headers["etag"]
        assert page.headers["cache-control"] == "private, no-cache"
        for seen, status in (
            (tag, 304),
            (f'"other", {tag}', 304),
            (tag.removeprefix("W/"), 304),
            ('"other"', 200),
        ):
            again = await client.get(path, headers={"if-none-match": seen})
            assert (again.status_code, again.headers["etag"]) == (status, tag)
            assert bool(again.content) == (status == 200)


async def test_each_address_has_its_own_page() -> None:
    async with served() as (client, asked):
        for host in ("a.example", "b.example", "a.example"):
            headers = {"x-forwarded-host": host, "x-forwarded-proto": "https"}
            assert f'"root":"https://{host}"' in (await client.get("/", headers=headers)).text
        assert '"root":"http://test"' in (await client.get("/")).text
        assert asked["/"] == 3


async def test_made_up_addresses_fill_no_memory_and_drop_no_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_ui.caching._MOST_PAGES", 2)
    async with served() as (client, asked):
        for script in SCRIPTS:
            await client.get(script)
        for host in ("a", "b", "b", "c", "c", "a"):
            await client.get("/", headers={"x-forwarded-host": host})
        assert asked["/"] == 4
        for script in SCRIPTS:
            assert (await client.get(script)).status_code == 200
        assert [asked[script] for script in SCRIPTS] == [1, 1, 1]


@pytest.mark.parametrize(
    ("query", "times"),
    [("?c=abc", 1), ("?c=", 1), ("?__theme=dark", 1), ("?deep_link=x", 4), ("?page=", 4), ("?new=1", 4)],
)
async def test_a_query_is_left_to_gradio_unless_only_scripts_read_it(query: str, times: int) -> None:
    async with served() as (client, asked):
        for address in ("/", f"/{query}", f"/{query}", f"/{query}"):
            assert (await client.get(address)).status_code == 200
        assert asked["/"] == times


async def test_a_page_of_somebody_who_logged_in_is_nobody_elses() -> None:
    async with served(logins=True) as (client, asked):
        assert '"auth_required":true' in (await client.get("/")).text
        for name in ("ana", "bob"):
            client.cookies.clear()
            await client.post("/login", data={"username": name, "password": f"secret-{name[0]}"})
            page = await client.get("/")
            assert f'"username":"{name}"' in page.text
            assert page.headers["content-encoding"] == "br"
            again = await client.get("/", headers={"if-none-match": page.headers["etag"]})
            assert again.status_code == 304
            assert (await client.get("/config")).json()["username"] == name
        client.cookies.clear()
        assert '"auth_required":true' in (await client.get("/")).text
        assert (await client.get("/config")).status_code == 401
        assert asked["/"] == 6


async def test_what_the_page_loads_is_compressed_once_and_stays() -> None:
    async with served() as (client, asked):
        found = re.findall(r'"\.(/assets/[^"]+)"', (await client.get("/")).text)
        assert {path.rpartition(".")[2] for path in found} == {"js", "css"}
        for path in found:
            first, second = await client.get(path), await client.get(path)
            assert first.content == second.content == (ASSETS / path.rpartition("/")[2]).read_bytes()
            assert second.headers["cache-control"] == FOR_EVER
            assert second.headers["content-encoding"] == "br"
            assert asked[path] == 1


async def test_what_is_not_there_is_not_kept() -> None:
    async with served() as (client, asked):
        for _ in range(2):
            missing = await client.get("/assets/missing.js")
            assert (missing.status_code, "etag" in missing.headers) == (404, False)
        assert asked["/assets/missing.js"] == 2


def what_scripts_import_of(name: str) -> set[str]:
    imports = re.compile(r'import\{([^}]*)\}from"\./' + re.escape(name))
    found = [names for script in ASSETS.glob("*.js") for names in imports.findall(script.read_text())]
    return {name for names in found for name in re.findall(r"(\w+) as", names)}


PLAYERS = [
    next(ASSETS.glob(f"{name}-*.js")).name for name in ("hls", "MinimalAudioPlayer", "record.esm", "Video")
]


@pytest.mark.parametrize("player", PLAYERS)
async def test_a_player_is_empty_and_exports_what_it_did(player: str) -> None:
    imported = what_scripts_import_of(player)
    assert imported
    async with served() as (client, _):
        script = await client.get(f"/assets/{player}")
    assert len(script.text) < 1000
    lasts = script.headers["cache-control"]
    assert "immutable" not in lasts
    assert "stale-while-revalidate" in lasts
    assert imported <= set(re.findall(r" as (\w+)", script.text))
