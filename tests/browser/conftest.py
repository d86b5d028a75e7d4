import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from redis import Redis

from tests.browser.chat import ChatPage
from tests.running import RunningApp

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WAIT_SECONDS = 15
# Without these Chromium looks for its maker's servers at every start.
QUIET = [
    "--force-prefers-reduced-motion",
    "--disable-smooth-scrolling",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

DESK = ViewportSize(width=1280, height=800)

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
def stored(app: RunningApp, app_directory: Path) -> Iterator[Redis]:
    """What the app keeps its conversations in."""
    with Redis(unix_socket_path=str(app_directory / "data" / "valkey.sock"), decode_responses=True) as redis:
        yield redis


def owner(stored: Redis, session_id: str) -> str:
    """The id of the visitor whose conversation that is."""
    (index,) = [key for key in stored.scan_iter("chat:*:sessions") if stored.zscore(key, session_id)]
    return str(index).split("{")[1].split("}")[0]


@pytest.fixture(scope="package")
def tab(browser: Browser) -> Iterator[Page]:
    """A tab of a desktop browser for one test after another: it keeps the page's compiled scripts, so that
    the page opens in a third of the time."""
    context = browser.new_context(viewport=DESK, locale="en-US")
    yield context.new_page()
    context.close()


def forget_visitor(tab: Page, url: str) -> None:
    """Leaves the page, closes the tabs beside and clears what the browser knows of the visitor."""
    for page in tab.context.pages:
        if page != tab:
            page.close()
    tab.goto("about:blank")  # the page writes down its draft when it is left
    tools = tab.context.new_cdp_session(tab)
    tools.send("Storage.clearDataForOrigin", {"origin": url.rstrip("/"), "storageTypes": "all"})
    tools.detach()


@pytest.fixture
def open_page(browser: Browser, app: RunningApp) -> Iterator[OpenPage]:
    """Opens the app's page as a new visitor: `open_page(width=390, locale="zh-CN")`. Whatever goes wrong
    inside the page fails the test."""
    wrong: list[str] = []
    contexts = []

    def open_as(
        url: str = app.url, *, width: int = 1280, height: int = 800, locale: str = "en-US", **options: object
    ) -> ChatPage:
        size = ViewportSize(width=width, height=height)
        context = browser.new_context(viewport=size, locale=locale, **options)
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
def chat(tab: Page, app: RunningApp) -> Iterator[ChatPage]:
    """The page at a desktop's width, for a new visitor. Whatever goes wrong inside it fails the test. The tab
    goes on after it: to change what outlasts a page (its size, its colours, its zone), `open_page`."""
    wrong: list[str] = []
    tab.context.on("weberror", note := lambda error: wrong.append(str(error.error)))
    chat = ChatPage(tab, app.url)
    chat.goto()
    yield chat
    forget_visitor(tab, app.url)
    tab.context.remove_listener("weberror", note)
    assert not wrong
