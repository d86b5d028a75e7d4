"""What a person sees when something is in the way, and what is not lost."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.conftest import process_of, running_valkey
from tests.fake_openai import FakeOpenAI, error
from tests.relay import relay_to
from tests.running import RunningApp, running_app

pytestmark = pytest.mark.long


def banner(page: Page) -> Locator:
    return page.get_by_text("The connection is lost")


def test_a_lost_connection_is_told_and_the_page_goes_on_by_itself(
    open_page: OpenPage, app: RunningApp
) -> None:
    with relay_to(int(app.url.rstrip("/").rpartition(":")[2])) as relay:
        chat = open_page(f"http://127.0.0.1:{relay.port}/")
        chat.say("one")
        relay.cut()
        chat.send("a b c d e f [[slow]]")
        expect(banner(chat.page)).to_be_visible()
        expect(chat.toast).to_be_hidden()
        expect(chat.box).to_have_value("a b c d e f [[slow]]")
        relay.mend()
        expect(banner(chat.page)).to_be_hidden()
        expect(chat.questions).to_have_text(["one"])
        chat.box.press("Enter")
        expect(chat.replies.last).to_contain_text("You said: a")
        chat.box.fill("half a thought")
        relay.cut()
        expect(banner(chat.page)).to_be_visible()
        relay.mend()
        expect(chat.replies.last).to_contain_text("e f [[slow]]")
        expect(chat.box).to_have_value("half a thought")


def test_a_failure_is_a_sentence_also_after_a_reload_and_a_wait_is_counted_down_to_another_try(
    chat: ChatPage,
) -> None:
    chat.send("[[401]]")
    sentence = "did not accept the API key. Check OPENAI_API_KEY. Reason: Unauthorized"
    expect(chat.page.locator("#chatbot")).to_contain_text(sentence)
    chat.wait_until_idle()
    chat.reload()
    expect(chat.page.locator("#chatbot")).to_contain_text(sentence)
    expect(chat.questions).to_have_text("[[401]]")
    expect(chat.page.locator("body")).not_to_contain_text("Traceback")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.send("[[429]]")
    failure = chat.page.locator("#chatbot .failure")
    expect(failure).to_contain_text("The model's provider asks to slow down.")
    expect(failure).to_contain_text("Reason: Too Many Requests")
    expect(chat.page.get_by_text("You can try again now.")).to_be_hidden()
    seconds = failure.locator(".countdown")
    expect(seconds).to_have_text(re.compile(r"^(30|2\d)$"))
    first = int(seconds.inner_text())
    expect(seconds).not_to_have_text(str(first))
    assert int(seconds.inner_text()) < first
    chat.wait_until_idle()
    chat.reload()
    expect(seconds).to_have_text(re.compile(r"^[12]\d$"))
    assert int(seconds.inner_text()) < first  # not from the beginning
    end = seconds.get_attribute("datetime") or ""
    chat.page.get_by_role("button", name="Try again").click()
    expect(seconds).not_to_have_attribute("datetime", end)
    expect(seconds).to_have_text(re.compile(r"^(30|2\d)$"))
    expect(chat.questions).to_have_count(1)


def test_the_reason_for_no_reply_stays_when_the_next_message_is_sent(chat: ChatPage) -> None:
    chat.send("[[503]]")
    failure = chat.page.locator("#chatbot .failure")
    expect(failure).to_contain_text("The model's server had an error.")
    chat.wait_until_idle()
    chat.say("and now?")
    expect(failure).to_contain_text("The model's server had an error.")
    chat.reload()
    expect(failure).to_contain_text("The model's server had an error.")
    expect(chat.page.get_by_role("button", name="Try again")).to_have_count(0)


def test_when_a_wait_is_over_the_next_try_is_offered_or_made_if_the_reader_asked_for_it(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    provider.answers += [error(429, retry_after=seconds) for seconds in ("30", "90")]
    chat.page.clock.install()
    chat.reload()
    chat.send("one")
    failure, seconds = (chat.page.locator(f"#chatbot .failure{part}") for part in ("", " .countdown"))
    again = chat.page.get_by_role("button", name="↻ Try again")
    later = chat.page.get_by_role("button", name="By itself, when the time is up")
    expect(later).to_have_attribute("aria-pressed", "false")
    chat.wait_until_idle()
    chat.page.clock.fast_forward(31_000)
    expect(failure).to_contain_text("You can try again now.", use_inner_text=True)
    expect(failure).not_to_contain_text("seconds", use_inner_text=True)
    expect(later).to_be_hidden()
    end = seconds.get_attribute("datetime") or ""
    again.click()
    expect(seconds).not_to_have_attribute("datetime", end)
    chat.wait_until_idle()
    later.click()
    expect(later).to_have_attribute("aria-pressed", "true")
    chat.page.clock.fast_forward(60_000)
    expect(chat.replies.last).to_contain_text("You said: one")
    expect(chat.questions).to_have_count(1)


def test_visitors_are_told_that_the_operator_is_needed_and_the_operator_what_to_do(
    open_page: OpenPage, app: RunningApp
) -> None:
    visitor = open_page(extra_http_headers={"x-forwarded-for": "203.0.113.7"})
    visitor.send("[[401]]")
    failure = visitor.page.locator("#chatbot .failure")
    expect(failure).to_contain_text("The operator of this app has to look at it.")
    expect(failure).not_to_contain_text("OPENAI_API_KEY")
    assert "did not accept the API key. Unauthorized Check OPENAI_API_KEY." in app.log


def test_the_store_being_away_and_too_many_messages_are_told_and_the_text_is_kept(
    open_page: OpenPage, tmp_path: Path, model: dict[str, str]
) -> None:
    with (
        running_valkey(tmp_path) as valkey,
        running_app(tmp_path, REDIS_URL=f"unix://{valkey.socket}", RATE_LIMIT="2/minute", **model) as app,
    ):
        chat = open_page(app.url)
        chat.say("one")
        process_of(valkey).kill()
        process_of(valkey).wait()
        chat.send("two")
        expect(chat.toast).to_contain_text("The conversation store does not answer.")
        expect(chat.box).to_have_value("two")
        expect(chat.questions).to_have_text(["one"])
        with running_valkey(tmp_path):
            chat.box.press("Enter")
            expect(chat.replies.last).to_contain_text("You said: two")
            chat.wait_until_idle()
            chat.send("three")
            told = chat.toast.filter(has_text="That was too fast. Please try again in")
            expect(told.locator(".countdown")).to_have_text(re.compile(r"^\d\d$"))
            seconds = int(told.locator(".countdown").inner_text())
            expect(told.locator(".countdown")).to_have_text(str(seconds - 2))
            expect(chat.box).to_have_value("three")


def test_a_refused_message_hides_nothing_of_what_was_said(chat: ChatPage) -> None:
    chat.say("one")
    chat.page.locator("#box textarea").fill("x" * 20_000)
    chat.box.press("Enter")
    expect(chat.toast).to_contain_text("Please shorten it")
    centre = "reply => { const at = reply.getBoundingClientRect(); return reply.contains("
    assert chat.replies.last.evaluate(
        centre + "document.elementFromPoint(at.x + 20, at.y + at.height / 2)); }"
    )


@pytest.mark.parametrize("told", [True, False])
def test_a_reply_goes_on_by_itself_over_another_network(
    open_page: OpenPage, app: RunningApp, told: bool
) -> None:
    with relay_to(int(app.url.rstrip("/").rpartition(":")[2])) as relay:
        chat = open_page(f"http://127.0.0.1:{relay.port}/")
        chat.page.clock.install()
        chat.reload()
        chat.send("a b c d e f g h [[slow]]")
        expect(chat.replies.last).to_contain_text("You said: a")
        chat.box.fill("half a thought")
        relay.stall()
        if told:
            chat.page.evaluate("dispatchEvent(new Event('offline'))")
            expect(banner(chat.page)).to_be_visible()
            chat.page.evaluate("dispatchEvent(new Event('online'))")
        else:
            chat.page.clock.fast_forward(40_000)
        expect(chat.replies.last).to_contain_text("f g h [[slow]]")
        chat.wait_until_idle()
        expect(chat.questions).to_have_count(1)
        expect(banner(chat.page)).to_be_hidden()
        expect(chat.box).to_have_value("half a thought")


def test_too_many_calls_from_an_address_are_refused_in_the_readers_language(
    open_page: OpenPage, tmp_path: Path, model: dict[str, str]
) -> None:
    visitor = {"X-Forwarded-For": "192.0.2.1"}
    limits = {"TRUSTED_PROXIES": "127.0.0.1", "MAX_CALLS_PER_ADDRESS": "8"}
    with running_app(tmp_path, REDIS_URL="memory://", **limits, **model) as app:
        chat = open_page(app.url, locale="zh-CN", extra_http_headers=visitor)
        for _ in range(8):  # nobody fetches their answers
            chat.page.request.post(f"{app.url}/gradio_api/call/roles", data={"data": []})
        chat.send("one")
        expect(chat.toast).to_contain_text("从你所在的网络同时发来的请求太多，请稍后再试。")
        expect(chat.box).to_have_value("one")
        expect(chat.page.locator("#chatbot")).not_to_contain_text("Error")


def test_the_end_of_the_days_tokens_is_told_when_it_is_near_and_when_it_is_there(
    open_page: OpenPage, tmp_path: Path, model: dict[str, str]
) -> None:
    with running_app(tmp_path, REDIS_URL="memory://", DAILY_TOKENS="25", **model) as app:
        chat = open_page(app.url)
        left = chat.page.locator("#activity p")
        chat.say("one two three four")
        expect(left).to_have_count(0)
        chat.say("five six")
        expect(left).to_contain_text(re.compile(r"About \d tokens are left for today. New ones come at 20"))
        expect(left).to_be_visible()
        chat.say("seven")
        chat.send("eight")
        expect(chat.toast).to_contain_text("Today's 25 tokens are used up. You can go on at 20")
        expect(chat.box).to_have_value("eight")
