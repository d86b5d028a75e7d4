"""Whatever a provider does wrong: it is said in the reader's language, what came of the reply is kept,
another try is offered, and nothing is left open."""

import json
from collections.abc import Iterator

import aiohttp
import pytest

from benchmarks.page_client import Page, Tab
from chat_core import Language
from chat_core.messages import TurnError
from chat_ui.texts import error_text, t
from tests.conftest import eventually
from tests.fake_openai import KEYWORDS, FakeOpenAI
from tests.faults.callers import callers
from tests.running import RunningApp, running_app

# What it does -> how that is called, and whether a part of the reply had come.
FAULTS = {
    "cut": ("model_disconnected", True),
    "reset": ("model_disconnected", True),
    "stall": ("model_stalled", True),
    "mute": ("model_timed_out", False),
    "garbage": ("model_garbled", True),
    "endless": ("model_garbled", True),
    "bomb": ("model_garbled", True),
    "failure": ("model_server_failed", True),
    "silent": ("model_silent", False),
    "html": ("model_garbled", False),
    "context": ("context_too_long", False),
    "400": ("model_request_rejected", False),
    "401": ("model_auth_failed", False),
    "403": ("model_auth_failed", False),
    "404": ("model_not_found", False),
    "429": ("model_rate_limited", False),
    "500": ("model_server_failed", False),
    "503": ("model_server_failed", False),
}
HARMLESS = {"reason", "long", "slow"}


def test_every_fault_of_the_provider_is_tried() -> None:
    assert set(FAULTS) >= KEYWORDS.keys() - HARMLESS


@pytest.fixture(scope="module")
def app(provider: FakeOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """One with little patience."""
    settings = {
        "OPENAI_BASE_URL": provider.base_url,
        "OPENAI_API_KEY": "sk-secret-of-the-owner",
        "OPENAI_MODEL": "fake",
        "RATE_LIMIT": "",
        "RATE_LIMIT_ADDRESS": "",
        "FIRST_TOKEN_SECONDS": "2",
        "STALL_SECONDS": "1",
    }
    with running_app(tmp_path_factory.mktemp("app"), **settings) as running:
        yield running


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_told_and_leaves_nothing_open(
    app: RunningApp, provider: FakeOpenAI, fault: str, language: Language
) -> None:
    code, partly = FAULTS[fault]
    before = len(provider.requests)

    async def is_over() -> bool:
        return all(map(provider.is_over, provider.requests[before:]))

    async with callers(app.url, 1, headers={"accept-language": language}) as (person,):
        end = await person.call("chat_events", message=f"[[{fault}]] and more")
        await eventually(is_over, 1)
        asked, *replies = await person.history()
        error = end["error"]
        facts = {name: value for name, value in error.items() if name not in ("code", "message")}
        assert error["code"] == code
        assert error["message"] == error_text(
            language, TurnError(code=code, message="", facts=facts), is_operator=True
        )
        assert asked["content"] == f"[[{fault}]] and more"
        assert [reply["status"] for reply in replies] == ["failed"] * partly
        assert all(reply["content"].startswith("You said: [[") for reply in replies)
        assert (await person.call("chat_events", message="go on"))["status"] == "done"
    assert "Traceback" not in app.log
    assert "sk-secret" not in json.dumps(end) + app.log


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("fault", ["cut", "stall", "garbage", "silent", "html", "500"])
async def test_the_page_says_it_and_offers_another_try(
    app: RunningApp, fault: str, language: Language
) -> None:
    async with aiohttp.ClientSession(headers={"accept-language": language}) as http:
        page = await Page.get(http, app.url)
        async with Tab(page, http) as tab:
            await tab.load()
            await tab.send(f"[[{fault}]] and more")
            bubbles = tab.values[page.component(type="chatbot")]
            shown = json.dumps(bubbles[-2:], ensure_ascii=False)
            code, _ = FAULTS[fault]
            assert t(language, f"error.{code}") in shown
            assert t(language, "retry") in shown
