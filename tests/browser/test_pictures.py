"""A person shows pictures."""

import base64
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage
from tests.fake_openai import STALL, FakeOpenAI, stream
from tests.pictures import picture, seen

# How a browser tells the page of a file on the clipboard, or one that is let go over the box.
GIVE = """(box, [how, name, kind, data]) => {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([bytes], name, { type: kind }));
    box.dispatchEvent(how === "paste"
        ? new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true })
        : new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def give(chat: ChatPage, how: str, data: bytes, name: str = "sea.png", kind: str = "image/png") -> None:
    chat.box.evaluate(GIVE, [how, name, kind, base64.b64encode(data).decode()])


def choose(chat: ChatPage, file: Path) -> None:
    with chat.page.expect_file_chooser() as chooser:
        chat.page.locator("#box .upload-button").click()
    chooser.value.set_files(file)


def waiting(chat: ChatPage) -> Locator:
    """The pictures in the box that are not sent yet."""
    return chat.page.locator("#box .thumbnail-item img")


def test_a_picture_is_shown_small_sent_to_the_model_and_kept_however_it_comes(
    chat: ChatPage, provider: FakeOpenAI, tmp_path: Path
) -> None:
    large = picture("PNG", (2000, 1000))
    (file := tmp_path / "sea.png").write_bytes(large)
    shown = chat.questions.get_by_role("button", name="Picture")
    for number, how in enumerate(("button", "paste", "drop"), 1):
        choose(chat, file) if how == "button" else give(chat, how, large)
        expect(waiting(chat)).to_have_count(1)
        chat.say("What is this?")
        text, image = provider.requests[-1].body["messages"][-1]["content"]
        assert text == {"type": "text", "text": "What is this?"}
        assert seen(image["image_url"]["url"]).size == (1280, 640), how
        expect(waiting(chat)).to_have_count(0)
        expect(shown).to_have_count(number)
        expect(shown.last).to_be_visible()
    chat.say("And what else?")
    sent = provider.requests[-1].body["messages"]
    assert [len(sent[place]["content"]) for place in (1, 3, 5)] == [2, 2, 2]  # the model goes on seeing them
    chat.reload()
    expect(shown).to_have_count(3)
    for image in shown.all():
        expect(image).to_be_visible()
        assert image.evaluate("image => image.complete && image.naturalWidth === 480")


def choose_model(chat: ChatPage, name: str) -> None:
    chat.page.locator("#model input").click()
    chat.page.get_by_role("option", name=name).click()


def test_what_the_model_cannot_see_or_is_no_picture_is_refused_and_the_text_stays(chat: ChatPage) -> None:
    choose_model(chat, "other")
    give(chat, "paste", picture("PNG", (20, 10)))
    expect(waiting(chat)).to_have_count(1)
    chat.send("Look!")
    expect(chat.toast).to_contain_text("The model other cannot see pictures. Models that can: fake.")
    expect(chat.box).to_have_value("Look!")
    chat.page.locator(".toast-close").click()  # it lies over the settings
    choose_model(chat, "fake")
    give(chat, "paste", picture("PNG", (20, 10))[:40], "sea.png")
    expect(waiting(chat)).to_have_count(2)
    chat.send("Look!")
    expect(chat.toast.filter(has_text="cannot be read as a picture")).to_be_visible()
    expect(chat.box).to_have_value("Look!")
    expect(waiting(chat)).to_have_count(2)
    expect(chat.sessions).to_have_count(0)


def test_a_file_that_is_not_taken_is_told_of_in_the_readers_language(
    open_page: OpenPage, tmp_path: Path
) -> None:
    chat = open_page(locale="zh-CN")
    give(chat, "drop", b"MZ not a picture", "sea.png")
    said = chat.toast.locator(".toast-message-text")
    expect(said).to_have_text(
        "不能发送这种文件。可以发送 PNG、JPEG、WebP 和 GIF 图片，导入 JSON 或 ZIP 对话。"
    )
    chat.page.locator(".toast-close").click()
    (file := tmp_path / "sea.png").write_bytes(picture("PNG") + bytes(11_000_000))
    choose(chat, file)
    expect(said).to_have_text("文件太多或太大：一次最多 4 个，每个最多 10 MB。")
    expect(waiting(chat)).to_have_count(0)


def test_a_picture_needs_no_words_and_stays_when_words_are_added(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    give(chat, "paste", picture("PNG", (20, 10)))
    expect(waiting(chat)).to_have_count(1)
    chat.say("")
    chat.page.locator("#chatbot").get_by_role("button", name="Undo").click()
    expect(chat.replies).to_have_count(0)
    expect(waiting(chat)).to_have_count(1)  # it is in the box again
    assert waiting(chat).evaluate("image => image.decode().then(() => image.naturalWidth)") == 20
    chat.say("")
    expect(chat.replies).to_have_count(1)
    chat.page.locator("#chatbot").get_by_role("button", name="Picture").press("Enter")
    large = chat.page.get_by_role("dialog", name="Picture")
    expect(large.get_by_role("img")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    chat.page.locator("#chatbot").get_by_role("button", name="Edit").click()
    field = chat.page.locator("#chatbot textarea")
    expect(field).to_have_value("")
    field.fill("What is this?")
    chat.page.locator("#chatbot").get_by_role("button", name="Submit").click()
    expect(chat.questions).to_have_text("What is this?")
    expect(chat.questions.get_by_role("button", name="Picture")).to_be_visible()
    expect(chat.replies).to_contain_text("You said: What is this?")
    assert len(provider.requests[-1].body["messages"][-1]["content"]) == 2


# As a file that is held over the conversation, and let go there.
HOLD = """(place, [kind, data]) => {
    const dataTransfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    dataTransfer.items.add(new File([bytes], "sea.png", { type: "image/png" }));
    place.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""


def test_a_picture_is_dropped_anywhere_on_the_conversation(chat: ChatPage) -> None:
    chat.say("Look!")
    sign = chat.page.get_by_text("Let go, and the picture is in your message")
    data = base64.b64encode(picture("PNG")).decode()
    chat.replies.last.evaluate(HOLD, ["dragover", data])
    expect(sign).to_be_in_viewport(ratio=1)
    chat.replies.last.evaluate(HOLD, ["drop", data])
    expect(sign).to_be_hidden()
    expect(waiting(chat)).to_have_count(1)


def test_a_picture_that_is_made_is_stopped_and_one_that_is_refused_says_why(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    provider.answers.append(stream(STALL))
    chat.send("/image a house")
    expect(chat.replies.get_by_text("Drawing")).to_be_visible()
    chat.stop_button.click()
    expect(chat.replies.get_by_text("Stopped")).to_be_visible()
    chat.wait_until_idle()
    assert provider.is_over(provider.requests[-1])
    chat.say("/image [[policy]]")
    expect(chat.replies.last).to_contain_text("content filter withheld")
    chat.send("/image a house --size huge")
    expect(chat.toast).to_contain_text("size must be one of")
    expect(chat.box).to_have_value("/image a house --size huge")
