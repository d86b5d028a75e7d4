"""A person types: with an input method, with the keyboard alone, and with a reload in between."""

import asyncio
import re

from playwright.sync_api import Route, expect

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


def test_what_is_typed_while_a_message_is_on_its_way_stays_in_the_box(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def send_and_type(message: str, more: str) -> None:
        chat.page.route("**/queue/join*", hold, times=1)
        with chat.page.expect_request("**/queue/join*"):
            chat.send(message)
        chat.box.press_sequentially(more)

    send_and_type("first", " and a draft")
    held.pop().continue_()
    expect(chat.replies).to_contain_text(["You said: first"])
    expect(chat.box).to_have_value("and a draft")
    chat.reload()
    expect(chat.box).to_have_value("and a draft")  # it belongs to the new conversation

    end = asyncio.Event()
    provider.answers.append(stream(text("It begins"), end, text(" and ends"), finish(), DONE))
    chat.box.fill("")
    send_and_type("second", " more")
    chat.box.press("Enter")
    expect(chat.waiting).to_contain_text("more")
    expect(chat.waiting).not_to_contain_text("second")
    chat.box.press("Enter")  # of the same message
    held.pop().continue_()
    expect(chat.replies.last).to_contain_text("It begins")
    expect(chat.box).to_have_value("")
    provider.let_out(end)
    expect(chat.replies.last).to_contain_text("You said: more")
    expect(chat.questions).to_have_text(["first", "second", "more"])


# Sends what is in the box and opens the second conversation in the list, both before the server has answered.
SEND_AND_LEAVE = """() => {
    document.querySelector("#box .submit-button").click();
    document.querySelectorAll("#sessions [data-action=open]")[1].click();
}"""


def test_a_message_is_no_draft_of_the_conversation_that_was_left_while_it_was_on_its_way(
    chat: ChatPage,
) -> None:
    chat.say("first")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.say("second")
    chat.box.fill("and more")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "and more" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    chat.page.route("**/queue/join*", hold)
    chat.page.evaluate(SEND_AND_LEAVE)
    expect(chat.questions).to_have_text(["first"])
    held.pop().continue_()
    chat.page.unroute("**/queue/join*")
    chat.session("second").locator("[data-action=open]").click()
    expect(chat.questions).to_have_text(["second", "and more"])
    expect(chat.replies.last).to_contain_text("You said: and more")
    chat.wait_until_idle()
    expect(chat.box).to_have_value("")
    chat.reload()
    expect(chat.questions).to_have_count(2)
    expect(chat.box).to_have_value("")


def test_the_keyboard_is_in_the_box_again_after_each_action(chat: ChatPage) -> None:
    skip = chat.page.get_by_role("link", name="Skip to the message box")
    expect(skip).not_to_be_in_viewport()
    skip.focus()
    expect(skip).to_be_in_viewport(ratio=1)
    assert skip.evaluate("link => document.querySelector('a[href], button, input, textarea') === link")
    chat.page.keyboard.press("Enter")
    expect(chat.box).to_be_focused()

    def press(button: str) -> None:
        chat.page.get_by_role("button", name=button, exact=True).last.click()
        expect(chat.box).to_be_focused()

    chat.say("first")
    press("New chat")
    expect(chat.questions).to_have_count(0)
    chat.say("second")
    chat.sessions.nth(1).click()
    expect(chat.questions).to_have_text(["first"])
    expect(chat.box).to_be_focused()
    press("Retry")
    chat.wait_until_idle()
    press("Undo")
    expect(chat.questions).to_have_count(0)
    chat.page.locator("#restore").click()
    expect(chat.box).to_be_focused()
    expect(chat.questions).to_have_text(["first"])
    chat.page.locator("#chatbot").get_by_role("button", name="Edit").click()
    field = chat.page.locator("#chatbot textarea")
    expect(field).to_be_focused()
    field.fill("[[stall]]")
    chat.page.locator("#chatbot").get_by_role("button", name="Submit").click()
    expect(chat.stop_button).to_be_visible()
    expect(chat.box).to_be_focused()
    chat.stop_button.click()
    chat.wait_until_idle()
    expect(chat.box).to_be_focused()
    chat.act_on("second", "Rename")
    chat.answer("title", "Rename", "third")
    expect(chat.session("third")).to_be_visible()
    expect(chat.box).to_be_focused()


def test_the_keyboard_finds_the_search_the_last_message_and_the_list_of_shortcuts(chat: ChatPage) -> None:
    chat.say("first")
    chat.say("second")
    chat.box.focus()
    chat.page.keyboard.press("ArrowUp")
    field = chat.page.locator("#chatbot textarea")
    expect(field).to_have_value("second")
    expect(field).to_be_focused()
    chat.page.locator("#chatbot").get_by_role("button", name="Cancel").click()
    chat.page.keyboard.press("Control+Shift+S")
    chat.page.keyboard.press("Control+k")
    expect(chat.page.locator("#search").locator("input, textarea")).to_be_focused()
    chat.page.keyboard.press("Control+/")
    expect(chat.page.locator("#help")).to_contain_text("Ctrl+K")


def test_a_long_message_is_folded_where_it_stands_and_on_paper_it_is_whole(chat: ChatPage) -> None:
    chat.box.fill("\n".join(f"line {number}" for number in range(60)))
    chat.box.press("Enter")
    chat.wait_until_idle()
    expect(chat.replies.last).to_contain_text("line 59")
    said = chat.page.locator("#chatbot .user-text .said").first
    last = "said => said.scrollHeight - said.clientHeight"
    assert said.evaluate(last) > 500
    show_all = chat.page.get_by_role("button", name="Show all")
    show_all.click()
    assert said.evaluate(last) == 0
    chat.page.get_by_role("button", name="Show less").click()
    assert said.evaluate(last) > 500
    chat.say("short")
    expect(show_all).to_have_count(1)
    chat.page.emulate_media(media="print", reduced_motion="null")
    assert said.evaluate(last) == 0
    expect(chat.box).to_be_hidden()
    expect(chat.page.locator("#sidebar")).to_be_hidden()
    assert chat.page.locator("#chatbot .bubble-wrap").evaluate(last) == 0
    assert chat.page.evaluate("document.documentElement.scrollHeight") > 1_500
    chat.page.emulate_media(media="null", reduced_motion="null")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.say("short")
    chat.sessions.nth(1).click()
    expect(chat.questions).to_have_count(2)
    expect(show_all).to_have_count(1)
    chat.sessions.first.click()
    expect(chat.questions).to_have_count(1)
    expect(show_all).to_have_count(0)
