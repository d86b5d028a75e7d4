"""A person sets a conversation up their way, takes it along, and leaves no trace if they want."""

import json
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import expect

from tests.browser.chat import ChatPage
from tests.fake_openai import FakeOpenAI


def test_temperature_and_length_stay_with_the_conversation(chat: ChatPage, provider: FakeOpenAI) -> None:
    temperature, length = (chat.page.locator(f"#{name} input") for name in ("temperature", "length"))
    chat.say("as usual")
    assert not {"temperature", "max_tokens"} & provider.requests[-1].body.keys()
    chat.open_drawer()
    temperature.fill("0.3")
    length.fill("40")
    chat.say("steady and short")
    assert provider.requests[-1].body["temperature"] == 0.3
    assert provider.requests[-1].body["max_tokens"] == 40
    chat.page.locator("#new-chat").click()
    expect(temperature).to_have_value("")
    chat.sessions.first.click()
    expect(temperature).to_have_value("0.3")
    chat.reload()
    expect(length).to_have_value("40")
    chat.open_drawer()
    temperature.fill("7")
    chat.send("too hot")
    expect(chat.toast).to_contain_text("temperature must be a number from 0 to 2")
    expect(chat.box).to_have_value("too hot")


def test_the_language_can_be_chosen_and_is_remembered(chat: ChatPage) -> None:
    chat.box.fill("half a thought")
    chat.open_drawer()
    chat.page.locator("#language input").click()
    chat.page.get_by_role("option", name="中文").click()
    expect(chat.page.locator("#new-chat")).to_have_text("新对话")
    chat.wait_until_loaded()
    expect(chat.page.locator("#chatbot")).to_contain_text("你好！我是你的助手")
    expect(chat.role).to_have_text("助手")
    expect(chat.page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(chat.box).to_have_value("half a thought")
    chat.reload()
    expect(chat.box).to_have_attribute("placeholder", "输入消息…")
    expect(chat.page.locator("#language input")).to_have_value("中文")


def test_a_conversation_is_exported_and_imported_again(chat: ChatPage, tmp_path: Path) -> None:
    chat.open_drawer()
    chat.page.locator("#as-json").click()
    expect(chat.toast).to_contain_text("There is nothing to export here yet.")
    chat.say("to: keep?")
    with chat.page.expect_download() as document:
        chat.page.locator("#as-markdown").click()
    assert document.value.suggested_filename == "to_ keep_.md"
    assert document.value.path().read_text().startswith("# to: keep?\n\n## You · ")
    with chat.page.expect_download() as file:
        chat.page.locator("#as-json").click()
    file.value.save_as(saved := tmp_path / "kept.json")
    assert json.loads(saved.read_text())["messages"][0]["content"] == "to: keep?"
    bring(chat, saved)
    expect(chat.sessions).to_have_text(["to: keep?", "to: keep?"])
    expect(chat.replies).to_contain_text(["You said: to: keep?"])
    chat.say("and go on")
    broken = tmp_path / "broken.json"
    broken.write_text(saved.read_text().replace('"user"', '"admin"'))
    bring(chat, broken)
    expect(chat.toast.last).to_contain_text("messages.1.role")
    expect(chat.sessions).to_have_count(2)


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
