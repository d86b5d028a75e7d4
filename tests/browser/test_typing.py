"""A person types: with an input method, with the keyboard alone, and with a reload in between."""

import asyncio
import re

from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.fake_openai import DONE, FakeOpenAI, finish, stream, text

# What browsers report of the Enter that ends a composition: Chrome and Firefox while it is going on, Safari
# after it.
COMPOSING = {"isComposing": True, "keyCode": 13}
SAFARI = {"isComposing": False, "keyCode": 229}


def compose(chat: ChatPage, enter: dict[str, object]) -> None:
    chat.box.fill("ni hao")
    chat.box.evaluate(
        """(box, enter) => {
            box.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true, data: "ni hao" }));
            for (const type of ["keydown", "keypress"])
                box.dispatchEvent(new KeyboardEvent(type, { key: "Enter", bubbles: true, ...enter }));
            box.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true, data: "你好" }));
        }""",
        enter,
    )
    chat.box.fill("你好")


def test_enter_sends_but_not_when_it_ends_a_composition_or_breaks_the_line(chat: ChatPage) -> None:
    for sent, enter in enumerate((COMPOSING, SAFARI)):
        compose(chat, enter)
        expect(chat.questions).to_have_count(sent)
        chat.box.press("Enter")
        expect(chat.questions).to_have_text(["你好"] * (sent + 1))
        expect(chat.replies).to_contain_text(["You said: 你好"] * (sent + 1))
        chat.wait_until_idle()
    chat.box.fill("one")
    chat.box.press("Shift+Enter")
    chat.box.press_sequentially("two")
    expect(chat.questions).to_have_count(2)
    expect(chat.box).to_have_value("one\ntwo")


def test_a_draft_survives_a_reload_and_is_gone_once_it_is_sent(chat: ChatPage) -> None:
    chat.box.fill("half a thought")
    chat.reload()
    expect(chat.box).to_have_value("half a thought")
    chat.box.press("Enter")
    expect(chat.replies).to_contain_text(["You said: half a thought"])
    chat.reload()
    expect(chat.questions).to_have_text(["half a thought"])
    expect(chat.box).to_have_value("")


def test_the_keyboard_stops_a_reply_opens_a_new_chat_and_the_sidebar_and_lists_its_shortcuts(
    chat: ChatPage,
) -> None:
    chat.send("[[stall]]")
    expect(chat.stop_button).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.send_button).to_be_visible()
    expect(chat.page.locator("#chatbot .note")).to_contain_text("Stopped")
    chat.page.keyboard.press("Control+Shift+O")
    expect(chat.questions).to_have_count(0)
    chat.page.keyboard.press("Shift+Escape")
    expect(chat.box).to_be_focused()
    new_chat = chat.page.locator("#new-chat")
    expect(new_chat).to_be_in_viewport()
    chat.page.keyboard.press("Control+Shift+S")
    expect(new_chat).not_to_be_in_viewport()
    chat.page.keyboard.press("Control+Shift+S")
    expect(new_chat).to_be_in_viewport()
    chat.page.get_by_role("button", name="Keyboard").click()
    expect(chat.page.locator("#help")).to_contain_text("Ctrl+Shift+O")


def test_a_draft_stays_with_its_conversation(chat: ChatPage) -> None:
    chat.say("first")
    new_chat = chat.page.locator("#new-chat")
    chat.box.fill("for the first")
    new_chat.click()
    expect(chat.questions).to_have_count(0)
    expect(chat.box).to_have_value("")
    chat.box.fill("for a new one")
    chat.sessions.first.click()
    expect(chat.box).to_have_value("for the first")
    chat.reload()
    expect(chat.box).to_have_value("for the first")
    new_chat.click()
    expect(chat.box).to_have_value("for a new one")
    chat.box.press("Enter")
    expect(chat.replies).to_contain_text(["You said: for a new one"])
    expect(chat.box).to_have_value("")
    new_chat.click()
    expect(chat.questions).to_have_count(0)
    expect(chat.box).to_have_value("")


def test_a_message_that_is_sent_while_a_reply_runs_waits_for_its_end(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    def begin() -> asyncio.Event:
        end = asyncio.Event()
        provider.answers.append(stream(text("It begins"), end, text(" and ends"), finish(), DONE))
        replied = chat.replies.count()
        chat.send("Tell me much")
        expect(chat.replies).to_have_count(replied + 1)  # those before begin in the same way
        expect(chat.replies.last).to_contain_text("It begins")
        return end

    end = begin()
    chat.send("Meanwhile")
    expect(chat.waiting).to_contain_text("Meanwhile")
    expect(chat.box).to_have_value("")
    chat.waiting.get_by_role("button", name="Back to the box").click()
    expect(chat.waiting).to_be_empty()
    expect(chat.box).to_have_value("Meanwhile")
    expect(chat.box).to_be_focused()
    chat.box.press("Enter")
    expect(chat.waiting).to_contain_text("Meanwhile")
    chat.send("and more")
    expect(chat.waiting).to_contain_text("and more")
    chat.reload()
    expect(chat.replies.last).to_contain_text("It begins")
    expect(chat.waiting).to_contain_text("Meanwhile")
    chat.box.fill("a draft")
    provider.let_out(end)
    expect(chat.replies).to_contain_text(["It begins and ends", "You said: Meanwhile"])
    expect(chat.questions).to_have_text(["Tell me much", re.compile(r"Meanwhile\s+and more")])
    expect(chat.waiting).to_be_empty()
    expect(chat.box).to_have_value("a draft")
    chat.wait_until_idle()

    end = begin()
    chat.send("x" * 2_001)
    provider.let_out(end)
    expect(chat.toast).to_contain_text("at most 2000")
    expect(chat.waiting).to_contain_text("xxx")
    chat.waiting.get_by_role("button", name="Remove").click()
    chat.wait_until_idle()

    end = begin()
    chat.send("Never mind")
    chat.waiting.get_by_role("button", name="Remove").click()
    expect(chat.waiting).to_be_empty()
    provider.let_out(end)
    chat.wait_until_idle()
    expect(chat.questions).to_have_count(4)
