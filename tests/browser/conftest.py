import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chat import ChatPage
from tests.running import RunningApp

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WAIT_SECONDS = 15
# Without these Chromium looks for its maker's servers at every start.
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]

OpenPage = Callable[..., ChatPage]


# Playwright keeps an event loop running while it is open, beside which asynchronous tests cannot run.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium found: install Debian's package chromium, or set CHROMIUM to its path")
    expect.set_options(timeout=WAIT_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, app: RunningApp) -> Iterator[OpenPage]:
    """Opens the app's page as a new visitor: `open_page(width=390, locale="zh-CN")`. Whatever goes wrong
    inside the page fails the test."""
    wrong: list[str] = []
    contexts = []

    def open_as(
        url: str = app.url, *, width: int = 1280, height: int = 800, locale: str = "en-US", **options: object
    ) -> ChatPage:
        context = browser.new_context(viewport={"width": width, "height": height}, locale=locale, **options)
        contexts.append(context)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        chat = ChatPage(context.new_page(), url)
        chat.goto()
        return chat

    yield open_as
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture
def chat(open_page: OpenPage) -> ChatPage:
    """The page at a desktop's width."""
    return open_page()
