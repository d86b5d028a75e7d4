"""A person sets a conversation up their way, takes it along, and leaves no trace if they want."""

import json
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.fake_openai import FakeOpenAI


def test_temperature_and_length_stay_with_the_conversation(chat: ChatPage, provider: FakeOpenAI) -> None:
    temperature, length = (chat.page.locator(f"#{name} input") for name in ("temperature", "length"))
    said = chat.page.locator("#said")
    chat.say("as usual")
    assert not {"temperature", "max_tokens"} & provider.requests[-1].body.keys()
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.open_drawer()
    temperature.fill("0.3")
    temperature.press("Tab")
    expect(said).to_have_text("Kept with your first message")
    chat.say("steady")
    length.fill("40")
    length.press("Tab")
    expect(said).to_have_text("Saved")
    chat.reload()
    expect(temperature).to_have_value("0.3")
    expect(length).to_have_value("40")
    chat.say("steady and short")
    assert provider.requests[-1].body["temperature"] == 0.3
    assert provider.requests[-1].body["max_tokens"] == 40
    chat.page.locator("#new-chat").click()
    expect(temperature).to_have_value("")
    chat.sessions.first.click()
    expect(temperature).to_have_value("0.3")


def test_a_number_that_is_wrong_is_told_under_its_field_as_it_is_typed(chat: ChatPage) -> None:
    chat.say("hello")
    chat.open_drawer()
    temperature = chat.page.locator("#temperature input")
    length = chat.page.locator("#length input")
    temperature.fill("7")
    expect(temperature).to_have_attribute("aria-invalid", "true")
    expect(temperature).to_have_accessible_description("Please give a number from 0 to 2.")
    length.fill("0.5")
    expect(length).to_have_accessible_description("Please give a whole number from 1 to 1000000.")
    chat.send("too hot")
    expect(chat.toast).to_contain_text("temperature must be a number from 0 to 2")
    expect(chat.box).to_have_value("too hot")
    temperature.fill("2")
    expect(temperature).to_have_attribute("aria-invalid", "false")
    expect(temperature).to_have_accessible_description("")
    expect(chat.page.locator("#said")).to_have_text("")  # the other one is still wrong
    chat.reload()
    expect(length).to_have_value("")


def test_the_language_and_the_theme_can_be_chosen_and_are_remembered(open_page: OpenPage) -> None:
    chat = open_page()
    dark = chat.page.locator("body.dark")
    chat.box.fill("half a thought")
    chat.open_drawer()
    theme = chat.page.locator("#theme")
    theme.get_by_role("button", name="Dark").click()
    expect(dark).to_be_attached()
    colour = chat.page.evaluate("getComputedStyle(document.body).backgroundColor")
    expect(chat.page.locator("#said")).to_have_text("Saved")
    chat.page.evaluate("window.sameVisit = true")
    chat.page.locator("#language").get_by_role("button", name="English").click()
    assert chat.page.evaluate("window.sameVisit")
    chat.page.locator("#language").get_by_role("button", name="中文").click()
    expect(chat.page.locator("#new-chat")).to_have_text("新对话")
    chat.wait_until_loaded()
    expect(chat.page.locator("#chatbot")).to_contain_text("你好！我是你的助手")
    expect(chat.role).to_have_text("助手")
    expect(chat.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(chat.box).to_have_value("half a thought")
    chat.page.add_init_script(FIRST_PICTURE)
    chat.reload()
    expect(chat.box).to_have_attribute("placeholder", "输入消息…")
    expect(chat.page.locator("#language [aria-pressed=true]")).to_have_text("中文")
    expect(theme.locator("[aria-pressed=true]")).to_have_text("深色")
    expect(dark).to_be_attached()
    assert chat.page.evaluate("[...colours]") == [colour]  # no flash of the other one
    chat.say("hello")
    chat.page.evaluate(NOTE_WHAT_IS_PRINTED)
    chat.page.pdf()
    assert chat.page.evaluate("printed") == ["rgb(255, 255, 255)", True, "normal"]
    expect(dark).to_be_attached()
    chat.open_drawer()
    theme.get_by_role("button", name="跟随系统").click()
    expect(dark).to_have_count(0)


# What is printed: the background, whether the text of messages is dark, and for which colours it is.
NOTE_WHAT_IS_PRINTED = """() => addEventListener("beforeprint", () => {
    const { backgroundColor, colorScheme } = getComputedStyle(document.body);
    const texts = [...document.querySelectorAll("#chatbot .said, #chatbot .prose p")];
    const isDark = (text) => getComputedStyle(text).color.match(/\\d+/g).every((part) => part < 130);
    window.printed = [backgroundColor, texts.length > 1 && texts.every(isDark), colorScheme];
})"""

# Which colours the page's body has had before it was loaded, from the first one on.
FIRST_PICTURE = """window.colours = new Set();
    (function look() {
        if (document.body) colours.add(getComputedStyle(document.body).backgroundColor);
        if (document.readyState !== "complete") requestAnimationFrame(look);
    })();"""


def test_enter_sends_or_breaks_the_line_as_the_reader_wants_and_breaks_it_under_a_finger(
    chat: ChatPage, open_page: OpenPage
) -> None:
    chat.open_drawer()
    chat.page.locator("#send_with").get_by_role("button", name="Ctrl+Enter").click()
    chat.box.fill("one")
    chat.box.press("Enter")
    chat.box.press("t")
    expect(chat.box).to_have_value("one\nt")
    chat.box.press("Control+Enter")
    expect(chat.questions).to_have_text(["one\nt"])
    chat.page.locator("#send_with").get_by_role("button", name="Enter", exact=True).click()
    chat.wait_until_idle()
    chat.say("two")

    phone = open_page(width=390, has_touch=True, is_mobile=True)
    phone.box.fill("one")
    phone.box.press("Enter")
    expect(phone.box).to_have_value("one\n")
    expect(phone.box).to_have_attribute("enterkeyhint", "enter")
    phone.send_button.click()
    expect(phone.questions).to_have_text(["one"])


def test_a_conversation_is_exported_and_imported_again(chat: ChatPage, tmp_path: Path) -> None:
    chat.open_drawer()
    export(chat, "Export JSON")
    expect(chat.toast).to_contain_text("There is nothing to export here yet.")
    chat.say("to: keep?")
    with chat.page.expect_download() as document:
        export(chat, "Export Markdown")
    assert document.value.suggested_filename == "to_ keep_.md"
    assert document.value.path().read_text().startswith("# to: keep?\n\n## You · ")
    with chat.page.expect_download() as file:
        export(chat, "Export JSON")
    file.value.save_as(saved := tmp_path / "kept.json")
    assert json.loads(saved.read_text())["messages"][0]["content"] == "to: keep?"
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    export(chat, "Copy as text")
    expect(chat.page.locator("#said")).to_have_text("Copied")
    copied = chat.page.evaluate("navigator.clipboard.readText()")
    assert copied == document.value.path().read_text()
    bring(chat, saved)
    expect(chat.sessions).to_have_text(["to: keep?", "to: keep?"])
    expect(chat.replies).to_contain_text(["You said: to: keep?"])
    chat.say("and go on")
    broken = tmp_path / "broken.json"
    broken.write_text(saved.read_text().replace('"user"', '"admin"'))
    bring(chat, broken)
    expect(chat.toast.last).to_contain_text("messages.1.role")
    expect(chat.sessions).to_have_count(2)
    with chat.page.expect_download() as everything:
        export(chat, "Export everything (ZIP)")
    everything.value.save_as(archive := tmp_path / "role-chat.zip")
    bring(chat, archive)
    expect(chat.toast.last).to_contain_text("Conversations imported: 2.")
    expect(chat.sessions).to_have_count(4)


def export(chat: ChatPage, way: str) -> None:
    chat.page.locator("#export").click()
    chat.page.get_by_role("menuitem", name=way).click()


def bring(chat: ChatPage, file: Path) -> None:
    with chat.page.expect_file_chooser() as chooser:
        chat.page.locator("#import").click()
    chooser.value.set_files(file)


def test_a_temporary_chat_leaves_no_trace(chat: ChatPage) -> None:
    chat.say("kept")
    chat.page.locator("#temporary").click()
    expect(chat.page.locator("#notice")).to_contain_text("nothing is stored")
    expect(chat.questions).to_have_count(0)
    chat.say("secret")
    chat.say("more")
    expect(chat.replies).to_contain_text(["You said: secret", "You said: more"])
    expect(chat.sessions).to_have_text(["kept"])
    assert "?c=" not in chat.page.url
    chat.reload()
    expect(chat.questions).to_have_count(0)
    expect(chat.page.locator("#notice")).not_to_contain_text("nothing is stored")
    chat.sessions.first.click()
    expect(chat.questions).to_have_text(["kept"])


def test_the_page_can_be_installed(chat: ChatPage) -> None:
    link = chat.page.locator("link[rel=manifest]").get_attribute("href")
    address = urljoin(chat.url, link)
    manifest = chat.page.request.get(address).json()
    assert (manifest["name"], manifest["display"]) == ("Role Chat", "standalone")
    assert urljoin(address, manifest["start_url"]) == urljoin(chat.url, "/")
    icon = chat.page.request.get(urljoin(address, manifest["icons"][0]["src"]))
    assert icon.ok
    assert icon.headers["content-type"].startswith("image/")
