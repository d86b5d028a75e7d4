"""A person tries again, takes back, corrects, and says what they think of a reply."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.chat import ChatPage


def last(chat: ChatPage, name: str) -> Locator:
    return chat.page.locator("#chatbot").get_by_role("button", name=name, exact=True).last


def test_a_reply_tried_again_is_kept_as_a_version(chat: ChatPage) -> None:
    chat.say("question")
    chat.choose_role("Teacher")
    last(chat, "Retry").click()
    expect(chat.page.get_by_role("button", name="2/2")).to_be_visible()
    expect(chat.questions).to_have_text(["question"])
    chat.page.get_by_role("button", name="‹").click()
    expect(chat.page.get_by_role("button", name="1/2")).to_be_visible()
    chat.reload()
    expect(chat.page.get_by_role("button", name="1/2")).to_be_visible()
    chat.page.get_by_role("button", name="›").click()
    expect(chat.page.get_by_role("button", name="2/2")).to_be_visible()


def test_undo_takes_the_last_turn_back_into_the_box(chat: ChatPage) -> None:
    chat.say("first")
    chat.say("second")
    last(chat, "Undo").click()
    expect(chat.questions).to_have_text(["first"])
    expect(chat.box).to_have_value("second")
    chat.reload()
    expect(chat.questions).to_have_text(["first"])


def test_an_edited_message_is_sent_again_in_its_place(chat: ChatPage) -> None:
    chat.say("first")
    chat.say("second")
    chat.page.locator("#chatbot").get_by_role("button", name="Edit").first.click()
    field = chat.page.locator("#chatbot textarea")
    field.fill("better first")
    chat.page.locator("#chatbot").get_by_role("button", name="Submit").click()
    expect(chat.questions).to_have_text(["better first"])
    expect(chat.replies).to_contain_text(["You said: better first"])
    chat.reload()
    expect(chat.questions).to_have_text(["better first"])


def test_a_quiet_line_says_what_a_reply_took(chat: ChatPage) -> None:
    chat.say("one")
    line = chat.page.locator("#chatbot .note").last
    expect(line).to_have_text(re.compile(r"^fake · began after \d\.\d s · 3 tokens$"))
    for _ in range(5):
        chat.say("more")
    chat.say("and more")
    expect(line).to_have_text(
        re.compile(r"^fake · began after \d\.\d s · 4 tokens · 11 of 13 messages sent$")
    )


def test_a_thumb_stays_with_the_reply(chat: ChatPage) -> None:
    chat.say("rate me")
    last(chat, "Like").click()
    chat.say("and another")
    chat.reload()
    expect(chat.page.locator("#chatbot").get_by_role("button", name="Liked", exact=True)).to_have_count(1)
    expect(chat.page.locator("#chatbot").get_by_role("button", name="Like", exact=True)).to_have_count(1)
