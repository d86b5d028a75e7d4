"""Pictures of the page's main states, at four widths, light and dark, in both languages: `make screenshots`.
The documentation shows some of them."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chat import ChatPage
from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.test_pictures import give
from tests.fake_openai import (
    DONE,
    STALL,
    Answer,
    Request,
    error,
    finish,
    in_thread,
    stream,
    text,
    usage,
)
from tests.running import RunningApp, running_app

SIZES = {390: 844, 820: 1000, 1280: 800, 1920: 1080}

# By their names there, those that the documentation shows.
SHOWN = {
    "desktop": "conversation-1280-light-en",
    "desktop-dark": "conversation-1280-dark-en",
    "desktop-settings": "settings-1280-light-en",
    "desktop-trouble": "trouble-1280-light-en",
    "phone": "conversation-390-light-zh",
    "phone-dark": "welcome-390-dark-zh",
    "phone-sidebar": "sidebar-390-light-zh",
}


class Words(NamedTuple):
    """What is said in the pictures."""

    locale: str
    role: str
    question: str
    reply: str
    about_picture: str
    picture_reply: str
    story: str
    story_reply: str
    more: str


ENGLISH = Words(
    locale="en-US",
    role="Teacher",
    question="Why is the sky blue?",
    reply="""Sunlight holds all colours. In the air, **blue light is scattered most**:

| Colour | Wavelength | Scattered |
|---|---|---|
| blue | 450 nm | strongly |
| red | 700 nm | about six times less |

So blue comes from every direction of the sky. In the evening the light comes *slanting* through \
much more air:

$$I = I_0 \\, e^{-x / \\lambda^4}$$

What is left is red. Can you guess why the Moon's sky is black?""",
    about_picture="What do you see?",
    picture_reply="A **sunset over the sea**: the sun touches the horizon, and the sky goes from "
    "orange to violet.",
    story="Tell me a story about the sea.",
    story_reply="Once upon a time, there was a lighthouse that",
    more="Go on, please.",
)
CHINESE = Words(
    locale="zh-CN",
    role="老师",
    question="为什么天空是蓝色的？",
    reply="""太阳光包含所有颜色。在空气中，**蓝光散射得最强**：

1. 阳光进入大气层；
2. 空气分子把波长短的蓝光散向四面八方；
3. 于是我们抬头看到的每个方向都是蓝色。

想一想：为什么月球上的天空是黑色的？""",
    about_picture="你看到了什么？",
    picture_reply="**海上的日落**：太阳碰到了地平线，天空从橙色变成紫色。",
    story="给我讲一个关于大海的故事。",
    story_reply="从前，有一座灯塔，它",
    more="请继续。",
)


def answer(request: Request) -> Answer:
    for words in (ENGLISH, CHINESE):
        if request.said == words.story:
            return stream(text(words.story_reply), STALL)
        if request.said == words.more:
            return error(429, "Requests per minute: 3", retry_after="20")
    replies = {words.question: words.reply for words in (ENGLISH, CHINESE)}
    replies |= {words.about_picture: words.picture_reply for words in (ENGLISH, CHINESE)}
    pieces = re.findall(r"\S+\s*", replies.get(request.said, "Good question."))
    return stream(*map(text, pieces), finish(), usage(96, len(pieces)), DONE)


@contextmanager
def page(
    browser: Browser, app: RunningApp, width: int, locale: str, colours: Literal["light", "dark"]
) -> Iterator[ChatPage]:
    context = browser.new_context(
        viewport={"width": width, "height": SIZES[width]},
        locale=locale,
        color_scheme=colours,
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


def states(chat: ChatPage, words: Words) -> Iterator[str]:
    """The names of the page's states, each when it is shown."""
    chat.choose_role(words.role)
    expect(chat.page.get_by_role("button", name=words.question)).to_be_visible()
    yield "welcome"
    chat.say(words.question)
    expect(chat.sessions.locator(".dot:visible")).to_have_count(0)
    yield "conversation"
    give(chat, "paste", sunset())
    expect(chat.page.locator("#box .thumbnail-item img")).to_be_visible()
    chat.say(words.about_picture)
    chat.open_drawer()
    chat.page.locator("#temperature input").fill("0.7")
    chat.page.locator("#length input").fill("400")
    yield "settings"
    chat.page.locator("#close-drawer").click()
    if (opener := chat.page.locator("#open-sidebar")).is_visible():
        opener.click()
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.send(words.story)
    expect(chat.replies).to_contain_text(words.story_reply)
    chat.stop_button.click()
    chat.wait_until_idle()
    chat.send(words.more)
    expect(chat.page.locator("#chatbot .countdown")).to_be_visible()
    yield "trouble"
    if opener.is_visible():
        opener.click()
        yield "sidebar"


def main(directory: Path, documentation: Path) -> None:
    directory.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as data, in_thread() as provider, sync_playwright() as playwright:
        provider.otherwise = answer
        environment = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_MODEL": "gpt-4o"}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        with running_app(Path(data), **environment) as app:
            colours: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
            for width, scheme, words in product(SIZES, colours, (ENGLISH, CHINESE)):
                with page(browser, app, width, words.locale, scheme) as chat:
                    for state in states(chat, words):
                        name = f"{state}-{width}-{scheme}-{words.locale[:2]}"
                        chat.wait_until_still()
                        chat.page.screenshot(path=directory / f"{name}.png")
    for name, made in SHOWN.items():
        shutil.copy(directory / f"{made}.png", documentation / f"{name}.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
