"""A person reads while a reply is written."""

import re

from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.fake_openai import DONE, FakeOpenAI, finish, paced, reasoning, stream, text

LINES = [text(f"line {number}\n\n") for number in range(600)]


def end_of_page(chat: ChatPage) -> float:
    """How many pixels the reader is away from the end."""
    return float(
        chat.page.locator("#chatbot .bubble-wrap").evaluate(
            "shown => shown.scrollHeight - shown.clientHeight - shown.scrollTop"
        )
    )


def test_the_page_follows_a_reply_until_the_reader_scrolls_up(chat: ChatPage, provider: FakeOpenAI) -> None:
    provider.answers.append(stream(*paced(LINES, 15), finish(), DONE))
    chat.send("Tell me much")
    expect(chat.replies.get_by_text("line 25", exact=True)).to_be_in_viewport()
    assert end_of_page(chat) < 150
    chat.page.locator("#chatbot").hover()
    chat.page.mouse.wheel(0, -400)
    expect(chat.replies.get_by_text("line 40", exact=True)).to_be_attached()
    assert end_of_page(chat) > 300
    chat.stop_button.click()
    chat.wait_until_idle()
    chat.say("And more")
    expect(chat.replies.last).to_be_in_viewport()


def test_thoughts_are_open_while_they_go_on_and_fold_with_their_seconds(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    words = [reasoning(f"idea {number} ") for number in range(6)]
    said = [text(f"word {number} ") for number in range(6)]
    provider.answers.append(stream(*paced([*words, *said], 6), finish(), DONE))
    chat.send("Why?")
    thoughts = chat.page.locator("#chatbot .thought-group")
    expect(thoughts).to_contain_text("Thinking…")
    expect(thoughts).to_contain_text("idea 1")
    expect(chat.replies).to_contain_text("word 1")
    expect(thoughts).to_contain_text(re.compile(r"Thoughts\s*\((0\.[5-9]|1\.\d)s\)"))
    expect(thoughts).not_to_contain_text("idea 1")
    chat.wait_until_idle()
    chat.reload()
    expect(thoughts).to_contain_text(re.compile(r"Thoughts\s*\((0\.[5-9]|1\.\d)s\)"))
    expect(thoughts).not_to_contain_text("idea 1")
    thoughts.get_by_role("button", name="Thoughts").click()
    expect(thoughts).to_contain_text("idea 0 idea 1")


def test_who_waits_for_the_first_word_sees_that_it_is_coming(chat: ChatPage, provider: FakeOpenAI) -> None:
    provider.answers.append(stream(1.0, text("Here I am."), finish(), DONE))
    chat.send("Are you there?")
    expect(chat.page.locator("#chatbot .typing")).to_be_visible()
    expect(chat.replies).to_contain_text("Here I am.")
    expect(chat.page.locator("#chatbot .typing")).to_have_count(0)
    expect(chat.page.locator("#chatbot").get_by_role("img", name="bot avatar")).to_be_visible()
    expect(chat.page.locator("#chatbot").get_by_role("img", name="user avatar")).to_be_visible()
