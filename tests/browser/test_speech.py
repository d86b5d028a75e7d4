"""A person dictates, and has a reply read aloud, where the browser can do it. Its recogniser and voices are
stand-ins: they tell what the page asks of them, and hear what the test says."""

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import TOO_SMALL, serious_violations

pytestmark = pytest.mark.long

STAND_INS = """
window.SpeechRecognition = class extends EventTarget {
  start() { window.recogniser = this; }
  stop() { this.wasStopped = true; }
  abort() { this.wasAborted = true; }
  tell(event, facts) { this.dispatchEvent(Object.assign(new Event(event), facts)); }
  hear(...phrases) { this.tell("result", { results: phrases.map((transcript) => [{ transcript }]) }); }
};
window.SpeechSynthesisUtterance = class extends EventTarget {
  constructor(text) { super(); this.text = text; }
};
window.spoken = [];
const voices = [
  { lang: "en-US", name: "far", localService: false },
  { lang: "en-US", name: "near", localService: true },
  { lang: "zh_CN", name: "distant", localService: false },
];
const speechSynthesis = {
  getVoices: () => voices,
  speak: (utterance) => spoken.push(utterance),
  cancel: () => { window.spoken = []; },
};
Object.defineProperty(window, "speechSynthesis", { value: speechSynthesis });
"""
NOTHING = """
delete window.SpeechRecognition;
delete window.webkitSpeechRecognition;
Object.defineProperty(window, "speechSynthesis", { value: undefined });
"""


def speaking(open_page: OpenPage, stand_ins: str = STAND_INS, **options: Any) -> ChatPage:
    """The page in a browser with these."""
    chat = open_page(**options)
    chat.page.add_init_script(stand_ins)
    chat.reload()
    return chat


def microphone(chat: ChatPage) -> Locator:
    return chat.page.locator("#box .dictate")


def hear(chat: ChatPage, *phrases: str) -> None:
    """All that was said since the dictation began."""
    chat.page.evaluate("phrases => recogniser.hear(...phrases)", list(phrases))


def tell(chat: ChatPage, event: str, **facts: str) -> None:
    chat.page.evaluate("([event, facts]) => recogniser.tell(event, facts)", [event, facts])


def is_listening(chat: ChatPage, listens: bool) -> None:
    expect(microphone(chat)).to_have_attribute("aria-pressed", str(listens).lower())


def test_what_is_said_stands_behind_the_draft_until_the_dictation_ends(open_page: OpenPage) -> None:
    chat = speaking(open_page)
    chat.box.fill("Dear Ann,")
    microphone(chat).click()
    expect(chat.dialog).to_contain_text("may send the sound to its maker")
    assert serious_violations(chat) == []
    chat.page.keyboard.press("Escape")
    expect(chat.dialog).to_have_count(0)
    is_listening(chat, False)
    microphone(chat).click()
    chat.answer("may send the sound", "Start dictating")
    is_listening(chat, True)
    assert chat.page.evaluate("[recogniser.lang, recogniser.continuous]") == ["en-US", True]
    hear(chat, "hello")
    expect(chat.box).to_have_value("Dear Ann, hello")
    hear(chat, "hello world", " how are")
    expect(chat.box).to_have_value("Dear Ann, hello world how are")
    microphone(chat).click()
    assert chat.page.evaluate("recogniser.wasStopped")
    hear(chat, "hello world", " how are you")  # is still recognised
    tell(chat, "end")
    is_listening(chat, False)
    expect(chat.box).to_have_value("Dear Ann, hello world how are you")
    expect(chat.box).to_be_focused()

    chat.reload()  # the agreement is remembered
    microphone(chat).click()
    is_listening(chat, True)
    hear(chat, "and")
    chat.box.press_sequentially("?")
    hear(chat, "and you")
    hear(chat, "and you", " too")
    expect(chat.box).to_have_value("Dear Ann, hello world how are you and? too")
    chat.box.press("Escape")
    assert chat.page.evaluate("recogniser.wasStopped")
    tell(chat, "end")
    is_listening(chat, False)


def test_a_dictation_ends_with_its_message_and_with_its_conversation(open_page: OpenPage) -> None:
    chat = speaking(open_page)
    chat.say("hello")
    microphone(chat).click()
    chat.answer("may send the sound", "Start dictating")
    hear(chat, "[[stall]]")
    expect(chat.box).to_have_value("[[stall]]")
    chat.box.press("Enter")
    expect(chat.stop_button).to_be_visible()
    assert chat.page.evaluate("recogniser.wasAborted")
    hear(chat, "too late")
    is_listening(chat, False)
    expect(chat.box).to_have_value("")

    microphone(chat).click()
    hear(chat, "a draft")
    chat.page.keyboard.press("Escape")
    tell(chat, "end")
    expect(chat.stop_button).to_be_visible()  # which only the next Escape stops
    chat.page.keyboard.press("Escape")
    chat.wait_until_idle()

    microphone(chat).click()
    is_listening(chat, True)
    chat.page.locator("#new-chat").click()
    is_listening(chat, False)
    expect(chat.box).to_have_value("")
    hear(chat, "too late")
    expect(chat.box).to_have_value("")


def test_on_a_phone_the_microphone_fits_and_what_is_wrong_is_said_in_the_readers_language(
    open_page: OpenPage,
) -> None:
    android = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
    chat = speaking(
        open_page, width=320, height=640, locale="zh-CN", has_touch=True, is_mobile=True, user_agent=android
    )
    expect(microphone(chat)).to_have_accessible_name("语音输入")
    microphone(chat).click()
    chat.answer("可能会为此把声音发给它的厂商", "开始语音输入")
    assert chat.page.evaluate("[recogniser.lang, recogniser.continuous]") == ["zh-CN", False]
    hear(chat, "你好")
    tell(chat, "end")
    microphone(chat).click()
    hear(chat, "世界")
    expect(chat.box).to_have_value("你好世界")
    problem = chat.page.locator(".speech-problem")
    for error, told in (("not-allowed", "不允许使用麦克风"), ("network", "连接不上"), ("odd", "出错了")):
        tell(chat, "error", error=error)
        expect(problem).to_contain_text(told)
    tell(chat, "end")
    expect(problem).to_be_visible()
    for width in (320, 390):
        chat.page.set_viewport_size({"width": width, "height": 640})
        expect(microphone(chat)).to_be_in_viewport(ratio=1)
        expect(chat.send_button).to_be_in_viewport(ratio=1)
        box = chat.box.bounding_box()
        assert box
        assert box["width"] > 120
        assert chat.page.evaluate("document.documentElement.scrollWidth") == width
    assert serious_violations(chat) == []
    assert chat.page.evaluate(TOO_SMALL, 40) == []
    microphone(chat).click()
    expect(problem).to_be_hidden()


def spoken(chat: ChatPage) -> list[list[str]]:
    return list(chat.page.evaluate("spoken.map(({ text, lang, voice }) => [text, lang, voice.name])"))


def test_a_reply_is_read_aloud_without_what_is_not_to_be_heard(open_page: OpenPage) -> None:
    chat = speaking(open_page)
    chat.say(
        "[[reason]] So. It is **good**.\n\n```\ncode\n```\n\n- one $a$ thing\n- another[^1]\n\n[^1]: Note"
    )
    read = chat.page.get_by_role("button", name="Read aloud")
    expect(read).to_have_count(1)
    expect(read).to_have_attribute("aria-pressed", "false")
    read.click()
    near = ["en-US", "near"]
    sentences = ["You said: [[reason]] So.", "It is good.", "one  thing", "another", "Note"]
    assert spoken(chat) == [[sentence, *near] for sentence in sentences]
    expect(read).to_have_attribute("aria-pressed", "true")
    chat.box.click()
    expect(read).to_be_visible()
    assert serious_violations(chat) == []
    chat.page.evaluate("spoken.at(-1).dispatchEvent(new Event('end'))")
    expect(read).to_have_attribute("aria-pressed", "false")
    read.click()
    read.click()
    expect(read).to_have_attribute("aria-pressed", "false")
    assert spoken(chat) == []

    read.click()
    chat.say("好。我用 Python 写。")  # which does not disturb the reading
    assert len(spoken(chat)) == len(sentences)
    read.last.click()
    chat.answer("only a voice of its maker's", "Read aloud")
    distant = ["zh-CN", "distant"]
    assert spoken(chat) == [[sentence, *distant] for sentence in ("You said: 好。", "我用 Python 写。")]
    expect(read.last).to_have_attribute("aria-pressed", "true")
    expect(read.first).to_have_attribute("aria-pressed", "false")
    chat.page.evaluate("spoken[0].dispatchEvent(new Event('error'))")
    expect(chat.page.get_by_role("alert").get_by_text("reading aloud has failed")).to_be_visible()
    assert spoken(chat) == []

    read.first.click()
    assert spoken(chat) != []
    chat.page.get_by_role("button", name="New conversation from here").last.click()
    expect(chat.sessions).to_have_count(2)
    assert spoken(chat) == []
    chat.say("Где?")
    read.last.click()
    expect(chat.page.get_by_text("has no voice for this language")).to_be_visible()


def test_where_the_browser_can_do_neither_neither_is_offered(open_page: OpenPage) -> None:
    chat = speaking(open_page, NOTHING)
    chat.say("hello")
    expect(chat.page.get_by_role("button", name="Remember this").last).to_be_attached()
    expect(microphone(chat)).to_have_count(0)
    expect(chat.page.locator(".read_aloud")).to_have_count(0)
