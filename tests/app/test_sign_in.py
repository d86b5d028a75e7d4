"""Signing in on a Space with `hf_oauth: true`, at a stand-in of the Hub."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from tests.fake_hub import CLIENT_ID, FakeHub, running_hub
from tests.running import RunningApp, running_app

pytestmark = pytest.mark.long

ANA, BOB = "0123456789abcdef01234567", "89abcdef0123456789abcdef"
COOKIE = "role-chat-login"


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with running_hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def space(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, str], hub: FakeHub
) -> Iterator[RunningApp]:
    settings = {**model, **hub.settings, "SPACE_ID": "ana/chat", "REDIS_URL": "memory://"}
    with running_app(tmp_path_factory.mktemp("space"), SPACE_HOST="ana-chat.hf.space", **settings) as app:
        yield app


class Visitor:
    """A browser, as far as cookies go: it sends what it was given, also without https."""

    def __init__(self, app: RunningApp) -> None:
        self.app = app
        self.cookies: dict[str, str] = {}

    async def get(self, url: str) -> tuple[int, str]:
        """The status, and where it leads."""
        async with self._browser() as http, http.get(url, allow_redirects=False) as answer:
            self.cookies |= {name: cookie.value for name, cookie in answer.cookies.items()}
            return answer.status, answer.headers.get("location", "")

    async def sign_in(self) -> str:
        """Where it leads in the end. The Hub leads back to the Space's own address, which is the app here."""
        _, provider = await self.get(f"{self.app.url}/login/openid")
        _, back = await self.get(provider)
        return (await self.get(self.here(back)))[1]

    def here(self, url: str) -> str:
        assert url.startswith("https://ana-chat.hf.space/login/callback?")
        return self.app.url + url.removeprefix("https://ana-chat.hf.space")

    async def call(self, endpoint: str, **values: Any) -> tuple[int, Any]:
        url = f"{self.app.url}/gradio_api/run/{endpoint}"
        async with self._browser() as http, http.post(url, json=values) as answer:
            told = await answer.json()
            return answer.status, told["data"][0] if "data" in told else told

    async def log_out(self) -> int:
        async with self._browser() as http, http.post(f"{self.app.url}/logout") as answer:
            return answer.status

    def _browser(self) -> aiohttp.ClientSession:
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return aiohttp.ClientSession(headers={"cookie": sent})


async def test_who_signs_in_is_who_the_hub_says_in_every_browser(space: RunningApp, hub: FakeHub) -> None:
    hub.somebody = ANA
    first, second, other = Visitor(space), Visitor(space), Visitor(space)
    assert await first.sign_in() == "../"
    asked = hub.asked[-1]
    assert (asked["client_id"], asked["scope"], asked["response_type"]) == (
        CLIENT_ID,
        "openid profile",
        "code",
    )
    assert asked["redirect_uri"] == "https://ana-chat.hf.space/login/callback"
    _, begun = await first.call("start_chat", user_id="u_of_the_browser")
    assert begun["user_id"] == f"oidc_{ANA}"
    await second.sign_in()
    _, told = await second.call("sessions", user_id="")
    assert [session["session_id"] for session in told["sessions"]] == [begun["session_id"]]
    hub.somebody = BOB
    await other.sign_in()
    status, _ = await other.call("history", user_id=begun["user_id"], session_id=begun["session_id"])
    assert status == 404


async def test_nobody_needs_to_and_nobody_can_claim_to_be_somebody_who_did(
    space: RunningApp, hub: FakeHub
) -> None:
    hub.somebody = ANA
    ana, stranger = Visitor(space), Visitor(space)
    await ana.sign_in()
    _, begun = await ana.call("start_chat")
    claimed = {"user_id": begun["user_id"], "session_id": begun["session_id"]}
    assert (await stranger.call("history", **claimed))[0] == 400
    assert (await stranger.call("start_chat", user_id=begun["user_id"]))[1]["user_id"] != begun["user_id"]
    assert (await stranger.call("start_chat", user_id="u_of_the_browser"))[1]["user_id"] == "u_of_the_browser"
    assert await ana.log_out() == 200
    assert (await ana.call("history", **claimed))[0] == 400


async def test_a_sign_in_counts_only_in_the_browser_that_began_it(space: RunningApp, hub: FakeHub) -> None:
    hub.somebody = ANA
    ana, victim = Visitor(space), Visitor(space)
    _, provider = await ana.get(f"{space.url}/login/openid")
    _, back = await ana.get(provider)
    failed = "../login?sign_in=failed"
    assert (await victim.get(ana.here(back)))[1] == failed
    await victim.get(f"{space.url}/login/openid")
    assert (await victim.get(ana.here(back)))[1] == failed
    assert COOKIE not in victim.cookies
    code = parse_qs(urlsplit(back).query)["code"][0]
    state = ana.cookies["role-chat-sign-in"].partition(".")[0]
    assert (await ana.get(f"{space.url}/login/callback?state={state}&code=x{code}"))[1] == failed
    assert (await ana.get(ana.here(back)))[1] == "../"
    hub.somebody = None  # who says no
    assert await victim.sign_in() == failed
    assert ANA not in space.log


async def test_a_failure_is_told_and_there_is_another_way_to_try(space: RunningApp) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{space.url}/login?sign_in=failed") as page:
        html = await page.text()
    assert "Signing in failed. Please try again." in html
    assert '<a href="login/openid">' in html
