"""Several roles reply to one message, side by side; one role is asked once, by its name."""

import asyncio

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.fake_openai import FakeOpenAI, reply, stream, text

pytestmark = pytest.mark.long


def voices(chat: ChatPage) -> Locator:
    """Whose replies stand side by side."""
    return chat.page.locator("#chatbot .voice b")


def columns(chat: ChatPage) -> Locator:
    """The replies side by side, with whose they are."""
    return chat.page.locator("#chatbot .bot.message > .message", has=chat.page.locator(".voice"))


def places(chat: ChatPage) -> list[tuple[float, float]]:
    """Where each of the columns begins, at one moment."""
    place = "columns => columns.map(column => column.getBoundingClientRect()).map(({x, y}) => [x, y])"
    return [(x, y) for x, y in columns(chat).evaluate_all(place)]


def pick(chat: ChatPage, *names: str) -> None:
    chat.page.locator("#role-button").click()
    chat.page.locator("#roles [data-action=several]").click()
    for name in names:
        chat.page.locator("#roles").get_by_label(name, exact=True).check()
    chat.page.locator("#roles [data-action=ask]").click()


def test_several_reply_side_by_side_and_one_is_used(open_page: OpenPage) -> None:
    chat = open_page(permissions=["clipboard-read", "clipboard-write"])
    pick(chat, "Teacher", "Chef")
    expect(chat.box).to_have_value("@Teacher @Chef ")
    expect(chat.box).to_be_focused()
    chat.page.keyboard.insert_text(asked := "why is the sky so blue today [[slow]]")
    chat.send_button.click()
    expect(chat.questions).to_have_text([asked])
    expect(voices(chat)).to_have_text(["Teacher", "Chef"])
    expect(columns(chat).last).to_contain_text("You said")
    chat.reload()  # in the middle
    expect(voices(chat)).to_have_text(["Teacher", "Chef"])
    expect(chat.stop_button).to_be_visible()
    chat.wait_until_idle()
    for column in columns(chat).all():
        expect(column).to_contain_text(f"You said: {asked}")
    chat.page.locator("#chatbot").get_by_role("button", name="Copy message").last.click()
    copied = chat.page.evaluate("navigator.clipboard.readText()").split()
    assert " ".join(copied) == f"📚Teacher You said: {asked} 🍳Chef You said: {asked}"
    (x, y), (next_x, next_y) = places(chat)
    assert x < next_x
    assert y == next_y
    chat.page.set_viewport_size({"width": 390, "height": 800})
    (x, y), (next_x, next_y) = places(chat)
    assert x == next_x
    assert y < next_y
    chat.page.locator("#chatbot").get_by_role("button", name="Retry").click()
    expect(columns(chat).first).not_to_contain_text("today [[slow]]")
    expect(voices(chat)).to_have_text(["Teacher", "Chef"])
    for column in columns(chat).all():
        expect(column).to_contain_text(f"You said: {asked}")
    chat.wait_until_idle()
    chat.page.get_by_role("button", name="Use Chef").click()
    expect(chat.speakers).to_have_text(["🍳Chef"])
    expect(voices(chat)).to_have_count(0)
    expect(chat.page.locator("#chatbot .option")).to_have_text(["‹", "4/4"])
    chat.reload()
    expect(chat.speakers).to_have_text(["🍳Chef"])
    expect(chat.role).to_have_text("Assistant")


def test_one_is_used_while_the_other_goes_on(chat: ChatPage, provider: FakeOpenAI) -> None:
    provider.answers += [stream(text("Hm"), asyncio.Event()), reply("Because.")]
    chat.send("@Teacher @Chef why")
    expect(columns(chat).filter(has_text="Hm")).to_have_count(1)
    chat.page.locator("#chatbot .option").click()
    chat.wait_until_idle()
    expect(chat.replies.last).to_contain_text("Because.")
    expect(voices(chat)).to_have_count(0)
    chat.page.locator("#chatbot .option", has_text="/2").wait_for()
    chat.say("and now")
    expect(chat.replies.last).to_contain_text("You said: and now")


def test_a_stop_ends_all_of_them_and_each_says_so(chat: ChatPage) -> None:
    chat.send("@Teacher @Chef why [[slow]]")
    expect(columns(chat).last).to_contain_text("You said")
    chat.stop_button.click()
    chat.wait_until_idle()
    expect(columns(chat).locator(".note")).to_have_text(["Stopped", "Stopped"])
    expect(chat.page.locator("#chatbot .option")).to_have_text(["✓ Use Teacher", "✓ Use Chef"])


def test_the_one_that_a_message_names_replies_once(chat: ChatPage) -> None:
    chat.say("@teacher why")
    chat.say("and you")
    expect(chat.speakers).to_have_text(["📚Teacher", "✨Assistant"])
