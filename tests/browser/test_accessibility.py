"""People with a screen reader, a keyboard or poor eyes can use the page: axe-core finds nothing serious."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage

SERIOUS = ("serious", "critical")


def serious_violations(chat: ChatPage) -> list[tuple[str, list[str]]]:
    """The rules that are broken, each with the elements that break it."""
    violations = Axe().run(chat.page).response["violations"]
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in violations
        if violation["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_an_empty_and_a_long_conversation_have_no_serious_fault(
    open_page: OpenPage, colours: str, width: int
) -> None:
    chat = open_page(width=width, color_scheme=colours)
    expect(chat.page.locator("#chatbot .examples")).to_have_attribute("role", "group")
    assert serious_violations(chat) == []
    chat.say("[[reason]] | a | b |\n|---|---|\n| 1 | 2 |\n\n`code` and $x$\n\n```py\nx = 1\n```")
    chat.say("[[401]]")
    expect(chat.page.locator("#chatbot")).to_contain_text("did not accept the API key")
    assert serious_violations(chat) == []
