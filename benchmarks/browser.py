"""Measures in a browser (Chromium): what pages cost its main thread, how evenly a reply grows, and what is
transferred."""

import json
import os
import shutil
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

from playwright.async_api import BrowserContext, CDPSession, FilePayload, Page, async_playwright

from .contenders import CHAINLIT, PAGE
from .history import IMPORT, conversation_file
from .load import KIB, MILLI
from .report import Results
from .scripted_model import Script
from .stage import Stage

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
# Without most of these Chromium looks for its maker's servers at every start.
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]

# Where messages are typed.
BOX = {PAGE: "#box textarea", CHAINLIT: "#chat-input"}
ANY_BOX = "textarea"

RATE = 50  # tokens a second

# Counts the pictures in which something of the page changed, and when asked to, how much the text grew.
SCRIPT = """
const root = () => document.querySelector("main") ?? document.querySelector("#root") ?? document.body;
const length = () => root().textContent.length;
const bench = window.bench = { pictures: 0, grown: [] };
let due = false;
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; bench.pictures += 1; });
}).observe(document.body, { subtree: true, childList: true, characterData: true }));
bench.shows = (text) => root().textContent.includes(text);
bench.watch = () => {
  let before = length();
  const look = (now) => {
    const after = length();
    if (after !== before) bench.grown.push([now, after - before]);
    before = after;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
};
"""


@asynccontextmanager
async def visitor() -> AsyncIterator[BrowserContext]:
    """A browser that has never seen the page."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = await browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
        await context.add_init_script(SCRIPT)
        yield context
        await browser.close()


class Chat:
    """A chat page in a browser."""

    def __init__(self, stage: Stage, page: Page, tools: CDPSession) -> None:
        self.page, self.tools, self._stage = page, tools, stage
        self._box = page.locator(BOX.get(stage.contender.name, ANY_BOX)).first

    @classmethod
    async def open(cls, stage: Stage, context: BrowserContext) -> "Chat":
        """Opens the page in a new tab."""
        page = await context.new_page()
        tools = await context.new_cdp_session(page)
        await tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        await page.goto(stage.server.url)
        chat = cls(stage, page, tools)
        await chat._box.wait_for()
        await page.wait_for_timeout(_SETTLE_MS)
        return chat

    async def send(self, script: Script) -> None:
        """Returns as soon as the reply begins."""
        await self._box.fill(script.message)
        await self._box.press("Enter")
        await self.until_shown(script.beginning)

    async def until_shown(self, text: str) -> None:
        """Waits, and looks seldom enough not to be measured itself."""
        await self.page.wait_for_function(f"bench.shows({json.dumps(text)})", polling=200, timeout=60_000)

    async def say(self, script: Script) -> None:
        """The same to the end of the reply."""
        await self.send(script)
        await self.until_shown(script.ending.strip() if len(script.pieces) > 1 else script.beginning)
        await self.page.wait_for_timeout(_SETTLE_MS // 4)

    async def fill(self, messages: int) -> None:
        """The conversation gets that many messages."""
        if self._stage.contender.name == PAGE:
            file = await conversation_file(self._stage, messages)
            async with self.page.expect_file_chooser() as chooser:
                # The button lies in a drawer that may be closed.
                await self.page.locator(f"#{IMPORT}").dispatch_event("click")
            conversation = FilePayload(name="a.json", mimeType="application/json", buffer=file)
            await (await chooser.value).set_files(conversation)
            await self.until_shown("Reply ")
        else:
            for _ in range(messages // 2):
                await self.say(self._stage.model.script(tokens=60))
        await self.page.wait_for_timeout(_SETTLE_MS)

    async def metrics(self) -> dict[str, float]:
        """What the main thread has done until now, in seconds of its processor time; the pictures that have
        changed; and the time."""
        answer = await self.tools.send("Performance.getMetrics")
        seconds = {metric["name"]: metric["value"] for metric in answer["metrics"]}
        return seconds | {"pictures": await self.page.evaluate("bench.pictures"), "time": time.monotonic()}


_SETTLE_MS = 1500


async def frames(stage: Stage, results: Results, *, quick: bool) -> None:
    """What a picture of a growing reply costs the browser's main thread, and how much of its time they take:
    with few and with many messages, in a short and in a long reply, and under two long pieces of code."""
    tokens = RATE * (2 if quick else 4)
    cases = [("20 messages", 20, 0, False)]
    if stage.contender.name == PAGE and not quick:
        cases += [
            ("200 messages", 200, 0, False),
            ("20 messages, 20,000 characters into a reply", 20, 3500, False),
            ("20 messages, two of them of 320 lines of code", 20, 0, True),
        ]
    for what, messages, ahead, code in cases:
        async with visitor() as context:
            chat = await Chat.open(stage, context)
            await chat.fill(messages)
            for _ in range(2 if code else 0):
                await chat.say(stage.model.script(code=True))
            script = stage.model.script(ahead + tokens, RATE, ahead=ahead)
            await chat.send(script)
            before = await chat.metrics()
            await chat.until_shown(script.ending.strip())
            after = await chat.metrics()
        spent = {key: after[key] - before[key] for key in before}
        name, pictures = stage.contender.name, max(1, spent["pictures"])
        results.add("browser", what, "CPU ms a picture", name, spent["TaskDuration"] * MILLI / pictures)
        results.add("browser", what, "of which script", name, spent["ScriptDuration"] * MILLI / pictures)
        share = spent["TaskDuration"] / spent["time"] * 100
        results.add("browser", what, "main thread, % busy", name, share)


async def evenness(stage: Stage, results: Results, *, quick: bool) -> None:
    """How a reply grows before the reader's eyes, from one animation frame to the next. Its beginning, which
    comes with other things, and its end are left out."""
    seconds = 3 if quick else 6
    async with visitor() as context:
        chat = await Chat.open(stage, context)
        await chat.say(stage.model.script(tokens=20))
        script = stage.model.script(RATE * seconds, RATE)
        await chat.send(script)
        await chat.page.wait_for_timeout(500)
        await chat.page.evaluate("bench.watch()")
        await chat.page.wait_for_timeout((seconds - 1.5) * 1000)
        grown = await chat.page.evaluate("bench.grown")
        await chat.until_shown(script.ending.strip())
    jumps = [characters for _, characters in grown]
    pauses = [later - earlier for (earlier, _), (later, _) in pairwise(grown)]
    name, what = stage.contender.name, f"{RATE} tokens/s"
    results.add("evenness", what, "characters in the greatest jump", name, max(jumps))
    results.add("evenness", what, "characters in the usual jump", name, statistics.median(jumps))
    results.add("evenness", what, "ms in the longest pause", name, max(pauses))


async def transfer(stage: Stage, results: Results, *, quick: bool) -> None:
    """What is transferred when a browser opens the page for the first time, and when it comes again."""
    async with visitor() as context:
        for what in ("first visit", "second visit"):
            page = await context.new_page()
            tools = await context.new_cdp_session(page)
            sizes: list[float] = []
            tools.on("Network.loadingFinished", lambda event, to=sizes: to.append(event["encodedDataLength"]))
            await tools.send("Network.enable")
            await page.goto(stage.server.url)
            await page.locator(BOX.get(stage.contender.name, ANY_BOX)).first.wait_for()
            await page.wait_for_timeout(2 * _SETTLE_MS)
            await page.close()
            results.add("transfer", what, "KiB", stage.contender.name, sum(sizes) / KIB)
            results.add("transfer", what, "requests", stage.contender.name, len(sizes))
