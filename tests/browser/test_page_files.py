"""The page comes with its own scripts and styles; the login page too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

import chat_ui
from tests.browser.chat import ChatPage
from tests.running import RunningApp, running_app

FILES = {file.name for file in (Path(chat_ui.__file__).parent / "static").iterdir() if file.is_file()}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a browser that knows nothing yet. Any complaint of the browser fails the test."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.text} {message.location}")

    context = browser.new_context(locale="en-US")
    context.on("console", note)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context.new_page()
    context.close()
    assert not complaints


def test_every_script_and_style_is_loaded_once_and_nothing_is_complained_of(
    page: Page, app: RunningApp
) -> None:
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    ChatPage(page, app.url).goto()
    own = [url.rpartition("/")[2] for url in loaded if "/static-" in url]
    assert sorted(own) == sorted(FILES)


def test_the_login_page_is_gradios_but_in_the_chosen_language_and_leads_to_the_chat(
    page: Page, tmp_path: Path, model: dict[str, str]
) -> None:
    with running_app(tmp_path, AUTH_USERS="ana:secret-a", **model) as app:
        page.add_init_script("localStorage.setItem('language', 'zh-CN')")
        page.goto(app.url)
        name, password = page.locator("input:not([type=password])"), page.locator("input[type=password]")
        expect(password).to_be_visible()
        assert page.evaluate("[document.documentElement.lang, navigator.language]") == ["zh-CN", "zh-CN"]
        scrolls = page.evaluate("getComputedStyle(document.body).overflow")
        assert scrolls == "visible"  # unlike the chat, which is as high as the window
        name.fill("ana")
        password.fill("secret-a")
        page.get_by_role("button").click()
        chat = ChatPage(page, app.url)
        chat.wait_until_loaded()
        expect(page.locator("#new-chat")).to_have_text("新对话")
        chat.say("hi")
        expect(chat.replies).to_contain_text("You said: hi")
