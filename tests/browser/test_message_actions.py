"""A person tries again, takes back, corrects, and says what they think of a reply."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Route, expect

from tests.browser.chat import ChatPage
from tests.fake_openai import DONE, STALL, FakeOpenAI, error, finish, stream, text


def edit(chat: ChatPage, before: str, after: str) -> None:
    """Corrects the first message, or the last one."""
    buttons = chat.page.locator("#chatbot").get_by_role("button", name="Edit")
    (buttons.first if before == "first" else buttons.last).click()
    field = chat.page.locator("#chatbot textarea")
    expect(field).to_have_value(before)
    field.fill(after)
    chat.page.locator("#chatbot").get_by_role("button", name="Submit").click()


def last(chat: ChatPage, name: str) -> Locator:
    return chat.page.locator("#chatbot").get_by_role("button", name=name, exact=True).last


@contextmanager
def refresh_answered_late(chat: ChatPage) -> Iterator[None]:
    """What happens meanwhile is something that a look for changes, which began before, knows nothing of."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    chat.page.route("**/queue/join*", hold, times=1)
    with chat.page.expect_request("**/queue/join*"):
        chat.page.evaluate("dispatchEvent(new Event('focus'))")
    yield
    chat.page.evaluate("""() => {
        window.tabs = 0;
        const { showTab } = chat;
        chat.showTab = (tab) => { showTab(tab); tabs += 1; };
    }""")
    held[0].continue_()
    chat.page.wait_for_function("tabs")


def test_a_reply_tried_again_is_kept_as_a_version_also_when_the_next_try_fails(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
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
    provider.answers.append(error(401, "Unauthorized"))
    last(chat, "Retry").click()
    expect(chat.replies.last).to_contain_text("did not accept the API key")
    expect(chat.replies.first).to_contain_text("You said: question")
    chat.page.get_by_role("button", name="Try again").click()
    expect(chat.page.get_by_role("button", name="3/3")).to_be_visible()
    expect(chat.replies).to_have_text([re.compile("You said: question")])


def test_undo_takes_the_last_turn_back_into_the_box_and_an_edit_sends_it_again_in_its_place(
    chat: ChatPage,
) -> None:
    chat.say("first")
    chat.say("second")
    with refresh_answered_late(chat):
        last(chat, "Undo").click()
        expect(chat.questions).to_have_text(["first"])
        expect(chat.box).to_have_value("second")
    restore = chat.page.get_by_role("button", name="Undone · Restore")
    expect(restore).to_be_visible()
    restore.click()
    expect(chat.questions).to_have_text(["first", "second"])
    expect(chat.box).to_have_value("")
    expect(restore).to_be_hidden()
    last(chat, "Undo").click()
    expect(restore).to_be_visible()
    expect(restore).to_have_css("animation-duration", "10s")
    restore.evaluate("(button) => button.getAnimations().forEach((time) => time.finish())")
    expect(restore).to_be_hidden()
    chat.reload()
    expect(chat.questions).to_have_text(["first"])
    chat.say("\tsecond")
    edit(chat, "\tsecond", "better second")
    expect(chat.questions).to_have_text(["first", "better second"])
    expect(chat.replies).to_contain_text(["You said: first", "You said: better second"])
    chat.reload()
    expect(chat.questions).to_have_text(["first", "better second"])


def test_a_new_conversation_goes_on_from_any_message_and_says_where_it_comes_from(chat: ChatPage) -> None:
    chat.say("first")
    chat.say("second")
    branch = chat.page.get_by_role("button", name="New conversation from here")
    expect(branch).to_have_count(4)
    branch.nth(1).click()
    expect(chat.questions).to_have_text(["first"])
    expect(chat.replies).to_contain_text(["You said: first"])
    expect(chat.sessions).to_have_text(["first", "first"])
    chat.say("third")
    expect(chat.questions).to_have_text(["first", "third"])
    chat.reload()
    chat.page.locator("#notice").get_by_role("link", name="another one").click()

    expect(chat.questions).to_have_text(["first", "second"])


def test_a_reply_that_is_not_whole_goes_on_in_its_place(chat: ChatPage, provider: FakeOpenAI) -> None:
    provider.answers.append(stream(text("one "), finish("length"), DONE))
    chat.say("count")
    expect(chat.replies.last).to_contain_text("Cut off at its maximum length")
    go_on = chat.page.locator("#chatbot").get_by_role("button", name="Continue")
    provider.answers.append(stream(text("two "), STALL))
    chat.reload()
    go_on.click()
    expect(chat.replies).to_have_text([re.compile(r"one two\s*$")])
    chat.stop_button.click()
    expect(chat.replies.last).to_contain_text("Stopped")
    provider.answers.append(stream(text("three"), finish(), DONE))
    go_on.click()
    expect(chat.replies).to_have_text([re.compile("one two three")])
    chat.wait_until_idle()
    expect(go_on).to_have_count(0)
    expect(chat.questions).to_have_text(["count"])


def test_an_edit_that_would_replace_later_turns_asks_first(chat: ChatPage) -> None:
    chat.say("first")
    chat.say("second")
    question = "The messages that follow will be replaced, and kept as a conversation of their own. Go on?"
    edit(chat, "first", "better first")
    chat.answer(question, "Cancel")
    expect(chat.page.locator("#chatbot textarea")).to_have_value("better first")
    chat.page.locator("#chatbot").get_by_role("button", name="Submit").click()
    chat.answer(question, "Replace")
    expect(chat.questions).to_have_text(["better first"])
    expect(chat.replies).to_contain_text(["You said: better first"])
    chat.wait_until_idle()
    with chat.page.context.expect_page() as opened:
        chat.replies.get_by_role("link", name="the conversation as it was").click()
    kept = ChatPage(opened.value, chat.url)
    expect(kept.questions).to_have_text(["first", "second"])


def test_an_edit_left_open_does_not_go_along_into_another_conversation(chat: ChatPage) -> None:
    field = chat.page.locator("#chatbot textarea")
    chat.say("first")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.say("second")
    last(chat, "Edit").click()
    expect(field).to_have_value("second")
    chat.sessions.nth(1).click()
    expect(chat.questions).to_have_text(["first"])
    last(chat, "Edit").click()
    expect(field).to_have_value("first")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.say("third")
    expect(chat.questions).to_have_text(["third"])
    expect(field).to_have_count(0)


def test_a_quiet_line_says_what_a_reply_took_and_a_thumb_stays_with_it(chat: ChatPage) -> None:
    chat.say("one")
    line = chat.page.locator("#chatbot .note").last
    expect(line).to_have_text(re.compile(r"^fake · began after \d\.\d\ss · 3 tokens$"))
    for _ in range(5):
        chat.say("more")
    chat.say("and more")
    expect(line).to_have_text(
        re.compile(r"^fake · began after \d\.\d\ss · 4 tokens · 11 of 13 messages sent$")
    )
    shown = chat.page.locator("#chatbot")
    last(chat, "Like").click()
    chat.say("and another")
    chat.reload()
    expect(shown.get_by_role("button", name="Liked", exact=True)).to_have_count(1)
    expect(shown.get_by_role("button", name="Like", exact=True)).to_have_count(7)
    last(chat, "Dislike").click()
    chat.reload()
    expect(shown.get_by_role("button", name="Disliked", exact=True)).to_have_count(1)
