"""Makes the pictures of the page that the documentation shows: `make screenshots`."""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chat import ChatPage
from tests.browser.conftest import CHROMIUM, QUIET
from tests.fake_openai import DONE, Answer, Request, finish, in_thread, stream, text, usage
from tests.running import RunningApp, running_app

REPLIES = {
    "Why is the sky blue?": """Sunlight holds all colours. In the air, **blue light is scattered most**:

| Colour | Wavelength | Scattered |
|---|---|---|
| blue | 450 nm | strongly |
| red | 700 nm | about six times less |

So blue comes from every direction of the sky, and the sunset is what is left. \
Can you guess why the Moon's sky is black?""",
    "为什么天空是蓝色的？": """太阳光包含所有颜色。在空气中，**蓝光散射得最强**：

1. 阳光进入大气层；
2. 空气分子把波长短的蓝光散向四面八方；
3. 于是我们抬头看到的每个方向都是蓝色。

想一想：为什么月球上的天空是黑色的？""",
}


def answer(request: Request) -> Answer:
    words = re.findall(r"\S+\s*", REPLIES.get(request.said, "Good question."))
    return stream(*map(text, words), finish(), usage(96, len(words)), DONE)


@contextmanager
def page(
    browser: Browser, app: RunningApp, width: int, height: int, locale: str, colours: str
) -> Iterator[ChatPage]:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale=locale,
        color_scheme="dark" if colours == "dark" else "light",
        device_scale_factor=1,
    )
    chat = ChatPage(context.new_page(), app.url)
    chat.goto()
    yield chat
    context.close()


def main(directory: Path) -> None:
    shots = [
        ("desktop", 1280, 800, "en-US", "light", "Teacher"),
        ("phone", 390, 844, "zh-CN", "light", "老师"),
        ("desktop-dark", 1280, 800, "en-US", "dark", "Teacher"),
    ]
    with tempfile.TemporaryDirectory() as data, in_thread() as provider, sync_playwright() as playwright:
        provider.otherwise = answer
        settings = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_MODEL": "gpt-4o"}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        with running_app(Path(data), **settings) as app:
            for name, width, height, locale, colours, role in shots:
                with page(browser, app, width, height, locale, colours) as chat:
                    chat.choose_role(role)
                    question = list(REPLIES)[locale == "zh-CN"]
                    expect(chat.page.get_by_role("button", name=question)).to_be_visible()
                    expect(chat.page.get_by_role("listbox")).to_have_count(0)
                    chat.page.screenshot(path=directory / f"{name}-welcome.png")
                    chat.say(question)
                    expect(chat.sessions.locator(".dot")).to_have_count(0)
                    chat.page.screenshot(path=directory / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
