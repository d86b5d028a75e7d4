"""A conversation is shared, read by somebody else, and shared no more."""

import pytest
from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import serious_violations

pytestmark = pytest.mark.long


def test_a_link_is_made_read_copied_and_ended(chat: ChatPage, open_page: OpenPage) -> None:
    chat.say("Why is the **sky** blue?")
    chat.act_on("Why is the", "Share")
    chat.dialog.get_by_role("combobox").select_option(label="a week")
    chat.dialog.get_by_role("button", name="Make a link").click()
    expect(chat.dialog).to_contain_text("The link holds until")
    address = chat.dialog.get_by_role("textbox").input_value()
    assert address.startswith(f"{chat.url.rstrip('/')}/?s=")
    chat.dialog.get_by_role("button", name="Close").click()

    other = open_page(locale="zh-CN")
    reader = other.page
    reader.goto(address)
    expect(reader).to_have_title("Why is the **sky** blue?")
    expect(reader.get_by_role("article")).to_have_count(2)
    expect(reader.locator("strong", has_text="sky")).to_be_visible()
    expect(reader.locator(".copy")).to_have_css("color", "rgb(255, 255, 255)")
    for colours in ("light", "dark"):
        reader.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
        assert serious_violations(other) == [], colours
    reader.get_by_role("link", name="在我的对话中继续").click()
    other.wait_until_loaded()
    other.answer("分享的对话", "复制一份")
    expect(other.questions).to_have_count(1)
    other.send("And at night?")
    expect(other.questions).to_have_count(2)
    assert "copy=" not in reader.url

    chat.open_drawer()
    links = chat.page.locator("#shares")
    expect(links).to_contain_text("Why is the **sky** blue?")
    links.get_by_role("button", name="End the link").click()
    expect(links.locator("li")).to_have_count(0)
    gone = reader.context.request.get(address)
    assert gone.status == 404
