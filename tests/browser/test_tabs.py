"""One conversation in two tabs."""

import asyncio

from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.fake_openai import DONE, FakeOpenAI, finish, stream, text


def beside(chat: ChatPage) -> ChatPage:
    """The same conversation in another tab; only the one in front has the focus, as with a person."""
    other = chat.another_tab(f"{chat.url}?c={chat.session_id()}")
    for tab in (chat, other):
        tools = tab.page.context.new_cdp_session(tab.page)
        tools.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    return other


def test_what_happens_in_one_tab_appears_in_the_other_when_it_is_looked_at(open_page: OpenPage) -> None:
    chat = open_page()
    chat.say("first")
    other = beside(chat)
    expect(other.questions).to_have_text(["first"])
    chat.page.bring_to_front()
    chat.say("second")
    other.page.bring_to_front()
    expect(other.replies).to_contain_text(["You said: first", "You said: second"])
    other.box.fill("half a thought")
    chat.page.bring_to_front()
    other.page.bring_to_front()
    expect(other.box).to_have_value("half a thought")
    check_a_running_reply(chat, other)
    check_a_deletion(chat, other)


def check_a_running_reply(chat: ChatPage, other: ChatPage) -> None:
    """It is shown in both, and another message waits for its end."""
    chat.page.bring_to_front()
    chat.send("[[stall]] a")
    expect(chat.replies.last).to_contain_text("You said: [[stall]]")
    other.page.bring_to_front()
    expect(other.replies.last).to_contain_text("You said: [[stall]]")
    expect(other.stop_button).to_be_visible()
    other.send("too early")
    expect(other.waiting).to_contain_text("too early")
    expect(other.box).to_have_value("")
    other.stop_button.click()
    expect(other.replies.last).to_contain_text("You said: too early")
    expect(chat.send_button).to_be_visible()
    expect(chat.page.locator("#chatbot .note").last).to_contain_text("Stopped")


def check_a_deletion(chat: ChatPage, other: ChatPage) -> None:
    """It is gone from the other too."""
    chat.page.bring_to_front()
    chat.act_on("first", "Delete")
    chat.answer("Delete the conversation “first”?", "Delete")
    expect(chat.sessions).to_have_count(0)
    other.page.bring_to_front()
    expect(other.questions).to_have_count(0)


def test_a_change_of_what_is_not_the_latest_any_more_is_refused_and_what_was_said_appears(
    open_page: OpenPage,
) -> None:
    chat = open_page()
    chat.say("first")
    # In a window of its own, which is not looked at anew.
    same = chat.page.context.storage_state()
    other = open_page(f"{chat.url}?c={chat.session_id()}", storage_state=same)
    expect(other.questions).to_have_text(["first"])
    bubbles = other.page.locator("#chatbot")
    chat.say("second")
    bubbles.get_by_role("button", name="Undo").last.click()
    expect(other.toast.last).to_contain_text("Something was said here meanwhile")
    expect(other.questions).to_have_text(["first", "second"])
    chat.say("third")
    bubbles.get_by_role("button", name="Edit").last.click()
    bubbles.locator("textarea").fill("another text")
    bubbles.get_by_role("button", name="Submit").click()
    expect(other.questions).to_have_text(["first", "second", "third"])
    expect(other.box).to_have_value("another text")


def test_what_was_left_is_not_shown_any_more(chat: ChatPage, provider: FakeOpenAI) -> None:
    """The stream of a reply ends on the page before another conversation is shown, and nothing is refused."""
    refused: list[str] = []
    chat.page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    end = asyncio.Event()
    provider.answers.append(stream(text("It begins"), end, text(" and ends"), finish(), DONE))
    chat.send("first")
    expect(chat.replies).to_contain_text("It begins")
    for _ in range(3):
        chat.page.locator("#new-chat").click()
        expect(chat.questions).to_have_count(0)
        chat.sessions.first.click()
        expect(chat.replies).to_contain_text("It begins")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.say("second")
    provider.let_out(end)
    chat.say("third")
    expect(chat.questions).to_have_text(["second", "third"])
    expect(chat.replies).to_contain_text(["You said: second", "You said: third"])
    chat.session("first").locator("[data-action=open]").click()
    expect(chat.replies).to_contain_text(["It begins and ends"])
    assert refused == []
