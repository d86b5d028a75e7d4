"""People with a screen reader, a keyboard or poor eyes can use the page: axe-core finds nothing serious."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.browser.test_pictures import give
from tests.pictures import picture

pytestmark = pytest.mark.long

SERIOUS = ("serious", "critical")
# Words of every colour, and a line that is too wide for the page.
CODE = f'''@cached
class Thing(Base):  # why
    """It stands for something."""
    size: int = 3 if True else None
    text = f"{{size}} of {"many, " * 20}"
'''


def serious_violations(chat: ChatPage) -> list[tuple[str, list[str]]]:
    """The rules that are broken, each with the elements that break it."""
    violations = Axe().run(chat.page).response["violations"]
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in violations
        if violation["impact"] in SERIOUS
    ]


def check(chat: ChatPage, *schemes: Literal["light", "dark"]) -> None:
    """No serious fault in any of these colours."""
    for colours in schemes:
        chat.page.emulate_media(color_scheme=colours)
        expect(chat.page.locator("body.dark")).to_have_count(1 if colours == "dark" else 0)
        chat.wait_until_still()
        assert serious_violations(chat) == [], colours


def test_an_empty_and_a_long_conversation_have_no_serious_fault_on_a_desk_or_a_phone(
    open_page: OpenPage,
) -> None:
    chat = open_page()
    examples = chat.page.locator("#chatbot .examples")
    expect(examples).to_have_attribute("role", "group")
    check(chat, "light", "dark")
    chat.box.fill("@")
    expect(chat.page.get_by_role("option").first).to_be_visible()
    check(chat, "light", "dark")
    chat.say(f"[[reason]] | a | b |\n|---|---|\n| 1 | 2 |\n\n`code` and $x$\n\n```python\n{CODE}```")
    expect(chat.replies.locator("pre")).to_be_in_viewport(ratio=1)
    check(chat, "light", "dark")
    chat.page.locator("#sessions [data-action=menu]").click()
    check(chat, "light")
    chat.page.get_by_role("menuitem", name="Rename").click()
    expect(chat.dialog).to_be_visible()
    check(chat, "light", "dark")
    chat.page.keyboard.press("Escape")
    chat.say("[[401]]")
    failure = chat.page.locator("#chatbot").get_by_text("did not accept the API key")
    expect(failure).to_be_visible()
    chat.page.set_viewport_size({"width": 390, "height": 800})
    chat.reload()  # the sidebar starts closed
    expect(failure).to_be_visible()
    chat.page.locator("#chatbot").get_by_role("button", name="Edit").first.click()
    expect(chat.page.locator("#chatbot textarea")).to_be_visible()
    chat.send("x" * 2001)
    expect(chat.toast).to_be_in_viewport(ratio=1)
    check(chat, "light")
    chat.page.keyboard.press("Control+Shift+O")
    expect(examples).to_have_attribute("role", "group")
    check(chat, "light")


def test_no_width_has_a_serious_fault_with_the_panels_open_or_closed(open_page: OpenPage) -> None:
    chat = open_page()
    chat.say("hello")
    for width in (1920, 1280, 820, 390):
        chat.page.set_viewport_size({"width": width, "height": 800})
        for panel in ("drawer", "sidebar"):
            if chat.page.locator(f"body.{panel}-open").count():
                chat.page.locator(f"#close-{panel}").click()
        check(chat, "light")
        chat.page.locator("#open-sidebar").click()
        check(chat, "dark")
        if width <= 768:
            chat.page.locator("#close-sidebar").click()
        chat.page.locator("#open-drawer").click()
        check(chat, "dark", "light")


# Of all that can be pressed, links within a text aside: what is smaller than so many pixels.
TOO_SMALL = """least => [...document.querySelectorAll(
    "button, input, textarea, summary, a[href]:not(.prose a), [role=button], [role=menuitem], [role=option]")]
  .filter((part) => part.checkVisibility({ opacityProperty: true }) && !part.closest("[inert]"))
  .map((part) => [part, part.getBoundingClientRect()])
  .filter(([part, { width, height }]) => width && height && Math.min(width, height) < least)
  .map(([part, { width, height }]) => `${part.outerHTML.slice(0, 200)} ${width} x ${height}`)"""


@pytest.mark.parametrize(("touch", "least"), [(False, 24), (True, 40)], ids=["mouse", "finger"])
def test_everything_that_is_pressed_is_large_enough(open_page: OpenPage, touch: bool, least: int) -> None:
    chat = open_page(width=1280, has_touch=touch, is_mobile=touch)
    chat.say("```python\nprint()\n```")
    give(chat, "paste", picture("PNG"))
    expect(chat.page.locator("#box .thumbnail-item img")).to_be_visible()
    chat.send("x" * 2001)
    expect(chat.toast).to_be_in_viewport(ratio=1)
    chat.box.fill("@")
    expect(chat.page.get_by_role("option").first).to_be_visible()
    assert "\n".join(chat.page.evaluate(TOO_SMALL, least)) == ""
    chat.replies.last.hover()
    chat.open_drawer()
    chat.page.locator("#sessions [data-action=menu]").click()
    expect(chat.page.get_by_role("menuitem").first).to_be_focused()
    assert "\n".join(chat.page.evaluate(TOO_SMALL, least)) == ""
    chat.page.get_by_role("menuitem", name="Rename").click()
    expect(chat.dialog).to_be_visible()
    assert "\n".join(chat.page.evaluate(TOO_SMALL, least)) == ""


# Names and hints with words of another script, of what is seen.
_ENGLISH = """() => [...document.querySelectorAll("[title], [aria-label], [alt], [placeholder]")]
  .filter((part) => part.checkVisibility() && !part.closest("[inert]"))
  .flatMap((part) => ["title", "aria-label", "alt", "placeholder"].map((name) => part.getAttribute(name)))
  .filter((text) => /[a-z]{2}/i.test(text?.replace("语言 / Language", "") ?? ""))"""


def test_a_chinese_page_has_no_english_name_or_hint(open_page: OpenPage) -> None:
    chat = open_page(locale="zh-CN")
    assert chat.page.evaluate(_ENGLISH) == []
    chat.say("你好：\n```\n1\n```\n" + "长" * 900)
    give(chat, "paste", picture("PNG"))
    expect(chat.page.locator("#box .thumbnail-item img")).to_be_visible()
    chat.send("长" * 2001)
    expect(chat.toast).to_be_in_viewport(ratio=1)
    chat.open_drawer()
    assert chat.page.evaluate(_ENGLISH) == []
    chat.page.locator("#chatbot").get_by_role("button", name="编辑").click()
    expect(chat.page.locator("#chatbot textarea")).to_be_visible()
    chat.page.locator("#sessions [data-action=menu]").click()
    expect(chat.page.get_by_role("menuitem").first).to_be_focused()
    assert chat.page.evaluate(_ENGLISH) == []
