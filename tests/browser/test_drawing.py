"""A person has pictures made."""

import asyncio

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import serious_violations
from tests.browser.test_replies import clipboard
from tests.fake_openai import FakeOpenAI, picture_event, picture_file, stream

pytestmark = pytest.mark.long

GREY = picture_event(picture_file(600, "grey"), is_partial=True)
WIDTH = "image => image.decode().then(() => image.naturalWidth)"


def pictures(chat: ChatPage) -> Locator:
    return chat.replies.locator(".drawn")


def test_a_picture_is_drawn_watched_kept_shown_large_and_changed(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    gate = asyncio.Event()
    provider.answers.append(stream(GREY, gate, picture_event(picture_file(600, "teal"))))
    toggle = chat.page.get_by_role("button", name="Make a picture")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(chat.box).to_have_attribute("placeholder", "Describe a picture…")
    chat.page.get_by_label("Size").select_option("1536x1024")
    chat.send("a red house")
    expect(chat.questions).to_have_text("/image a red house --size 1536x1024")
    expect(chat.box).to_have_value("")
    expect(chat.replies.get_by_text("Drawing")).to_contain_text(" s")
    expect(pictures(chat)).to_be_visible()
    unfinished = pictures(chat).get_attribute("src")
    other = chat.another_tab(chat.page.url)
    expect(pictures(other)).to_have_attribute("src", str(unfinished))
    provider.let_out(gate)
    for tab in (chat, other):
        expect(tab.replies.get_by_text("gpt-image-1")).to_be_visible()
        expect(tab.replies.get_by_text("Drawing")).to_have_count(0)
        expect(pictures(tab)).to_have_count(1)
        expect(pictures(tab)).not_to_have_attribute("src", str(unfinished))
    assert provider.requests[-1].body["size"] == "1536x1024"
    expect(chat.session("a red house")).to_be_visible()
    chat.reload()
    assert pictures(chat).evaluate(WIDTH) == 480
    chat.page.get_by_role("button", name="a red house", exact=True).last.press("Enter")
    expect(chat.page.get_by_role("dialog", name="a red house").get_by_role("img")).to_be_visible()
    chat.page.wait_for_function("document.querySelector('dialog.enlarged img').naturalWidth === 600")
    chat.page.keyboard.press("Escape")
    chat.page.locator("#chatbot").get_by_role("button", name="Copy message").last.click()
    assert clipboard(chat) == "[picture: a red house]"
    with chat.page.expect_download() as saved:
        chat.page.get_by_role("button", name="Download the picture").click()
    assert saved.value.suggested_filename == "a red house.jpg"
    chat.page.get_by_role("button", name="Change the picture").click()
    expect(chat.page.locator("#box .thumbnail-item img")).to_have_count(1)
    chat.say("make it blue")
    assert provider.requests[-1].path == "/v1/images/edits"
    expect(pictures(chat)).to_have_count(2)


def test_all_buttons_are_in_reach_of_a_finger(open_page: OpenPage) -> None:
    chat = open_page(width=320, height=700, has_touch=True, is_mobile=True)
    chat.page.get_by_role("button", name="Make a picture").tap()
    chat.page.get_by_label("Quality").select_option("high")
    chat.say("a house")
    expect(chat.questions).to_have_text("/image a house --quality high")
    for name in ("Download the picture", "Change the picture"):
        expect(chat.page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    assert serious_violations(chat) == []
