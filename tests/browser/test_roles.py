"""Roles on the page: their faces, the picker, and the form in which people write their own."""

import json
from pathlib import Path

from playwright.sync_api import Locator, expect
from redis import Redis

from chat_core.roles import BUILT_IN
from chat_core.storage import keys
from tests.browser.chat import ChatPage
from tests.browser.conftest import OpenPage, owner
from tests.fake_openai import FakeOpenAI

ECHO = "You said: {}"


def entry(chat: ChatPage, name: str) -> Locator:
    """The role in the list, which is open."""
    return chat.page.locator("#roles li", has=chat.page.locator("b", has_text=name))


def open_roles(chat: ChatPage) -> Locator:
    chat.page.locator("#role-button").click()
    expect(chat.page.locator("#roles")).to_be_visible()
    return chat.page.locator("#roles")


def write(chat: ChatPage, **fields: str) -> None:
    """Fills the form, which is open, and saves it."""
    for name, value in fields.items():
        field = chat.page.locator(f"#role-form [name={name}]")
        field.select_option(value) if name == "model" else field.fill(value)
    chat.page.locator("#role-form [type=submit]").click()


def make_role(chat: ChatPage, **fields: str) -> None:
    open_roles(chat).locator("[data-action=new]").click()
    write(chat, **fields)
    expect(chat.role).to_have_text(fields["name"])


def test_every_reply_has_the_face_of_its_role_and_a_run_begins_with_its_name(chat: ChatPage) -> None:
    chat.say("one")
    chat.say("two")
    chat.choose_role("Teacher")
    chat.say("three")
    for _ in range(2):
        expect(chat.speakers).to_have_text(["✨Assistant", "✨", "📚Teacher"])
        expect(chat.speakers.last.locator(".face")).to_be_in_viewport()
        chat.reload()


def test_a_copied_reply_is_what_was_said_without_the_face(open_page: OpenPage) -> None:
    chat = open_page(permissions=["clipboard-read", "clipboard-write"])
    chat.say("hello")
    chat.page.locator("#chatbot").get_by_role("button", name="Copy message", exact=False).last.click()
    copied = chat.page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == ECHO.format("hello")


def test_a_role_is_found_by_what_it_is_for(chat: ChatPage) -> None:
    roles = open_roles(chat)
    expect(roles.locator("li")).to_have_count(len(BUILT_IN))
    expect(entry(chat, "Chef").locator("small")).to_have_text("Cooks with what you have")
    search = roles.locator("[data-find]")
    expect(search).to_be_focused()
    search.fill("sql")
    expect(roles.locator("li:visible b")).to_have_text(["SQL helper"])
    search.fill("nothing of this kind")
    expect(roles.get_by_text("Nothing found")).to_be_visible()
    search.fill("day by")
    search.press("Enter")
    expect(roles).to_be_hidden()
    expect(chat.role).to_have_text("Travel planner")
    expect(chat.page.locator("#chatbot")).to_contain_text("Where to, for how long")


def test_the_list_is_walked_by_keys_and_left_by_escape(chat: ChatPage) -> None:
    chat.page.locator("#role-button").press("Enter")
    search = chat.page.locator("#roles [data-find]")
    search.press("ArrowDown")
    search.press("Escape")
    expect(chat.page.locator("#roles")).to_be_hidden()
    chat.page.locator("#role-button").press("Enter")
    for _ in range(2):
        chat.page.keyboard.press("ArrowDown")
    chat.page.keyboard.press("Enter")
    expect(chat.role).to_have_text("Teacher")


def test_an_at_sign_at_the_beginning_offers_the_roles_by_name(chat: ChatPage) -> None:
    options = chat.page.get_by_role("listbox", name="Role").get_by_role("option")
    chosen = chat.page.get_by_role("option", selected=True)
    chat.box.press_sequentially("Mail a@te")
    expect(options).to_have_count(0)
    chat.box.fill("@")
    expect(options).to_have_count(len(BUILT_IN))
    chat.box.press_sequentially("TEA")
    expect(options).to_have_text(["📚Teacher"])
    chat.box.fill("@ch")
    expect(chat.page.get_by_role("combobox", name="Message", expanded=True)).to_be_focused()
    several = options.all_inner_texts()
    assert len(several) > 1
    for key, at in ((None, 0), ("ArrowUp", -1), ("ArrowDown", 0), ("ArrowDown", 1)):
        if key:
            chat.box.press(key)
        assert chosen.inner_text() == several[at]
        assert chat.box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    chat.box.press("Escape")
    expect(options).to_have_count(0)
    chat.box.press_sequentially("e")
    expect(options).to_have_count(0)
    chat.box.fill("")
    chat.box.fill("@assist")
    chat.box.press("Tab")
    expect(chat.box).to_have_value("@Assistant ")
    chat.box.press_sequentially("@teach")
    chat.box.press("Enter")
    expect(chat.box).to_have_value("@Assistant @Teacher ")
    expect(options).to_have_count(0)
    expect(chat.page.get_by_role("textbox", name="Message")).to_be_focused()
    chat.box.press_sequentially("hello")
    for _ in "hello":
        chat.box.press("ArrowLeft")
    chat.box.press_sequentially("@transl")
    options.click()
    expect(chat.box).to_have_value("@Assistant @Teacher @Translator hello")
    expect(chat.questions).to_have_count(0)
    chat.box.press("Enter")
    expect(chat.page.locator("#chatbot .voice")).to_have_text(["✨Assistant", "📚Teacher", "🌐Translator"])


def test_a_role_of_ones_own_answers_by_its_prompt_and_stays(chat: ChatPage, provider: FakeOpenAI) -> None:
    make_role(
        chat,
        icon="🦜",
        name="Polly",
        description="Repeats",
        prompt="Say it twice.",
        welcome_message="Ahoy!",
        example_questions="Who is there?\nWhat is up?",
        temperature="0,4",
        max_tokens="90",
    )
    expect(chat.page.locator("#chatbot")).to_contain_text("Ahoy!")
    expect(chat.page.locator("#chatbot")).to_contain_text("What is up?")
    expect(chat.page.locator("#role-form")).to_be_hidden()
    chat.say("hello")
    asked = provider.requests[-1].body
    assert asked["messages"][0] == {"role": "system", "content": "Say it twice."}
    assert (asked["temperature"], asked["max_tokens"]) == (0.4, 90)
    expect(chat.speakers).to_have_text("🦜Polly")
    chat.reload()
    expect(chat.speakers).to_have_text("🦜Polly")
    expect(chat.role).to_have_text("Polly")
    expect(chat.page.locator("#temperature input")).to_have_value("0.4")


def test_a_role_is_edited_duplicated_and_deleted(chat: ChatPage, provider: FakeOpenAI) -> None:
    make_role(chat, name="Polly", prompt="Say it twice.")
    open_roles(chat)
    entry(chat, "Polly").locator("[data-action=edit]").click()
    expect(chat.page.locator("#role-form [name=prompt]")).to_have_value("Say it twice.")
    write(chat, prompt="Say it thrice.", icon="🦜")
    expect(chat.page.locator("#role-button .face")).to_have_text("🦜")
    chat.say("hello")
    assert provider.requests[-1].body["messages"][0]["content"] == "Say it thrice."
    open_roles(chat)
    entry(chat, "Polly").locator("[data-action=duplicate]").click()
    write(chat, name="Molly")
    expect(chat.role).to_have_text("Molly")
    open_roles(chat)
    expect(chat.page.locator("#roles li[data-own] b")).to_have_text(["Polly", "Molly"])
    entry(chat, "Polly").locator("[data-action=delete]").click()
    chat.answer("Delete the role “Polly”?", "Cancel")
    entry(chat, "Polly").locator("[data-action=delete]").click()
    chat.answer("Delete the role “Polly”?", "Delete")
    expect(entry(chat, "Polly")).to_have_count(0)
    chat.reload()
    expect(chat.speakers).to_have_text("💬A deleted role")
    expect(chat.role).to_have_text("Assistant")


def test_what_a_role_asks_for_is_asked_once_in_a_conversation_and_can_be_changed(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    make_role(
        chat, name="Tutor", prompt="Teach {{topic}} to {{level=beginners}}.", welcome_message="{{topic}}!"
    )
    asked = chat.page.locator("#variables details")
    topic, level = (asked.locator(f"[name={name}]") for name in ("topic", "level"))
    line = asked.locator("summary span")

    def told() -> str:
        return str(provider.requests[-1].body["messages"][0]["content"])

    expect(level).to_have_attribute("placeholder", "beginners")
    topic.fill("sums")
    expect(line).to_have_text("topic: sums · level: beginners")
    topic.press("Enter")
    level.press("Enter")
    expect(chat.box).to_be_focused()
    expect(topic).to_be_hidden()
    chat.say("hello")
    assert told() == "Teach sums to beginners."
    chat.reload()
    expect(line).to_have_text("topic: sums · level: beginners")
    expect(topic).to_be_hidden()
    chat.say("again")
    assert told() == "Teach sums to beginners."
    asked.locator("summary").click()
    level.fill("Ada")
    chat.say("and again")
    assert told() == "Teach sums to Ada."
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    expect(topic).to_be_visible()
    expect(topic).to_have_value("")
    chat.choose_role("Teacher")
    expect(asked).to_have_count(0)


def test_a_chosen_role_brings_back_its_latest_conversation(chat: ChatPage) -> None:
    chat.say("first")
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.say("second")
    chat.choose_role("Teacher")
    expect(chat.questions).to_have_text(["second"])
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    expect(chat.role).to_have_text("Teacher")
    chat.say("a lesson")
    chat.choose_role("Assistant")
    expect(chat.questions).to_have_text(["second"])
    chat.choose_role("Teacher")
    expect(chat.questions).to_have_text(["a lesson"])
    with_teacher = chat.session_id()
    chat.page.locator("#new-chat").click()
    expect(chat.questions).to_have_count(0)
    chat.choose_role("Assistant")
    expect(chat.questions).to_have_text(["second"])
    assert chat.session_id() != with_teacher
    chat.page.locator("#temporary").click()
    expect(chat.questions).to_have_count(0)
    chat.choose_role("Teacher")
    expect(chat.page.locator("#chatbot .placeholder")).to_be_visible()
    expect(chat.questions).to_have_count(0)


def test_what_is_wrong_with_a_role_is_said_in_its_form(chat: ChatPage) -> None:
    open_roles(chat).locator("[data-action=new]").click()
    write(chat, name="Polly", prompt="Twice.", temperature="hot")
    expect(chat.page.locator("#role-form .problem")).to_contain_text("role.temperature must be")
    expect(chat.page.locator("#role-form [name=prompt]")).to_have_value("Twice.")
    write(chat, temperature="1")
    expect(chat.role).to_have_text("Polly")


def test_an_exported_role_is_a_roles_file(chat: ChatPage, tmp_path: Path) -> None:
    make_role(chat, name="Polly", prompt="Twice.", example_questions="Why?")
    open_roles(chat)
    with chat.page.expect_download() as download:
        entry(chat, "Polly").locator("[data-action=export]").click()
    assert download.value.suggested_filename == "Polly.json"
    download.value.save_as(tmp_path / "roles.json")
    (role,) = json.loads((tmp_path / "roles.json").read_text(encoding="utf-8"))["roles"]
    assert (role["name"]["en"], role["prompt"]) == ("Polly", "Twice.")


def test_a_prompt_that_was_written_before_is_the_first_role(chat: ChatPage, stored: Redis) -> None:
    chat.say("hello")
    user_id = owner(stored, chat.session_id())
    stored.set(keys.custom_prompt(user_id), "Answer in rhyme.")
    chat.reload()
    open_roles(chat)
    entry(chat, "Custom").locator("[data-action=edit]").click()
    expect(chat.page.locator("#role-form [name=prompt]")).to_have_value("Answer in rhyme.")
    write(chat, name="Poet")
    expect(chat.role).to_have_text("Poet")
    assert list(stored.hgetall(keys.roles(user_id))) == ["custom"]


def test_roles_of_a_file_are_shown_before_those_that_are_wanted_are_taken(
    chat: ChatPage, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.csv"
    file.write_text("act,prompt\nPoet,Rhyme <b>always</b>.\nPirate,Say arr.\nNobody,\n", encoding="utf-8")
    roles = open_roles(chat)
    with chat.page.expect_file_chooser() as chooser:
        roles.locator("[data-action=import]").click()
    chooser.value.set_files(file)
    found = chat.page.get_by_role("dialog", name="Roles in the file")
    expect(found.locator("label b")).to_have_text(["Poet", "Pirate"])
    expect(found.locator("label small")).to_have_text(["Rhyme <b>always</b>.", "Say arr."])
    expect(found.locator(".problem")).to_have_text("Nobody: role.prompt must be some text.")
    found.get_by_label("Poet").uncheck()
    found.get_by_role("button", name="Add these").click()
    expect(chat.toast).to_contain_text("Roles added: 1.")
    open_roles(chat)
    expect(chat.page.locator("#roles li[data-own] b")).to_have_text(["Pirate"])
    entry(chat, "Pirate").locator("[data-action=choose]").click()
    expect(chat.role).to_have_text("Pirate")


def test_a_file_without_roles_is_refused_with_the_reason(chat: ChatPage, tmp_path: Path) -> None:
    file = tmp_path / "roles.json"
    file.write_text('{"roles": []}', encoding="utf-8")
    with chat.page.expect_file_chooser() as chooser:
        open_roles(chat).locator("[data-action=import]").click()
    chooser.value.set_files(file)
    expect(chat.toast).to_contain_text("roles")
