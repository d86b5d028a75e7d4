"""A person talks, leaves, and comes back."""

import re

from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage

ECHO = "You said: {}"


def test_three_turns_appear_one_under_the_other_and_in_the_sidebar(chat: ChatPage) -> None:
    for message in ("one", "two", "three"):
        chat.say(message)
    expect(chat.questions).to_have_text(["one", "two", "three"])
    expect(chat.replies).to_contain_text([ECHO.format(m) for m in ("one", "two", "three")])
    asked, replied = (bubbles.first.bounding_box() for bubbles in (chat.questions, chat.replies))
    assert asked
    assert replied
    assert asked["x"] > replied["x"] + 300  # the person's on the right
    expect(chat.sessions).to_have_text(["one"])
    expect(chat.box).to_have_value("")


def test_a_reply_appears_as_it_is_made_goes_on_after_a_reload_and_outlives_its_tab(
    chat: ChatPage,
) -> None:
    chat.send("a b c d e f g h i j k l m n o p [[slow]]")
    expect(chat.stop_button).to_be_visible()
    expect(chat.replies).to_contain_text(re.compile(r"You said:( a)?( b)?( c)?\s*$"))
    expect(chat.send_button).to_be_hidden()
    expect(chat.replies).to_contain_text("You said: a")
    chat.reload()
    expect(chat.replies).to_contain_text("You said: a")
    expect(chat.stop_button).to_be_visible()
    expect(chat.replies).not_to_contain_text("[[slow]]")
    expect(chat.replies).to_contain_text("You said: a b c d e f g h i j k l m n o p [[slow]]")
    expect(chat.send_button).to_be_visible()
    expect(chat.stop_button).to_be_hidden()
    tab = chat.another_tab()
    tab.send("a b c d [[slow]]")
    expect(tab.replies).to_have_count(2)
    tab.page.close()
    chat.reload()
    expect(chat.replies.last).to_contain_text("You said: a b c d [[slow]]")


def test_the_text_stays_in_the_box_while_a_reply_runs_and_stop_keeps_the_reply_and_says_so(
    chat: ChatPage,
) -> None:
    chat.send("[[stall]] a")
    expect(chat.replies).to_contain_text("You said:")
    expect(chat.stop_button).to_be_visible()
    chat.box.fill("too early")
    # Gradio would put a button and a word, both invisible, into every part that was to be shown.
    buttons = chat.page.locator("button:not(#clear)")  # that one is the page's own
    expect(chat.page.get_by_role("button", name="Clear").and_(buttons)).to_have_count(0)
    expect(chat.box).to_have_value("too early")
    expect(chat.questions).to_have_count(1)
    chat.stop_button.click()
    expect(chat.send_button).to_be_visible()
    expect(chat.replies.first).to_contain_text("You said: [[stall]]")
    expect(chat.page.locator("#chatbot .note")).to_contain_text("Stopped")
    expect(chat.toast.filter(has_text="Stopped")).to_have_count(0)
    chat.box.press("Enter")
    expect(chat.replies.last).to_contain_text(ECHO.format("too early"))


def test_an_earlier_conversation_opens_with_its_role(chat: ChatPage) -> None:
    chat.choose_role("Teacher")
    chat.say("about rain")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.choose_role("Programmer")
    chat.say("about code")
    expect(chat.sessions).to_have_text(["about code", "about rain"])
    chat.sessions.nth(1).click()
    expect(chat.questions).to_have_text("about rain")
    expect(chat.role).to_have_text("Teacher")
    expect(chat.sessions.nth(1)).to_have_attribute("aria-current", "page")
    expect(chat.page).to_have_title("about rain · Role Chat")
    chat.reload()
    expect(chat.questions).to_have_text("about rain")


def test_opening_another_conversation_leaves_a_running_reply_alone(chat: ChatPage) -> None:
    chat.say("quiet")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.send("[[stall]] a")
    expect(chat.replies).to_contain_text("You said:")
    chat.sessions.nth(1).click()
    expect(chat.replies).to_contain_text(ECHO.format("quiet"))
    expect(chat.send_button).to_be_visible()
    chat.sessions.nth(0).click()
    expect(chat.replies).to_contain_text("You said:")
    chat.stop_button.click()
    expect(chat.page.locator("#chatbot .note")).to_contain_text("Stopped")


def test_an_empty_conversation_greets_an_example_starts_it_and_clear_asks_first(chat: ChatPage) -> None:
    expect(chat.page.locator("#chatbot")).to_contain_text("Hello! I'm your assistant.")
    chat.choose_role("Programmer")
    expect(chat.page.locator("#chatbot")).to_contain_text("I'm a programmer")
    chat.page.get_by_role("button", name="What is a race condition?").click()
    expect(chat.replies).to_contain_text(ECHO.format("What is a race condition?"))
    chat.wait_until_idle()
    chat.open_drawer()
    chat.page.locator("#clear").click()
    chat.answer("Clear all messages", "Cancel")
    expect(chat.page.locator("#clear")).to_be_focused()
    expect(chat.questions).to_have_text("What is a race condition?")
    chat.page.locator("#clear").click()
    chat.answer("Clear all messages", "Clear")
    expect(chat.questions).to_have_count(0)
    expect(chat.page.locator("#chatbot")).to_contain_text("I'm a programmer")


def test_on_a_chinese_phone_the_page_speaks_chinese_and_the_sidebar_closes_after_a_choice(
    open_page: OpenPage,
) -> None:
    chat = open_page(width=390, height=844, locale="zh-CN")
    expect(chat.page.locator("#chatbot")).to_contain_text("你好！我是你的助手")
    expect(chat.page.locator("#new-chat")).to_have_text("新对话")
    expect(chat.role).to_have_text("助手")
    expect(chat.box).to_have_attribute("placeholder", "输入消息…")
    chat.send("[[429]]")
    expect(chat.page.locator("#chatbot")).to_contain_text("模型服务商请求放慢速度")
    chat.wait_until_idle()
    expect(chat.sessions.first).not_to_be_in_viewport()
    chat.page.locator("#open-sidebar").click()
    expect(chat.sessions.first).to_be_in_viewport()
    chat.sessions.first.click()
    expect(chat.sessions.first).not_to_be_in_viewport()
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 390
