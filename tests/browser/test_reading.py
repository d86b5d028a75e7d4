"""A person reads while a reply is written."""

import asyncio
import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.fake_openai import DONE, FakeOpenAI, finish, paced, reasoning, stream, text

pytestmark = pytest.mark.long

LINES = [text(f"line {number}\n\n") for number in range(60)]


AWAY_FROM_END = "shown => shown.scrollHeight - shown.clientHeight - shown.scrollTop"


def end_of_page(chat: ChatPage) -> float:
    """How many pixels the reader is away from the end."""
    return float(chat.page.locator("#chatbot .bubble-wrap").evaluate(AWAY_FROM_END))


def test_the_page_follows_a_reply_until_the_reader_scrolls_up(chat: ChatPage, provider: FakeOpenAI) -> None:
    read = asyncio.Event()
    provider.answers.append(stream(*paced(LINES[:30], 30), read, *paced(LINES[30:], 30), finish(), DONE))
    chat.send("Tell me much")
    latest = chat.replies.get_by_text("line 29", exact=True)
    expect(latest).to_be_in_viewport()
    chat.page.locator("#chatbot").hover()
    chat.page.mouse.wheel(0, -400)
    expect(latest).not_to_be_in_viewport()
    expect(chat.page.get_by_role("button", name="To the end", exact=True)).to_be_visible()
    provider.let_out(read)
    expect(chat.page.get_by_role("button", name="To the end: there is more")).to_be_visible()
    expect(chat.replies.get_by_text("line 40", exact=True)).to_be_attached()
    expect(latest).not_to_be_in_viewport()
    assert end_of_page(chat) > 300
    chat.wait_until_idle()
    chat.say("And more")
    expect(chat.replies.last).to_be_in_viewport()


@pytest.mark.long
def test_code_that_is_read_when_its_reply_ends_stays_as_it_is_and_can_be_folded(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    code = [text("```\n"), *(text(f"code {number}\n") for number in range(60)), text("```\n\n")]
    read = asyncio.Event()
    provider.answers.append(stream(*code, *LINES[:30], *code, *LINES[:30], read, finish(), DONE))
    chat.send("Much code")
    blocks, line = chat.replies.last.locator("pre"), chat.replies.get_by_text("code 20")
    expect(chat.replies.last.get_by_text("line 29")).to_have_count(2)
    line.first.scroll_into_view_if_needed()
    expect(line.first).to_be_in_viewport()
    before = line.first.bounding_box()
    provider.let_out(read)
    chat.wait_until_idle()
    less, more = (chat.page.get_by_role("button", name=name) for name in ("Show less", "Show all"))
    expect(more).to_have_count(1)  # of the block below
    expect(less).to_have_count(1)
    assert line.first.bounding_box() == before
    hidden = "pre => pre.scrollHeight - pre.clientHeight"
    assert blocks.first.evaluate(hidden) < 20 < 500 < blocks.last.evaluate(hidden)
    less.click()
    expect(more).to_have_count(2)


# Much comes at once, and the reader scrolls up before the page hears that it has followed; then more comes.
SCROLL_UP_AT_A_JUMP = """async () => {
    const shown = document.querySelector("#chatbot .bubble-wrap");
    const grow = () => {
        const tall = Object.assign(document.createElement("p"), { style: "height: 900px" });
        shown.firstElementChild.append(tall);
    };
    const nextPicture = () => new Promise((seen) => requestAnimationFrame(seen));
    grow();
    await null;  // the page has heard of it
    await nextPicture();
    shown.scrollTop -= 400;
    await nextPicture();
    grow();
    await nextPicture();
    await nextPicture();
}"""


def test_a_reader_who_scrolls_up_while_much_comes_at_once_is_not_pulled_down(chat: ChatPage) -> None:
    chat.say("one")
    chat.page.evaluate(SCROLL_UP_AT_A_JUMP)
    assert end_of_page(chat) > 1200


# What Gradio does now and then when it draws the messages anew.
EMPTY_FOR_A_FRAME = """async list => {
  const frame = () => new Promise(requestAnimationFrame);
  const shown = [...list.children];
  list.replaceChildren();
  await frame(); await frame();
  list.replaceChildren(...shown);
  await frame(); await frame();
}"""


def test_a_reader_keeps_their_place_while_the_messages_are_drawn_anew(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    provider.answers.append(stream(*LINES, finish(), DONE))
    chat.say("Tell me much")
    chat.page.locator("#chatbot").hover()
    chat.page.mouse.wheel(0, -400)
    chat.page.wait_for_function(f"({AWAY_FROM_END})(document.querySelector('#chatbot .bubble-wrap')) === 400")
    chat.page.locator("#chatbot .bubble-wrap").evaluate(EMPTY_FOR_A_FRAME)
    assert end_of_page(chat) == 400


def test_thoughts_are_open_while_they_go_on_and_fold_with_their_seconds(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    thought, said = asyncio.Event(), asyncio.Event()
    ideas = [reasoning("one idea "), 0.5, reasoning("and another")]
    provider.answers.append(stream(*ideas, thought, text("Because "), said, text("so."), finish(), DONE))
    began = time.monotonic()
    chat.send("Why?")
    thoughts = chat.page.locator("#chatbot .thought-group")
    expect(thoughts).to_contain_text("Thinking…")
    expect(thoughts).to_contain_text("one idea and another")
    provider.let_out(thought)
    expect(chat.replies).to_contain_text("Because")
    expect(thoughts).to_contain_text(re.compile(r"Thoughts\s*\(\d+\.\ds\)"))
    expect(thoughts).not_to_contain_text("one idea")
    most = time.monotonic() - began
    provider.let_out(said)
    expect(chat.replies).to_contain_text("Because so.")
    chat.wait_until_idle()
    chat.reload()
    expect(thoughts).to_contain_text("Thoughts")
    seconds = re.search(r"\((\d+\.\d)s\)", thoughts.inner_text())
    assert seconds
    assert 0.5 <= float(seconds[1]) <= most + 0.05  # it is rounded
    expect(thoughts).not_to_contain_text("one idea")
    thoughts.get_by_role("button", name="Thoughts").click()
    expect(thoughts).to_contain_text("one idea and another")


def test_who_waits_for_the_first_word_sees_that_it_is_coming(chat: ChatPage, provider: FakeOpenAI) -> None:
    begin, end = asyncio.Event(), asyncio.Event()
    provider.answers.append(stream(begin, text("Here "), end, text("I am."), finish(), DONE))
    chat.send("Are you there?")
    typing, shown = (chat.page.locator(f"#chatbot {part}") for part in (".typing", ".bubble-wrap"))
    expect(typing).to_be_visible()
    provider.let_out(begin)
    expect(chat.replies).to_contain_text("Here")
    expect(typing).to_have_count(0)
    expect(shown).to_have_attribute("aria-busy", "true")  # nothing is read out word by word
    provider.let_out(end)
    expect(chat.replies).to_contain_text("Here I am.")
    expect(shown).to_have_attribute("aria-busy", "false")
    for who in ("bot", "user"):
        expect(chat.page.locator("#chatbot").get_by_role("img", name=f"{who} avatar")).to_be_visible()


# By how many characters the reply grew from one picture that the browser drew to the next.
JUMPS = """() => {
    const replies = () => [...document.querySelectorAll("#chatbot .message.bot")];
    const length = () => replies().at(-1)?.textContent.length ?? 0;
    window.jumps = [];
    let before = length();
    const look = () => {
        const now = length();
        if (now > before) window.jumps.push(now - before);
        before = now;
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_text_appears_evenly_unless_the_reader_prefers_less_motion(
    open_page: OpenPage, provider: FakeOpenAI, motion: str
) -> None:
    chat = open_page(reduced_motion=motion)
    chat.say("Hello")
    words = [text(f"w{number:03} ") for number in range(150)]
    provider.answers.append(stream(*paced(words, 50), finish(), DONE))
    chat.page.evaluate(JUMPS)
    chat.send("Tell me much")
    expect(chat.replies.last).to_contain_text("w148 w149")
    jumps = sorted(chat.page.evaluate("window.jumps"))
    # But for the few that a busy machine, and the quiet line under the reply, make larger.
    assert (jumps[len(jumps) * 3 // 4] <= 20) == (motion == "no-preference"), jumps


# A stream as those that Gradio's client reads; the test writes it by `probe`.
PROBE = """
const request = window.fetch;
window.fetch = async (...parameters) => {
    if (parameters[0] !== "/probe/queue/data") return request(...parameters);
    const answer = new Response(new ReadableStream({ start: (probe) => (window.probe = probe) }));
    return Object.defineProperty(answer, "url", { value: new URL(parameters[0], location.href).href });
};
"""
# Reads it as that client does. `rests` are how many characters have not been read yet when the next frame
# comes, and the end after the last one.
READ = """async (rests) => {
    const stream = (await fetch("/probe/queue/data")).body.pipeThrough(new TextDecoderStream()).getReader();
    let [sent, read, shown] = ["", "", ""];
    const network = new MessageChannel();
    const write = () => {
        const text = "abcdefghijklmno";
        const message = { msg: "process_generating", output: { data: [[["append", [], text]]] } };
        window.probe.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`));
        sent += text;
    };
    network.port1.onmessage = () => (rests.length ? write() : window.probe.close());
    write();
    for (let part = await stream.read(); !part.done; part = await stream.read()) {
        const text = JSON.parse(part.value.slice("data: ".length)).output.data[0][0][2];
        read += text;
        setTimeout(() => (shown += text));
        if (sent.length - read.length !== rests[0]) continue;
        rests.shift();
        network.port2.postMessage("");
    }
    await new Promise((all) => setTimeout(all, 50));
    return { sent, shown };
}"""


def test_the_parts_of_a_text_that_appears_evenly_keep_their_order(open_page: OpenPage) -> None:
    chat = open_page(reduced_motion="no-preference")
    chat.page.add_init_script(PROBE)
    chat.reload()
    text = chat.page.evaluate(READ, [3, 0, 3, 2])
    assert text["shown"] == text["sent"] == "abcdefghijklmno" * 4
