"""A conversation grows long; the page does not grow slow."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect
from redis import Redis

from chat_core import ChatMessage
from chat_core.storage import keys
from tests.browser.chat import ChatPage
from tests.browser.conftest import owner
from tests.fake_openai import DONE, FakeOpenAI, finish, paced, stream, text

pytestmark = pytest.mark.long

SHOWN = 20
REPLY = "Some **words**, `code` and a [link](https://example.org).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"


def fill(chat: ChatPage, stored: Redis, count: int) -> None:
    """A conversation of that many messages, opened."""
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.say(f"one of {count}")
    session_id = chat.session_id()
    said = [
        ChatMessage(
            id=f"m{number}",
            role="assistant" if number % 2 else "user",
            content=REPLY if number % 2 else f"question {number}",
            timestamp=float(number),
            turn_id=f"t{number // 2}",
        ).to_json()
        for number in range(count - 2)
    ]
    stored.lpush(keys.messages(owner(stored, session_id), session_id), *reversed(said))
    chat.reload()
    expect(chat.questions.last).to_have_text(f"one of {count}")
    expect(chat.questions.last).to_be_in_viewport()


def test_the_latest_messages_are_shown_and_the_earlier_ones_on_demand(chat: ChatPage, stored: Redis) -> None:
    fill(chat, stored, 50)
    expect(chat.questions).to_have_count(SHOWN // 2)
    earlier = chat.page.locator("#earlier")
    expect(earlier).to_have_text("30 earlier messages: show more")
    chat.page.locator("#chatbot").hover()
    chat.page.mouse.wheel(0, -100_000)
    expect(chat.questions).to_have_count(SHOWN)
    expect(earlier).to_have_text("10 earlier messages: show more")
    read = chat.questions.nth(SHOWN // 2)
    expect(read).to_be_in_viewport()  # what was read is still where it was
    chat.send("one more")  # leaves shown what was
    expect(chat.replies.last).to_contain_text("You said: one more")
    chat.wait_until_idle()
    expect(chat.questions).to_have_count(SHOWN)
    expect(earlier).to_have_text("11 earlier messages: show more")
    earlier.click()
    expect(chat.questions).to_have_count(26)
    expect(earlier).to_be_hidden()
    expect(chat.questions.first).to_have_text("question 0")


def test_a_long_conversation_lists_its_questions_and_leads_to_each(chat: ChatPage, stored: Redis) -> None:
    listed = chat.page.get_by_role("button", name="Your questions")
    fill(chat, stored, 40)
    expect(listed).to_be_hidden()
    fill(chat, stored, 50)
    listed.click()
    asked = chat.page.get_by_role("dialog", name="Your questions").get_by_role("button")
    expect(asked).to_have_count(25)
    asked.get_by_text("question 4", exact=True).click()
    found = chat.questions.get_by_text("question 4", exact=True)
    expect(found).to_be_in_viewport()
    expect(chat.page.locator("#chatbot .user-row:focus")).to_have_text("question 4")
    listed.click()
    asked.last.click()
    expect(chat.questions.last).to_be_in_viewport()
    expect(found).not_to_be_in_viewport()
    listed.click()
    expect(asked).to_have_count(25)
    chat.page.keyboard.press("Escape")
    expect(listed).to_be_focused()


def test_a_conversation_says_at_its_beginning_what_the_limit_has_dropped(
    chat: ChatPage, stored: Redis
) -> None:
    fill(chat, stored, 30)
    session_id = chat.session_id()
    stored.hset(keys.session(owner(stored, session_id), session_id), "dropped", 12)
    chat.reload()
    expect(chat.questions).to_have_count(SHOWN // 2)
    dropped = chat.page.locator("#chatbot .note", has_text="12 earlier messages are no longer stored")
    expect(dropped).to_have_count(0)
    chat.page.locator("#earlier").click()
    expect(chat.questions).to_have_count(15)
    expect(dropped).to_be_attached()
    expect(chat.page.locator("#chatbot .message").first).to_contain_text("12 earlier messages")


def test_what_is_shown_stays_when_a_reply_ends(chat: ChatPage, stored: Redis, provider: FakeOpenAI) -> None:
    fill(chat, stored, 50)
    end = asyncio.Event()
    provider.answers.append(stream(text("Well, "), end, text("yes."), finish(), DONE))
    chat.send("And now?")
    expect(chat.replies.last).to_contain_text("Well, ")
    first, earlier = chat.page.locator("#chatbot .message").first, chat.page.locator("#earlier")
    before = first.inner_text()
    expect(earlier).to_have_text("31 earlier messages: show more")
    provider.let_out(end)
    expect(chat.replies.get_by_text("Well, yes.")).to_be_visible()
    chat.wait_until_idle()
    expect(first).to_have_text(before, use_inner_text=True)
    earlier.click()
    expect(earlier).to_have_text("11 earlier messages: show more")


def amount_a_frame(
    chat: ChatPage, provider: FakeOpenAI, measured: AbstractContextManager[list[float]]
) -> float:
    """How much of what is measured a frame of a running reply takes."""
    turn, watched = uuid4().hex[:4], asyncio.Event()
    words = [text(f"word{turn}.{number} ") for number in range(100)]
    provider.answers.append(stream(*words[:3], watched, *paced(words[3:], 40), finish(), DONE))
    chat.send("go on")
    expect(chat.replies.last).to_contain_text(f"word{turn}.2 ")
    chat.page.evaluate(
        """() => {
            window.frames_shown = 0;
            const watched = document.querySelector("#chatbot .bubble-wrap");
            new MutationObserver(() => window.frames_shown++).observe(
                watched, { childList: true, characterData: true, subtree: true });
        }"""
    )
    with measured as amount:
        provider.let_out(watched)
        expect(chat.replies.last).to_contain_text(f"word{turn}.90 ")
    frames = chat.page.evaluate("window.frames_shown")
    chat.wait_until_idle()
    assert frames > 5
    return sum(amount) / frames


@contextmanager
def busy_seconds(page: Page) -> Iterator[list[float]]:
    """How long the page's main thread has worked in the end."""
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})  # other processes do not count

    def until_now() -> float:
        metrics = tools.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))

    began, spent = until_now(), list[float]()
    yield spent
    spent.append(until_now() - began)
    tools.detach()


@contextmanager
def restyled_elements(browser: Browser, page: Page) -> Iterator[list[float]]:
    """How many elements' styles the browser has worked out in the end, a number for each time."""
    counts: list[float] = []
    browser.start_tracing(page=page, categories=["devtools.timeline"])
    yield counts
    events = json.loads(browser.stop_tracing())["traceEvents"]
    counts += [event["args"]["elementCount"] for event in events if event["name"] == "UpdateLayoutTree"]


def test_a_frame_costs_the_same_at_20_and_at_200_stored_messages(
    chat: ChatPage, stored: Redis, provider: FakeOpenAI
) -> None:
    ratios: list[float] = []
    while len(ratios) < 3 and min(ratios, default=2.0) > 1.3:  # other work on the machine can blur one
        cost = []
        for count in (20, 200):
            fill(chat, stored, count)
            cost.append(amount_a_frame(chat, provider, busy_seconds(chat.page)))
        ratios.append(cost[1] / cost[0])
    assert min(ratios) <= 1.3, ratios


def test_a_frame_styles_no_word_of_the_code_above_it_anew(
    chat: ChatPage, browser: Browser, provider: FakeOpenAI
) -> None:
    code = "".join(f"value_{number} = function({number}, 'text')  # why\n" for number in range(100))
    provider.answers.append(stream(text(f"```python\n{code}```"), finish(), DONE))
    chat.say("code, please")
    expect(chat.page.locator("#chatbot .token").nth(500)).to_be_attached()  # what colours it comes on demand
    words = chat.page.locator("#chatbot .token").count()
    assert amount_a_frame(chat, provider, restyled_elements(browser, chat.page)) < words / 2
