"""The driver of the benchmarks, which must not rot: a tab without a browser."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from benchmarks.page_client import Page, PageError, Tab, apply_edits
from tests.running import RunningApp


@pytest.fixture
async def tab(app: RunningApp) -> AsyncIterator[Tab]:
    async with aiohttp.ClientSession() as http:
        page = await Page.get(http, app.url)
        async with Tab(page, http) as tab:
            await tab.load()
            yield tab


async def test_a_tab_sends_a_message_and_hears_the_reply_grow(tab: Tab) -> None:
    heard: list[str] = []
    tab.heard = lambda text, when: heard.append(text)
    await tab.send("one two [[slow]]")
    growing = [text for text in heard if text.startswith("You said:")]
    assert len({*growing}) > 2
    assert growing[-1].strip() == "You said: one two [[slow]]"
    assert any("You said: one two [[slow]]" in text for text in tab.texts())
    assert tab.received.frames >= len({*growing})
    assert tab.received.bytes


async def test_a_conversation_goes_on_in_a_session_that_the_server_has_not_seen(tab: Tab) -> None:
    await tab.send("first")
    tab.forget_session()
    await tab.send("second")
    whole = "\n".join(tab.texts())
    assert "You said: first" in whole
    assert "You said: second" in whole


async def test_what_is_refused_raises(tab: Tab) -> None:
    with pytest.raises(PageError):
        await tab.send("x" * 3000)


@pytest.mark.parametrize(
    ("before", "edits", "after"),
    [
        pytest.param("ab", [["append", [], "c"]], "abc", id="append"),
        pytest.param([{"t": "a"}], [["append", [0, "t"], "b"]], [{"t": "ab"}], id="append within"),
        pytest.param([1, 2, 3], [["delete", [1], None], ["delete", [1], None]], [1], id="delete"),
        pytest.param([1], [["add", [1], {"x": 1}]], [1, {"x": 1}], id="add"),
        pytest.param({"a": 1}, [["add", ["b"], 2], ["replace", ["a"], 3]], {"a": 3, "b": 2}, id="object"),
        pytest.param(None, [["replace", [], [1]]], [1], id="replace all"),
    ],
)
def test_edits_are_applied_as_gradio_means_them(before: object, edits: list[object], after: object) -> None:
    assert apply_edits(before, edits)[0] == after
