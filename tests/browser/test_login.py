"""The login page and the way out, as a person uses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser.chat import ChatPage
from tests.fake_hub import running_hub
from tests.logins import auth_users, password
from tests.running import RunningApp, running_app

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, model: dict[str, str]) -> Iterator[RunningApp]:
    """An app with logins."""
    settings = {**model, "AUTH_USERS": auth_users("ana", "bob"), "REDIS_URL": "memory://"}
    with running_app(tmp_path_factory.mktemp("guarded"), **settings) as app:
        yield app


def log_in(page: Page, name: str, secret: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(secret)
    page.get_by_label("Password").press("Enter")


def log_out(chat: ChatPage) -> None:
    chat.open_drawer()
    chat.page.get_by_role("button", name="Log out").click()


def test_who_logs_in_finds_the_chat_and_who_logs_out_leaves_nothing_behind(
    browser: Browser, guarded: RunningApp
) -> None:
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "401" not in message.text:
            complaints.append(f"{message.text} {message.location}")

    context = browser.new_context(locale="en-US")
    context.on("console", note)
    page = context.new_page()
    page.goto(guarded.url)
    expect(page.get_by_label("Name")).to_be_focused()
    log_in(page, "ana", "not the password")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is not right.")
    expect(page.get_by_label("Name")).to_have_value("ana")
    expect(page.get_by_label("Password")).to_be_focused()
    log_in(page, "ana", password("ana"))
    chat = ChatPage(page, guarded.url)
    chat.wait_until_loaded()
    chat.say("hi")
    session = chat.session_id()
    chat.box.fill("a secret draft")
    log_out(chat)
    expect(page).to_have_url(f"{guarded.url}/login")
    page.goto(f"{guarded.url}/?c={session}")
    log_in(page, "bob", password("bob"))
    chat.wait_until_loaded()
    expect(chat.questions).to_have_count(0)
    expect(chat.box).to_have_value("")
    log_out(chat)
    page.goto(f"{guarded.url}/?c={session}")
    log_in(page, "ana", password("ana"))
    chat.wait_until_loaded()
    expect(chat.replies).to_contain_text("You said: hi")
    assert not complaints
    context.close()


def test_the_language_and_the_theme_chosen_on_the_page_are_those_of_the_login_page(
    browser: Browser, guarded: RunningApp
) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.goto(guarded.url)
    log_in(page, "ana", password("ana"))
    chat = ChatPage(page, guarded.url)
    chat.wait_until_loaded()
    chat.open_drawer()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").get_by_role("button", name="Dark").click()
    with page.expect_navigation():
        page.locator("#language").get_by_role("button", name="中文").click()
    chat.wait_until_loaded()
    chat.open_drawer()
    page.get_by_role("button", name="退出登录").click()
    expect(page.get_by_label("用户名")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 23, 42)" != light
    context.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_login_page_works_without_scripts_and_is_accessible(
    browser: Browser, guarded: RunningApp, width: int, colours: str
) -> None:
    size = {"width": width, "height": 800}
    with browser.new_context(java_script_enabled=False, locale="en-US") as context:
        page = context.new_page()
        page.goto(guarded.url)
        log_in(page, "ana", password("ana"))
        expect(page).to_have_url(f"{guarded.url}/")
    with browser.new_context(locale="en-US", color_scheme=colours, viewport=size) as context:
        page = context.new_page()
        page.goto(guarded.url)
        log_in(page, "nobody", "not the password")
        expect(page.get_by_role("alert")).to_be_visible()
        assert Axe().run(page).response["violations"] == []


def test_without_logins_there_is_no_way_out(chat: ChatPage) -> None:
    chat.open_drawer()
    expect(chat.page.locator("#language")).to_be_visible()
    expect(chat.page.locator("#log-out")).to_be_hidden()


def test_who_signs_in_with_a_provider_and_out_again_is_who_they_were(
    browser: Browser, tmp_path: Path, model: dict[str, str]
) -> None:
    with (
        running_hub() as hub,
        running_app(tmp_path, REDIS_URL="memory://", **model, **hub.settings) as app,
        browser.new_context(locale="en-US") as context,
    ):
        page = context.new_page()
        page.goto(app.url)
        chat = ChatPage(page, app.url)
        chat.wait_until_loaded()
        chat.say("as anybody")
        chat.open_drawer()
        expect(page.get_by_role("button", name="Log out")).to_be_hidden()
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{app.url}/**")
        chat.wait_until_loaded()
        expect(chat.questions).to_have_count(0)
        chat.say("as somebody")
        somebody = chat.session_id()
        chat.open_drawer()
        expect(page.get_by_role("button", name="Sign in")).to_be_hidden()
        page.get_by_role("button", name="Log out").click()
        chat.wait_until_loaded()
        expect(page.locator("#sessions")).to_contain_text("as anybody")
        page.goto(f"{app.url}/?c={somebody}")
        chat.wait_until_loaded()
        expect(chat.questions).to_have_count(0)


def test_where_everybody_has_to_sign_in_the_way_is_shown(
    browser: Browser, tmp_path: Path, model: dict[str, str]
) -> None:
    with (
        running_hub() as hub,
        running_app(tmp_path, REDIS_URL="memory://", SIGN_IN_REQUIRED="true", **model, **hub.settings) as app,
        browser.new_context(locale="en-US") as context,
    ):
        page = context.new_page()
        page.goto(app.url)
        expect(page).to_have_url(f"{app.url}/login")
        hub.somebody = None
        page.get_by_role("link", name="Sign in with 127.0.0.1").click()
        expect(page.get_by_role("alert")).to_have_text("Signing in failed. Please try again.")
        assert Axe().run(page).response["violations"] == []
        hub.somebody = "0123456789abcdef01234567"
        page.get_by_role("link", name="Sign in with 127.0.0.1").click()
        chat = ChatPage(page, app.url)
        chat.wait_until_loaded()
        chat.say("hi")
        log_out(chat)
        expect(page).to_have_url(f"{app.url}/login")
