"""The conversation stands in the middle, and the sidebar and the drawer beside or over it."""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage

# About 70 characters of the page's font.
COMFORTABLE = range(480, 720)


def sides(part: Locator) -> tuple[float, float]:
    """Its left and its right edge."""
    box = part.bounding_box()
    assert box
    return box["x"], box["x"] + box["width"]


def room_for_the_conversation(chat: ChatPage, panels: list[str]) -> tuple[float, float]:
    """What open panels leave of the window."""
    viewport = chat.page.viewport_size
    assert viewport
    left = sides(chat.page.locator("#sidebar"))[1] if "sidebar" in panels else 0
    right = sides(chat.page.locator("#drawer"))[0] if "drawer" in panels else viewport["width"]
    return left, right


@pytest.mark.parametrize("width", [1280, 1920])
def test_the_conversation_stands_in_the_middle_of_its_room(open_page: OpenPage, width: int) -> None:
    chat = open_page(width=width)
    chat.say("word " * 60)
    for panels in (["sidebar"], ["sidebar", "drawer"], ["drawer"], []):
        for name in ("sidebar", "drawer"):
            shown = chat.page.locator(f"body.{name}-open").count() > 0
            if shown != (name in panels):
                chat.page.locator(f"#close-{name}" if shown else f"#open-{name}").click()
        chat.wait_until_still()
        left, right = room_for_the_conversation(chat, panels)
        for part in (chat.page.locator("#box"), chat.page.locator("#chatbot .message-wrap")):
            start, end = sides(part)
            assert abs((start - left) - (right - end)) <= 20, panels  # a scroll bar
        start, end = sides(chat.replies.last.locator("p").first)
        assert int(end - start) in COMFORTABLE, panels


@pytest.mark.parametrize("width", [390, 1090])
def test_in_a_narrow_window_the_drawer_lies_over_the_conversation_alone(
    open_page: OpenPage, width: int
) -> None:
    chat = open_page(width=width)
    chat.say("hello")
    beside = width > 768
    before = sides(chat.page.locator("#box"))
    sidebar, drawer = chat.page.locator("#sidebar"), chat.page.locator("#drawer")
    chat.open_drawer()
    expect(sidebar).not_to_be_in_viewport()
    expect(chat.page.locator("#close-drawer")).to_be_focused()
    chat.wait_until_still()
    start, end = sides(chat.page.locator("#box"))
    assert end - start >= before[1] - before[0]
    chat.page.locator("#temperature input").fill("0.3")
    chat.page.locator("#temperature input").press("Tab")
    expect(chat.page.locator("#said")).to_have_text("Saved")
    expect(chat.page.locator("#close-drawer")).to_be_in_viewport()
    chat.page.keyboard.press("Escape")
    expect(drawer).not_to_be_in_viewport()
    expect(chat.page.locator("#open-drawer")).to_be_focused()
    if beside:
        expect(sidebar).to_be_in_viewport()  # it comes back
        return
    chat.page.locator("#open-sidebar").click()
    expect(sidebar).to_be_in_viewport()
    chat.page.mouse.click(width - 10, 400)
    expect(sidebar).not_to_be_in_viewport()


def test_escape_closes_a_panel_before_it_stops_a_reply(open_page: OpenPage) -> None:
    chat = open_page(width=390)
    chat.send("[[stall]]")
    expect(chat.stop_button).to_be_visible()
    chat.open_drawer()
    chat.page.keyboard.press("Escape")
    expect(chat.page.locator("#drawer")).not_to_be_in_viewport()
    expect(chat.stop_button).to_be_visible()
    chat.page.keyboard.press("Escape")
    chat.wait_until_idle()


def test_the_keyboard_never_gets_into_a_closed_panel(chat: ChatPage) -> None:
    chat.page.locator("#close-sidebar").click()
    panels = "#sidebar, #drawer"
    expect(chat.page.locator(f":is({panels})[inert]")).to_have_count(2)
    chat.box.focus()
    for _ in range(20):
        chat.page.keyboard.press("Tab")
        assert chat.page.evaluate(f"document.activeElement.closest('{panels}')") is None


def test_a_closed_sidebar_stays_closed(chat: ChatPage) -> None:
    sidebar = chat.page.locator("#sidebar")
    expect(sidebar).to_be_in_viewport()
    chat.page.locator("#close-sidebar").click()
    expect(sidebar).not_to_be_in_viewport()
    chat.reload()
    expect(sidebar).not_to_be_in_viewport()
    expect(chat.page.locator("#open-sidebar")).to_be_visible()
    chat.page.locator("#open-sidebar").click()
    chat.reload()
    expect(sidebar).to_be_in_viewport()


def test_the_buttons_of_the_panels_have_names_in_the_readers_language(open_page: OpenPage) -> None:
    chat = open_page(locale="zh-CN")
    names = {"open-drawer": "设置", "close-sidebar": "关闭"}
    for elem_id, name in names.items():
        button = chat.page.locator(f"#{elem_id}")
        expect(button).to_have_accessible_name(name)
        expect(button).to_have_attribute("title", name)
    assert "Toggle" not in chat.page.content()


def test_the_greeting_begins_with_its_icon_on_the_smallest_phone(open_page: OpenPage) -> None:
    chat = open_page(width=320, height=480)
    expect(chat.page.locator("#chatbot .placeholder p")).to_be_in_viewport(ratio=1)
    last_example = chat.page.locator("#chatbot .example").last
    last_example.scroll_into_view_if_needed()
    expect(last_example).to_be_in_viewport(ratio=0.9)  # its edge may lie between two pixels
