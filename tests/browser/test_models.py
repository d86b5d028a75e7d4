"""Models of several providers, in a page of their own."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import DESK
from tests.fake_openai import FakeOpenAI, as_json, error, reply
from tests.running import running_app

pytestmark = pytest.mark.long


def test_a_model_of_another_provider_is_chosen_told_to_reason_and_replaced(
    browser: Browser, provider: FakeOpenAI, tmp_path: Path
) -> None:
    settings = {
        "GROQ_BASE_URL": provider.base_url,
        "GROQ_MODELS": "llama,openai/gpt-oss-20b",
        "MISTRAL_BASE_URL": provider.base_url,
        "MISTRAL_MODELS": "small",
        "FALLBACK_MODELS": "small",
        "MODELS_PRICES": "small=1/2",
        "REDIS_URL": "memory://",
        "MEMORY": "off",
        "TITLE_MODEL": "off",
    }
    with running_app(tmp_path, **settings) as app, browser.new_context(viewport=DESK) as context:
        chat = ChatPage(context.new_page(), app.url)
        chat.goto()
        picker, effort = (chat.page.locator(f"#{name} input") for name in ("model", "effort"))
        expect(effort).to_have_count(0)
        picker.click()
        names = ["🌬️ Mistral · small", "⚡ Groq · llama", "⚡ Groq · openai/gpt-oss-20b"]
        expect(chat.page.get_by_role("option")).to_contain_text(names)
        chat.page.get_by_role("option", name="gpt-oss").click()
        chat.open_drawer()
        effort.click()
        chat.page.get_by_role("option", name="high").click()
        chat.say("think hard")
        sent = provider.requests[-1].body
        assert (sent["model"], sent["reasoning_effort"]) == ("openai/gpt-oss-20b", "high")
        chat.reload()
        expect(effort).to_have_value("high")
        provider.answers += [error(401), reply("Hel", "lo")]
        chat.say("and now")
        facts = chat.page.locator(".facts").last
        expect(facts).to_contain_text("answered by small instead of openai/gpt-oss-20b")
        expect(facts).to_contain_text("2 tokens · <$0.0001")


def test_a_model_that_a_provider_has_come_to_have_is_found_by_looking_again(
    browser: Browser, provider: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has(*names: str) -> None:
        listed = as_json({"object": "list", "data": [{"id": name} for name in names]})
        monkeypatch.setattr(provider, "models", listed)

    settings = {"GROQ_BASE_URL": provider.base_url, "REDIS_URL": "memory://", "MEMORY": "off"}
    has("first", "second")
    with running_app(tmp_path, **settings) as app, browser.new_context(viewport=DESK) as context:
        chat = ChatPage(context.new_page(), app.url)
        chat.goto()
        has("first", "second", "third")
        chat.open_drawer()
        again = chat.page.get_by_role("button", name="Look for models again")
        picker, options = chat.page.locator("#model input"), chat.page.get_by_role("option")
        while True:  # it was asked at the start, and is asked at most every ten seconds
            again.click()
            expect(chat.toast.last).to_contain_text("Models that can be chosen: ")
            picker.click()
            if options.count() == 3:
                break
            picker.press("Escape")
        expect(options).to_contain_text(["first", "second", "third"])
