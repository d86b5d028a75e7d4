"""A person finds, keeps and tidies up conversations."""

import asyncio
import re
import time
from uuid import uuid4

from playwright.sync_api import expect
from redis import Redis

from chat_core.storage import keys
from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage, owner
from tests.fake_openai import DONE, FakeOpenAI, finish, stream, text

DAY_SECONDS = 24 * 3600


def new_chat(chat: ChatPage, message: str) -> None:
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.say(message)


def test_the_search_looks_at_titles_and_messages(chat: ChatPage) -> None:
    chat.say("about rain")
    chat.say("and the Umbrella")
    new_chat(chat, "about code")
    search = chat.page.locator("#search").locator("input, textarea")
    search.press_sequentially("umbrella")
    expect(chat.sessions).to_have_text(["about rain"])
    search.fill("nothing like it")
    expect(chat.page.locator("#sessions")).to_have_text("Nothing found")
    search.fill("ABOUT")
    expect(chat.sessions).to_have_count(2)
    chat.session("about rain").locator("[data-action=open]").click()
    expect(chat.questions.first).to_have_text("about rain")
    expect(search).to_have_value("")
    expect(chat.sessions).to_have_count(2)


def test_a_conversation_is_renamed_and_the_page_with_it(chat: ChatPage) -> None:
    chat.say("first words")
    expect(chat.page).to_have_title("first words · Role Chat")
    chat.act_on("first words", "Rename")
    expect(chat.dialog.get_by_role("textbox")).to_have_value("first words")
    chat.answer("New title", "Rename", "  <b>Plans</b>  ")
    expect(chat.sessions).to_have_text(["<b>Plans</b>"])
    expect(chat.page).to_have_title("<b>Plans</b> · Role Chat")
    chat.reload()
    expect(chat.sessions).to_have_text(["<b>Plans</b>"])
    title = chat.page.get_by_role("heading", level=1).get_by_role("button")
    expect(title).to_have_text("<b>Plans</b>")
    title.click()
    chat.answer("New title", "Rename", "Dreams")
    expect(title).to_have_text("Dreams")
    expect(chat.sessions).to_have_text(["Dreams"])
    chat.page.locator("#new-chat").click()
    expect(title).to_have_text("Role Chat")
    expect(title).to_be_disabled()


def test_a_folder_holds_conversations_and_is_searched(chat: ChatPage) -> None:
    chat.say("rain in May")
    new_chat(chat, "rain in June")
    chat.act_on("rain in June", "Move to a folder…")
    chat.answer("Name of the folder", "Move", " Weather <b> ")
    folder = chat.page.locator("#sessions h2", has_text="Weather <b>")
    expect(folder.locator("+ ul [data-action=open]")).to_have_text(["rain in June"])
    chat.act_on("rain in May", "Move to a folder…")
    expect(chat.dialog.locator("datalist option")).to_have_attribute("value", "Weather <b>")
    chat.page.keyboard.press("Escape")
    folder.get_by_role("button").click()
    expect(chat.sessions).to_have_text(["rain in June"])
    chat.page.keyboard.type("May")
    expect(chat.page.locator("#sessions")).to_have_text("Nothing found")
    chat.reload()
    chat.act_on("rain in June", "Take out of its folder")
    expect(folder).to_have_count(0)
    expect(chat.sessions).to_have_text(["rain in June", "rain in May"])


def test_deleting_asks_and_then_shows_an_empty_conversation(chat: ChatPage) -> None:
    chat.say("keep me")
    new_chat(chat, "throw me away")
    question = "Delete the conversation “throw me away”? This cannot be undone."
    chat.act_on("throw me away", "Delete")
    expect(chat.dialog).to_contain_text(question)
    chat.page.keyboard.press("Escape")
    expect(chat.dialog).to_have_count(0)
    menu = chat.session("throw me away").get_by_role("button", name="Actions: throw me away")
    expect(menu).to_be_focused()
    expect(chat.sessions).to_have_count(2)
    for key in ("Enter", "End", "Enter"):
        chat.page.keyboard.press(key)
    chat.answer(question, "Delete")
    expect(chat.sessions).to_have_text(["keep me"])
    expect(chat.questions).to_have_count(0)
    expect(chat.page).to_have_title("Role Chat")


def test_deleting_another_conversation_leaves_the_open_one_open(chat: ChatPage) -> None:
    chat.say("the other")
    new_chat(chat, "the open one")
    chat.act_on("the other", "Delete")
    chat.answer("Delete the conversation “the other”?", "Delete")
    expect(chat.sessions).to_have_text(["the open one"])
    expect(chat.questions).to_have_text("the open one")


def test_a_pinned_conversation_comes_first_and_does_not_expire(chat: ChatPage) -> None:
    chat.say("old but dear")
    new_chat(chat, "newer")
    open_button = chat.session("old but dear").locator("[data-action=open]")
    expect(open_button).to_have_attribute("title", re.compile("expires in [67] days"))
    chat.act_on("old but dear", "Pin (never expires)")
    expect(chat.sessions).to_have_text(["old but dear", "newer"])
    expect(chat.page.locator("#sessions h2")).to_have_text(["Pinned", "Today"])
    expect(open_button).to_have_attribute("title", "old but dear")
    chat.act_on("old but dear", "Unpin")
    expect(chat.sessions).to_have_text(["newer", "old but dear"])
    expect(chat.page.locator("#sessions h2")).to_have_text(["Today"])


def test_conversations_are_grouped_by_the_readers_day(open_page: OpenPage, stored: Redis) -> None:
    chat = open_page(timezone_id="Pacific/Auckland")
    chat.say("today")
    user_id = owner(stored, chat.session_id())
    today = stored.hgetall(keys.session(user_id, chat.session_id()))
    for title, days in (("yesterday", 1), ("this week", 4), ("older", 30)):
        then = time.time() - days * DAY_SECONDS
        session_id = uuid4().hex
        earlier = {**today, "title": title, "updated_at": str(then)}
        stored.hset(keys.session(user_id, session_id), mapping=earlier)
        stored.zadd(keys.sessions(user_id), {session_id: then})
    chat.reload()
    expect(chat.page.locator("#sessions h2")).to_have_text(["Today", "Yesterday", "Last 7 days", "Older"])
    expect(chat.sessions).to_have_text(["today", "yesterday", "this week", "older"])


def store_many(chat: ChatPage, stored: Redis, count: int) -> None:
    """So many conversations beside the open one, each a minute older than the one before."""
    user_id = owner(stored, chat.session_id())
    opened = stored.hgetall(keys.session(user_id, chat.session_id()))
    said = stored.lrange(keys.messages(user_id, chat.session_id()), 0, -1)
    with stored.pipeline() as pipe:
        for number in range(1, count + 1):
            session_id, then = uuid4().hex, time.time() - number * 60
            head = {**opened, "title": f"number {number:03}", "updated_at": str(then)}
            pipe.hset(keys.session(user_id, session_id), mapping=head)
            pipe.rpush(keys.messages(user_id, session_id), *said)
            pipe.zadd(keys.sessions(user_id), {session_id: then})
        pipe.execute()
    chat.reload()


def test_the_latest_conversations_are_listed_and_the_older_ones_on_demand(
    chat: ChatPage, stored: Redis
) -> None:
    chat.say("today")
    store_many(chat, stored, 120)
    older = chat.page.locator("#sessions [data-action=older]")
    expect(chat.sessions).to_have_count(50)
    expect(chat.sessions.last).to_have_text("number 049")
    expect(older).to_have_text("71 older conversations: show more")
    older.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.sessions).to_have_count(100)
    expect(chat.sessions.nth(50)).to_be_focused()
    older.click()
    expect(chat.sessions).to_have_count(121)
    expect(older).to_have_count(0)

    chat.sessions.last.click()
    expect(chat.page).to_have_title("number 120 · Role Chat")
    expect(chat.sessions).to_have_count(121)
    chat.reload()
    expect(chat.sessions).to_have_count(51)
    expect(chat.sessions.last).to_have_text("number 120")
    expect(chat.sessions.last).to_have_attribute("aria-current", "page")
    expect(older).to_have_text("70 older conversations: show more")


def test_the_list_stays_as_long_while_people_talk(
    chat: ChatPage, stored: Redis, provider: FakeOpenAI
) -> None:
    chat.say("today")
    store_many(chat, stored, 120)
    older = chat.page.locator("#sessions [data-action=older]")
    older.click()
    expect(chat.sessions).to_have_count(100)
    end = asyncio.Event()
    lines = [text(f"line {number}\n\n") for number in range(60)]
    provider.answers.append(stream(*lines, end, finish(), DONE))
    chat.send("Tell me much")
    latest = chat.replies.get_by_text("line 59", exact=True)
    expect(latest).to_be_in_viewport()
    chat.page.locator("#chatbot").hover()
    chat.page.mouse.wheel(0, -400)
    expect(latest).not_to_be_in_viewport()
    expect(chat.sessions).to_have_count(100)
    older.click()  # while the reply is written
    expect(chat.sessions).to_have_count(121)
    provider.let_out(end)
    expect(chat.session("today").locator(".dot")).to_be_hidden()
    chat.wait_until_idle()
    expect(chat.sessions).to_have_count(121)
    expect(latest).not_to_be_in_viewport()  # what was read is still where it was
    new_chat(chat, "another")
    expect(chat.sessions).to_have_count(122)


def test_the_search_finds_what_is_not_listed(chat: ChatPage, stored: Redis) -> None:
    chat.say("today")
    store_many(chat, stored, 120)
    search = chat.page.locator("#search").locator("input, textarea")
    search.fill("number 119")
    expect(chat.sessions).to_have_text(["number 119"])
    search.fill("number 0")
    expect(chat.sessions).to_have_count(50)
    chat.page.locator("#sessions [data-action=older]").click()
    expect(chat.sessions).to_have_count(99)


def test_visitors_do_not_see_each_other_nor_by_the_address(chat: ChatPage, open_page: OpenPage) -> None:
    chat.say("mine")
    expect(chat.page).to_have_url(re.compile(r"\?c=\w+$"))
    address = chat.page.url
    new_chat(chat, "another")
    tab = chat.another_tab(address)
    expect(tab.questions).to_have_text("mine")
    expect(chat.questions).to_have_text("another")
    chat.reload()
    expect(chat.questions).to_have_text("another")
    tab.page.goto(f"{chat.url}/?c=no%20such%21id")  # costs nobody their conversations
    expect(tab.sessions).to_have_text(["another", "mine"])
    expect(tab.questions).to_have_count(0)
    stranger = open_page(address)
    expect(stranger.toast).to_contain_text("cannot be opened here")
    expect(stranger.questions).to_have_count(0)
    expect(stranger.sessions).to_have_count(0)
    expect(stranger.page).not_to_have_url(re.compile(r"[?&]c="))
    stranger.reload()
    expect(stranger.questions).to_have_count(0)
    expect(stranger.sessions).to_have_count(0)


def test_a_running_conversation_is_marked_and_the_list_is_used_by_keyboard(chat: ChatPage) -> None:
    chat.send("[[stall]]")
    expect(chat.session("[[stall]]").locator(".dot")).to_be_visible()
    chat.stop_button.click()
    expect(chat.session("[[stall]]").locator(".dot")).to_be_hidden()
    chat.wait_until_idle()
    new_chat(chat, "two")
    chat.sessions.nth(1).focus()
    chat.page.keyboard.press("Enter")
    expect(chat.questions).to_have_text("[[stall]]")
    chat.session("[[stall]]").locator("[data-action=open]").focus()
    chat.page.keyboard.press("Tab")
    expect(chat.session("[[stall]]").get_by_role("button", name="Actions")).to_be_focused()


def test_entries_are_links_and_back_and_forward_walk_through_them(chat: ChatPage) -> None:
    chat.say("first")
    new_chat(chat, "second")
    first = chat.session("first").locator("[data-action=open]")
    with chat.page.context.expect_page() as opened:
        first.click(modifiers=["ControlOrMeta"])
    tab = ChatPage(opened.value, chat.url)
    tab.wait_until_loaded()
    expect(tab.questions).to_have_text("first")
    expect(chat.questions).to_have_text("second")
    first.click()
    expect(chat.questions).to_have_text("first")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)

    def walk(steps: int, shown: list[str]) -> None:
        chat.page.evaluate(f"history.go({steps})")
        expect(chat.questions).to_have_text(shown)

    walk(-1, ["first"])
    walk(-1, ["second"])
    walk(1, ["first"])
    walk(1, [])
    chat.page.evaluate("addEventListener('popstate', () => history.back(), { once: true }), history.back()")
    expect(chat.questions).to_have_text("second")  # two steps, of which the first was still under way
    tab.act_on("first", "Delete")
    tab.answer("Delete the conversation “first”?", "Delete")
    expect(tab.sessions).to_have_text(["second"])
    walk(1, [])
    expect(chat.toast).to_contain_text("no longer there")
    expect(chat.page).not_to_have_url(re.compile(r"[?&]c="))


def test_what_cannot_be_read_is_shown_as_that_and_can_be_exported_and_deleted(
    chat: ChatPage, stored: Redis
) -> None:
    chat.say("the good one")
    new_chat(chat, "the damaged one")
    session_id = chat.page.url.partition("c=")[2]
    stored.hset(keys.session(owner(stored, session_id), session_id), "sampling", "{oops")
    chat.page.locator("#new-chat").click()
    expect(chat.page.locator("#sessions h2").last).to_have_text("Cannot be read")
    expect(chat.sessions).to_have_text(["the good one"])
    with chat.page.expect_download() as download:
        chat.act_on("the damaged one", "Export JSON")
    assert download.value.suggested_filename == "the damaged one.json"
    assert "You said: the damaged one" in download.value.path().read_text()
    chat.act_on("the damaged one", "Delete")
    chat.answer("Delete the conversation “the damaged one”? This cannot be undone.", "Delete")
    expect(chat.sessions).to_have_text(["the good one"])
    expect(chat.page.locator("#sessions h2")).to_have_text(["Today"])
