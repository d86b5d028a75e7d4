"""The page without a key: what it says of the embedded model, and to whom."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.running import RunningApp, running_app


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The app with nothing set."""
    with running_app(tmp_path_factory.mktemp("embedded")) as app:
        yield app


def test_the_notice_names_the_lines_that_bring_a_real_model_and_stays_closed(
    open_page: OpenPage, embedded: RunningApp
) -> None:
    chat = open_page(embedded.url)
    notice = chat.page.locator("#notice")
    expect(
        notice.locator("code", has_text="=http").or_(notice.locator("code", has_text="MODEL="))
    ).to_have_text(["OPENAI_BASE_URL=http://localhost:11434/v1", "OPENAI_MODEL=llama3.2"])
    chat.page.get_by_role("button", name="Do not show again").click()
    expect(notice.get_by_text("tiny built-in model")).to_be_hidden()
    chat.reload()
    expect(chat.page.locator("#chatbot .placeholder-content")).to_be_visible()
    expect(notice.get_by_text("tiny built-in model")).to_be_hidden()
    chat.page.locator("#temporary").click()
    expect(notice.get_by_text("nothing is stored")).to_be_visible()


def test_in_chinese_the_embedded_model_is_said_to_speak_english_and_is_asked_in_it(
    open_page: OpenPage, embedded: RunningApp
) -> None:
    chat = open_page(embedded.url, locale="zh-CN", width=390)
    expect(chat.page.locator("#notice")).to_contain_text("只会英语")
    expect(chat.page.locator("#chatbot")).to_contain_text("你好")
    expect(chat.page.locator("#chatbot")).to_contain_text("Give me three tips for better sleep")
    chat.choose_role("老师")
    expect(chat.page.locator("#chatbot")).to_contain_text("我是老师")
    expect(chat.page.locator("#chatbot")).to_contain_text("Why is the sky blue?")
