"""Makes the pictures of the page that the documentation shows: `make screenshots`."""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chat import ChatPage
from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.test_pictures import give
from tests.fake_openai import (
    DONE,
    STALL,
    Answer,
    FakeOpenAI,
    Request,
    error,
    finish,
    in_thread,
    stream,
    text,
    usage,
)
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
    "What do you see?": "A **sunset over the sea**: the sun touches the horizon, and the sky goes from "
    "orange to violet.",
    "Why is the sky red in the evening?": "In the evening the light comes *slanting* through much more air. "
    "Most of the blue is scattered away on its way:\n\n$$I = I_0 \\, e^{-x / \\lambda^4}$$\n\n"
    "What is left is red.",
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


def sunset() -> bytes:
    """A picture to show."""
    sky = Image.linear_gradient("L").resize((960, 640))
    picture = ImageOps.colorize(sky, "#1e1b4b", "#fdba74", mid="#be185d", midpoint=150)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((430, 430, 530, 530), fill="#fff7ed")
    draw.rectangle((0, 490, 960, 640), fill="#312e81")
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def settings(browser: Browser, app: RunningApp, directory: Path) -> None:
    """A message with a picture, a change of roles, and the drawer."""
    with page(browser, app, 1280, 800, "en-US", "light") as chat:
        give(chat, "paste", sunset())
        expect(chat.page.locator("#box .thumbnail-item img")).to_be_visible()
        chat.say("What do you see?")
        chat.choose_role("Teacher")
        chat.say("Why is the sky red in the evening?")
        chat.open_drawer()
        chat.page.locator("#temperature input").fill("0.7")
        chat.page.locator("#length input").fill("400")
        chat.page.locator("#title").click()
        expect(chat.page.locator("#drawer")).to_be_in_viewport(ratio=1)
        chat.page.screenshot(path=directory / "desktop-settings.png")


def trouble(browser: Browser, app: RunningApp, provider: FakeOpenAI, directory: Path) -> None:
    """A reply that was stopped, and one that never came."""
    with page(browser, app, 1280, 800, "en-US", "light") as chat:
        provider.answers.append(stream(text("Once upon a time, there was a lighthouse that"), STALL))
        chat.send("Tell me a story about the sea.")
        expect(chat.replies).to_contain_text("lighthouse")
        provider.answers.append(error(429, "Requests per minute: 3", retry_after="20"))
        chat.stop_button.click()
        chat.wait_until_idle()
        chat.send("Go on, please.")
        expect(chat.page.locator("#chatbot .countdown")).to_be_visible()
        expect(chat.toast).to_be_in_viewport(ratio=1)
        chat.page.screenshot(path=directory / "desktop-trouble.png")


def sidebar(browser: Browser, app: RunningApp, directory: Path) -> None:
    """The conversations, as they lie over a phone's screen."""
    with page(browser, app, 390, 844, "zh-CN", "light") as chat:
        for question in ("为什么天空是蓝色的？", "给我出三道分数加法题"):
            chat.page.locator("#open-sidebar").click()
            chat.page.locator("#new-chat").click()
            expect(chat.questions).to_have_count(0)
            chat.say(question)
        chat.page.locator("#open-sidebar").click()
        expect(chat.sessions.first).to_be_in_viewport(ratio=1)
        chat.page.screenshot(path=directory / "phone-sidebar.png")


def main(directory: Path) -> None:
    shots = [
        ("desktop", 1280, 800, "en-US", "light", "Teacher"),
        ("phone", 390, 844, "zh-CN", "light", "老师"),
        ("desktop-dark", 1280, 800, "en-US", "dark", "Teacher"),
    ]
    with tempfile.TemporaryDirectory() as data, in_thread() as provider, sync_playwright() as playwright:
        provider.otherwise = answer
        environment = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_MODEL": "gpt-4o"}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        with running_app(Path(data), **environment) as app:
            for name, width, height, locale, colours, role in shots:
                with page(browser, app, width, height, locale, colours) as chat:
                    chat.choose_role(role)
                    question = list(REPLIES)[locale == "zh-CN"]
                    expect(chat.page.get_by_role("button", name=question)).to_be_visible()
                    expect(chat.page.get_by_role("listbox")).to_have_count(0)
                    chat.page.screenshot(path=directory / f"{name}-welcome.png")
                    chat.say(question)
                    expect(chat.sessions.locator(".dot:visible")).to_have_count(0)
                    chat.page.screenshot(path=directory / f"{name}.png")
            settings(browser, app, directory)
            sidebar(browser, app, directory)
            trouble(browser, app, provider, directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
