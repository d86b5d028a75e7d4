"""What a visit loads."""

import time

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import DESK, OpenPage
from tests.running import RunningApp

# What Chromium calls "Fast 3G".
_BYTES = 1024 * 1024 / 8 * 0.9
FAST_3G = {
    "offline": False,
    "latency": 150 * 3.75,
    "downloadThroughput": 1.6 * _BYTES,
    "uploadThroughput": 0.75 * _BYTES,
}


def loaded(page: Page) -> float:
    """How many kilobytes came over the line to this page, heads included."""
    return float(
        page.evaluate("""() => performance.getEntries()
            .filter((entry) => ["navigation", "resource"].includes(entry.entryType))
            .reduce((sum, entry) => sum + entry.transferSize, 0) / 1000""")
    )


def test_a_first_visit_loads_little_and_the_next_next_to_nothing(open_page: OpenPage) -> None:
    chat = open_page()
    assert 100 < loaded(chat.page) < 500
    assert loaded(chat.another_tab().page) < 40


def seconds_until_a_message_is_taken(context: BrowserContext, url: str) -> float:
    """How long somebody waits on a slow line who types as soon as there is a message box, and sends at once;
    the message is answered when its time has come."""
    page = context.new_page()
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", FAST_3G)
    chat = ChatPage(page, url)
    began = time.monotonic()
    page.goto(url, wait_until="commit")
    chat.box.press_sequentially("hello")
    chat.box.press("Enter")
    expect(chat.box).to_have_value("")
    seconds = time.monotonic() - began
    expect(chat.replies.last).to_contain_text("You said: hello")
    page.close()
    return seconds


def test_a_message_that_is_sent_before_the_page_is_ready_says_so_and_goes_then(
    browser: Browser, app: RunningApp
) -> None:
    with browser.new_context(viewport=DESK, locale="en-US") as context:
        page = context.new_page()
        page.route("**/queue/join*", lambda _: None)  # held until they are routed no more
        chat = ChatPage(page, app.url)
        page.goto(app.url, wait_until="commit")
        chat.box.fill("hello")
        expect(chat.waiting).to_be_empty()
        chat.box.press("Enter")
        expect(chat.waiting).to_contain_text("Sent when the page is ready")
        page.unroute("**/queue/join*")
        expect(chat.replies.last).to_contain_text("You said: hello")
        expect(chat.waiting).to_be_empty()


@pytest.mark.long
@pytest.mark.alone
def test_on_a_slow_line_a_first_visitor_can_write_soon_and_the_next_time_sooner(
    browser: Browser, app: RunningApp
) -> None:
    with browser.new_context(viewport=DESK, locale="en-US") as context:
        first, second = (seconds_until_a_message_is_taken(context, app.url) for _ in range(2))
    print(f"first visit {first:.1f} s, second {second:.1f} s")
    assert first < 9
    assert second < 3
