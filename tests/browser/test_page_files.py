"""The page comes with its own scripts and styles."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.chat import ChatPage
from tests.running import RunningApp


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


def test_its_script_and_its_style_sheet_are_loaded_once_and_nothing_is_complained_of(
    page: Page, app: RunningApp
) -> None:
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    ChatPage(page, app.url).goto()
    own = [url.rpartition("/")[2] for url in loaded if "/static-" in url]
    assert sorted(own) == ["components.css", "page.css", "page.js"]
    sheets = [url for url in loaded if "/assets/" in url and url.endswith(".css")]
    assert len(sheets) < 8, "those of the components come as one"
    assert len(loaded) == len(set(loaded)) < 70
