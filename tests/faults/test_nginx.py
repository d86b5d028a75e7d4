"""deploy/nginx.conf as it stands, with the addresses of a test: two apps under a path of one site."""

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGKILL, SIGTERM

import aiohttp
import pytest
from yarl import URL

from benchmarks.page_client import Page, Tab
from chat_core.storage.valkey import EmbeddedValkey
from tests.app.tools import call, connected
from tests.conftest import eventually
from tests.faults.callers import Caller, callers
from tests.running import APP, RunningApp, running_app

CONFIGURATION = APP.parent / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
QUESTION = " ".join(f"word{number:03}" for number in range(200))  # ten seconds

pytestmark = pytest.mark.skipif(NGINX is None, reason="there is no nginx")

MAIN = """
daemon off;
pid nginx.pid;
error_log stderr;
events {}
http {
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    log_format upstream '$upstream_addr';
    access_log upstreams.log upstream;
    include site.conf;
}
"""


@pytest.fixture
def apps(tmp_path: Path, settings: dict[str, str], valkey: EmbeddedValkey) -> Iterator[dict[str, RunningApp]]:
    """Two apps over one store, by their addresses."""
    settings |= {
        "REDIS_URL": f"unix://{valkey.socket}",
        "ROOT_PATH": "/chat",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DRAIN_SECONDS": "25",
        "MCP": "true",
    }
    with ExitStack() as stack:
        started = [stack.enter_context(running_app(tmp_path, **settings)) for _ in range(2)]
        yield {app.url.removeprefix("http://"): app for app in started}


@pytest.fixture
def site(tmp_path: Path, apps: dict[str, RunningApp]) -> Iterator[str]:
    """The address of the app behind nginx."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    written = CONFIGURATION.read_text()
    for ours, theirs in zip(("127.0.0.1:7860", "127.0.0.1:7861"), apps, strict=True):
        assert ours in written
        written = written.replace(ours, theirs)
    (tmp_path / "site.conf").write_text(written.replace("listen 80;", f"listen 127.0.0.1:{port};"))
    (tmp_path / "nginx.conf").write_text(MAIN)
    assert NGINX
    command = [NGINX, "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as nginx:
        yield f"http://127.0.0.1:{port}/chat"
        nginx.terminate()


@pytest.fixture
async def http(site: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client, once the site answers."""
    async with aiohttp.ClientSession() as http:

        async def answers() -> bool:
            try:
                async with http.get(f"{site}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(answers)
        yield http


async def test_the_page_and_all_that_it_names_are_under_the_path(
    site: str, http: aiohttp.ClientSession
) -> None:
    async with http.get(site, params={"c": "x"}) as answer:  # without the slash at its end
        html = await answer.text()
        assert str(answer.url) == f"{site}/?c=x"
    assert f'"root":"{site}"' in html
    named = re.findall(r'(?:src|href)="([^"]+)"', html)
    paths = [path for path in named if not path.startswith(("data:", "https:"))]
    assert len(paths) > 30
    for path in (*paths, "gradio_api/info", "theme.css"):
        async with http.get(answer.url.join(URL(path))) as part:
            assert (part.status, part.url.path.startswith("/chat/")) == (200, True), path
    (link,) = (path for path in paths if path.endswith("manifest.json"))
    async with http.get(answer.url.join(URL(link))) as part:
        manifest = await part.json(content_type=None)
        assert part.url.join(URL(manifest["start_url"])).path == "/chat/"


async def test_the_tools_are_under_the_path(site: str, http: aiohttp.ClientSession) -> None:
    async with connected(f"{site}/mcp") as session:
        assert (await call(session, "ask_teacher", message="Hello"))["reply"] == "You said: Hello"


async def has_heard(person: Caller, pieces: int) -> bool:
    return len(person.heard) >= pieces


def serving_app(directory: Path, apps: dict[str, RunningApp]) -> str:
    """The one of the apps to which all requests went."""
    (serving,) = {line for line in (directory / "upstreams.log").read_text().split() if line in apps}
    return serving


async def test_a_reply_comes_word_by_word_and_outlives_its_process(
    site: str, http: aiohttp.ClientSession, apps: dict[str, RunningApp], tmp_path: Path
) -> None:
    page = await Page.get(http, site)
    async with Tab(page, http) as tab, callers(site, 1) as (person,):
        await tab.load()
        await tab.send("Hello there")
        assert "Hello there" in " ".join(tab.texts())

        asking = asyncio.create_task(person.ask(QUESTION))
        await asyncio.wait_for(person.began.wait(), 10)
        await eventually(lambda: has_heard(person, pieces=5))  # it comes as it is written
        serving = serving_app(tmp_path, apps)
        await asyncio.to_thread(apps[serving].end, SIGKILL)
        await asking

        assert (await person.call("resume"))["status"] == "interrupted"
        question, reply = await person.history()
        assert question["content"] == QUESTION
        assert reply["content"].startswith("You said: word000")
        assert (await person.call("chat_events", message="again"))["status"] == "done"
        await tab.load()
        await tab.send("And you?")
        assert "And you?" in " ".join(tab.texts())


async def test_a_process_that_is_told_to_stop_ends_its_replies_and_others_take_what_is_new(
    site: str, http: aiohttp.ClientSession, apps: dict[str, RunningApp], tmp_path: Path
) -> None:
    page = await Page.get(http, site)
    async with Tab(page, http) as tab, callers(site, 1) as (person,):
        await tab.load()
        asking = asyncio.create_task(person.ask(QUESTION))
        await eventually(lambda: has_heard(person, pieces=5))
        serving = serving_app(tmp_path, apps)
        (other,) = apps.keys() - {serving}
        apps[serving].process.send_signal(SIGTERM)
        await eventually(lambda: has_logged(apps[serving], "once running replies have ended"))

        heard = len(person.heard)
        async with callers(site, 1) as (newcomer,):
            assert (await newcomer.call("chat_events", message="Hello"))["status"] == "done"
            assert f"{other}\n" in (tmp_path / "upstreams.log").read_text()
        with pytest.raises(RuntimeError, match="still being written"):
            await person.call("chat_events", message="And?")  # there it is known that a reply runs here
        await asking
        assert len(person.heard) > heard
        assert person.last["status"] == "done"
        assert person.last["message"]["content"] == f"You said: {QUESTION}"
        assert await asyncio.to_thread(apps[serving].process.wait, 10) == 0

        await tab.load()
        await tab.send("And you?")
        assert "And you?" in " ".join(tab.texts())
        assert (await person.call("chat_events", message="again"))["status"] == "done"


async def has_logged(app: RunningApp, words: str) -> bool:
    return words in app.log
