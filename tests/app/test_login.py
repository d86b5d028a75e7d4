"""Logins over real HTTP: who comes in, how often it may be tried, for how long and where a login holds."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gradio_client import Client
from gradio_client.exceptions import AuthenticationError

from chat_core.storage.valkey import EmbeddedValkey
from tests.app.clients import connected, start
from tests.conftest import eventually, process_of, running_valkey
from tests.logins import auth_users, password
from tests.running import RunningApp, launch, running_app

pytestmark = pytest.mark.long

COOKIE = "role-chat-login"
BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def settings(model: dict[str, str], valkey: EmbeddedValkey) -> dict[str, str]:
    users = auth_users("ana", "bob", "cleo", "dan", "eve")
    return {
        **model,
        "AUTH_USERS": users,
        "REDIS_URL": f"unix://{valkey.socket}",
        "TRUSTED_PROXIES": "127.0.0.9",
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[list[RunningApp]]:
    """Two processes of the app over one store."""
    with ExitStack() as stack:
        directory = tmp_path_factory.mktemp("pair")
        yield [stack.enter_context(running_app(directory, **settings)) for _ in range(2)]


@asynccontextmanager
async def browsing(address: str = "127.0.0.1", **headers: str) -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP from an address of this machine, without a memory for cookies."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=0)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, headers=headers) as http:
        yield http


async def post(
    http: aiohttp.ClientSession, url: str, name: str, secret: str, **headers: str
) -> tuple[int, aiohttp.ClientResponse, str]:
    """Sends the login form: status, answer and what it says."""
    form = {"username": name, "password": secret}
    async with http.post(f"{url}/login", data=form, headers=headers, allow_redirects=False) as answer:
        return answer.status, answer, await answer.text()


async def logged_in(url: str, name: str) -> dict[str, str]:
    """The headers of somebody who has logged in."""
    async with browsing() as http:
        status, answer, _ = await post(http, url, name, password(name))
        assert status == 200
        return {"cookie": f"{COOKIE}={answer.cookies[COOKIE].value}"}


async def status(url: str, method: str = "GET", **headers: str) -> int:
    async with browsing(**headers) as http, http.request(method, url, allow_redirects=False) as answer:
        return answer.status


@pytest.mark.timeout(300)  # on a busy machine three apps that start one after the other take their time
async def test_a_login_holds_at_every_process_after_a_restart_and_until_it_is_ended(
    tmp_path: Path, pair: list[RunningApp], settings: dict[str, str]
) -> None:
    ana = await logged_in(pair[0].url, "ana")
    with running_app(tmp_path, **settings) as third:
        for app in (*pair, third):
            assert await status(f"{app.url}/config", **ana) == 200
        assert await status(f"{third.url}/logout", "GET", **ana) == 404
        assert await status(f"{third.url}/config", **ana) == 200
        assert await status(f"{third.url}/logout", "POST", **ana) == 200
        for app in (*pair, third):
            assert await status(f"{app.url}/config", **ana) == 401


async def test_in_memory_a_login_holds_too(tmp_path: Path, settings: dict[str, str]) -> None:
    with running_app(tmp_path, **{**settings, "REDIS_URL": "memory://"}) as app:
        ana = await logged_in(app.url, "ana")
        assert await status(f"{app.url}/config", **ana) == 200
        with connected(app, auth=("bob", password("bob"))) as bob:
            assert start(bob)["user_id"] == "bob"


@pytest.mark.parametrize(
    ("address", "headers", "attributes"),
    [
        ("127.0.0.1", {}, {"samesite": "Lax", "secure": ""}),
        ("127.0.0.1", {"x-forwarded-proto": "https"}, {"samesite": "Lax", "secure": ""}),
        ("127.0.0.9", {"x-forwarded-proto": "https"}, {"samesite": "Lax", "secure": True}),
    ],
    ids=["http", "said by anybody", "https at a trusted proxy"],
)
async def test_the_cookie_is_for_this_site_alone_and_expires(
    pair: list[RunningApp], address: str, headers: dict[str, str], attributes: dict[str, Any]
) -> None:
    async with browsing(address) as http:
        _, answer, _ = await post(http, pair[0].url, "ana", password("ana"), **headers)
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    expected = {"httponly": True, "path": "/", "max-age": str(14 * 24 * 3600), "domain": "", **attributes}
    assert {name: cookie[name] for name in expected} == expected
    assert ("strict-transport-security" in answer.headers) is bool(attributes["secure"])


async def test_in_the_frame_of_a_space_the_cookie_is_kept_there(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with running_app(tmp_path, SPACE_ID="ana/chat", **settings) as app:
        async with browsing() as http:
            _, answer, _ = await post(http, app.url, "ana", password("ana"))
    assert answer.headers["set-cookie"].endswith("; HttpOnly; SameSite=None; Secure; Partitioned")
    assert "frame-ancestors 'self' https://huggingface.co " in answer.headers["content-security-policy"]


CLOSED = [
    *("/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x", "/gradio_api/call/chat/x"),
    *("/gradio_api/heartbeat/x", "/gradio_api/file=/tmp/x", "/gradio_api/upload_progress?upload_id=x"),
    *("/gradio_api/startup-events", "/gradio_api/app_id", "/gradio_api/user", "/gradio_api/queue/status"),
    *("/theme.css", "/manifest.json", "/assets/x.js", "/static/x", "/pwa_icon", "/robots.txt", "/nothing"),
    *("//config", "/login/", "/login/x", "/healthz/x", "/static-x/main.js"),
]
CLOSED_TO_POST = [
    *("/gradio_api/queue/join", "/gradio_api/call/chat", "/gradio_api/call/v2/chat", "/gradio_api/run/chat"),
    *("/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/upload", "/"),
]


@pytest.mark.parametrize(
    ("method", "path"), [*(("GET", path) for path in CLOSED), *(("POST", path) for path in CLOSED_TO_POST)]
)
async def test_without_a_login_all_is_closed(pair: list[RunningApp], method: str, path: str) -> None:
    made_up = {"cookie": f"{COOKIE}=made-up"}
    assert await status(f"{pair[0].url}{path}", method) == 401
    assert await status(f"{pair[0].url}{path}", method, **made_up) == 401


async def test_the_login_page_its_files_and_the_probes_are_open(pair: list[RunningApp]) -> None:
    async with browsing(**BROWSER) as http:
        async with http.get(f"{pair[0].url}/login") as answer:
            page = await answer.text()
        files = re.findall(r'(?:href|src)="([^"]+)"', page)
        assert len(files) == 3
        for path in (*files, "healthz", "livez", "readyz"):
            async with http.get(f"{pair[0].url}/{path}") as answer:
                assert answer.status == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"accept-language": "zh-CN,en;q=0.5"}, ["zh-CN", "登录", "用户名或密码不正确"]),
        ({"accept-language": "en", "cookie": "language=zh-CN"}, ["zh-CN", "登录", "用户名或密码不正确"]),
        ({"accept-language": "en"}, ["en", "Log in", "The name or the password is not right"]),
    ],
)
async def test_the_page_leads_back_to_where_the_visitor_wanted_to_go_in_their_language(
    pair: list[RunningApp], headers: dict[str, str], words: list[str]
) -> None:
    url, form = pair[0].url, {"username": 'cleo" x="', "password": "no"}
    async with browsing(**BROWSER, **headers) as http:
        async with http.get(f"{url}/?c=abc") as answer:
            assert (answer.url.path_qs, answer.status) == ("/login?c=abc", 200)
        async with http.get(f"{url}/?s=shared") as shared:
            assert (shared.url.path_qs, shared.status) == ("/login?s=shared", 200)
        async with http.post(answer.url, data=form) as answer:
            page = await answer.text()
        assert answer.status == 401
        assert [word for word in words if word not in page] == []
        assert 'value="cleo&quot; x=&quot;"' in page
        form = {"username": "cleo", "password": password("cleo")}
        async with http.post(answer.url, data=form, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["location"]) == (303, "./?c=abc")


async def test_a_form_of_another_site_neither_logs_in_nor_out(pair: list[RunningApp]) -> None:
    ana = await logged_in(pair[0].url, "ana")
    foreign = {"sec-fetch-site": "cross-site"}
    async with browsing() as http:
        code, answer, _ = await post(http, pair[0].url, "ana", password("ana"), **foreign)
        assert (code, "set-cookie" in answer.headers) == (403, False)
    assert await status(f"{pair[0].url}/logout", "POST", **ana, **foreign) == 403
    assert await status(f"{pair[0].url}/config", **ana) == 200


def taken(free: int, seconds: float) -> range:
    """How many tries may be looked at in so many seconds: after the free ones one each time that a wait of 1,
    2, 4 … seconds is over, which on a busy machine a flood takes longer than."""
    return range(free, free + int(math.log2(1 + seconds)) + 1)


@pytest.mark.parametrize("name", ["dan", "nobody"])
async def test_a_flood_of_wrong_passwords_is_refused_and_the_right_one_is_taken_afterwards(
    pair: list[RunningApp], name: str
) -> None:
    async with browsing() as http:
        began = time.monotonic()
        tries = [post(http, pair[n % 2].url, name, f"guess-{n}", **BROWSER) for n in range(300)]
        answers = await asyncio.gather(*tries)
        codes = [code for code, _, _ in answers]
        looked_at = codes.count(401)
        assert looked_at in taken(5, time.monotonic() - began)
        assert codes.count(429) == 300 - looked_at
        refused = [
            (int(answer.headers["retry-after"]), page) for code, answer, page in answers if code == 429
        ]
        seconds, page = min(refused)
        assert "Too many wrong passwords. Please try again in 1 seconds" in page
        assert 1 <= seconds <= 2
        if name == "dan":
            await asyncio.sleep(max(refused)[0])
            assert (await post(http, pair[1].url, "dan", password("dan")))[0] == 200
    lines = f"A login as '{name[:2]}'… from 127.0.0.1 failed"

    async def are_logged() -> bool:
        return sum(app.log.count(lines) for app in pair) == looked_at

    await eventually(are_logged)
    assert not re.search(r"guess-|secret-|nobody|'dan", "".join(app.log for app in pair))


async def test_an_address_that_tries_many_names_has_to_wait_and_others_have_not(
    pair: list[RunningApp],
) -> None:
    async with browsing("127.0.0.3") as http:
        began = time.monotonic()
        tries = [post(http, pair[n % 2].url, f"name{n}", "guess") for n in range(40)]
        codes = [code for code, _, _ in await asyncio.gather(*tries)]
        assert codes.count(401) in taken(20, time.monotonic() - began)
        assert codes.count(429) == 40 - codes.count(401)
    async with browsing("127.0.0.4") as http:
        assert (await post(http, pair[0].url, "ana", password("ana")))[0] == 200


async def test_passwords_are_checked_beside_all_else(pair: list[RunningApp]) -> None:
    async with browsing() as http:
        tries = [asyncio.create_task(post(http, pair[0].url, f"busy{n}", "guess")) for n in range(8)]
        await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
        began = time.monotonic()
        async with http.get(f"{pair[0].url}/livez") as answer:
            assert answer.status == 200
        assert not all(task.done() for task in tries)
        assert time.monotonic() - began < 0.5
        await asyncio.gather(*tries)


@pytest.mark.parametrize("size", [8_001, 1_000_000])
async def test_a_password_without_an_end_is_not_read(pair: list[RunningApp], size: int) -> None:
    async with browsing() as http:
        assert (await post(http, pair[0].url, "ana", "x" * size))[0] == 413


def test_gradios_client_logs_in_and_is_told_when_it_may_not(pair: list[RunningApp]) -> None:
    with connected(pair[0], auth=("eve", password("eve"))) as eve:
        conversation = start(eve, user_id="ana")
        assert conversation["user_id"] == "eve"
        assert eve.predict(**conversation, message="Hi", api_name="/chat") == "You said: Hi"
    for options in ({}, {"auth": ("eve", "wrong")}):
        with pytest.raises(AuthenticationError):
            Client(pair[0].url, verbose=False, analytics_enabled=False, **options)


async def test_while_the_store_is_away_nobody_comes_in_and_who_is_in_stays(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(running_valkey(tmp_path / "store"))
        address = {"REDIS_URL": f"unix://{store.socket}"}
        app = stack.enter_context(running_app(tmp_path, **{**settings, **address}))
        ana = await logged_in(app.url, "ana")
        process_of(store).kill()
        process_of(store).wait()
        assert await status(f"{app.url}/config", **ana) == 200
        assert await status(f"{app.url}/config", cookie=f"{COOKIE}=unknown") == 503
        async with browsing(**BROWSER, cookie=f"{COOKIE}=unknown") as http, http.get(app.url) as answer:
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert "store does not answer" in await answer.text()
        async with browsing() as http:
            for secret in (password("ana"), "wrong"):
                code, answer, told = await post(http, app.url, "ana", secret)
                assert (code, "set-cookie" in answer.headers) == (503, False)
                assert "store does not answer" in told


def test_passwords_in_plain_text_are_refused_at_the_start(tmp_path: Path) -> None:
    process = launch(tmp_path, AUTH_USERS="ana:plain-secret")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "python -m chat_core.hash_password NAME" in errors
    assert "plain-secret" not in errors


async def test_what_the_command_prints_works_from_a_dotenv_file(
    tmp_path: Path, model: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text(f"REDIS_URL=memory://\nAUTH_USERS={auth_users('ana', 'bob')}\n")
    with running_app(tmp_path, **model) as app:
        for name in ("ana", "bob"):
            assert await status(f"{app.url}/config", **await logged_in(app.url, name)) == 200
