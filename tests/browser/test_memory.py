"""What a conversation remembers, as a person sees it."""

from playwright.sync_api import expect
from redis import Redis

from chat_core import ChatMessage, Summary
from chat_core.storage import keys
from tests.browser.chat import ChatPage
from tests.browser.conftest import owner
from tests.fake_openai import FakeOpenAI, text_of


def test_the_summary_unfolds_where_what_it_covers_ends(chat: ChatPage, stored: Redis) -> None:
    for message in ("one", "two"):
        chat.say(message)
    session_id = chat.session_id()
    user_id = owner(stored, session_id)
    rows = stored.lrange(keys.messages(user_id, session_id), 0, -1)
    through = ChatMessage.model_validate_json(rows[1]).id
    summary = Summary(text="**Ada** counts.", through=through, messages=2)
    stored.hset(keys.session(user_id, session_id), "summary", summary.to_json())
    chat.reload()
    expect(chat.questions).to_have_count(2)
    line = chat.page.get_by_text("Summary of 2 messages, which the model is told in their place")
    expect(line).to_have_count(1)
    first, second = (chat.questions.nth(at).bounding_box() for at in (0, 1))
    box = line.bounding_box()
    assert first
    assert second
    assert box
    assert first["y"] < box["y"] < second["y"]
    told = chat.page.locator("#chatbot strong", has_text="Ada")
    expect(told).not_to_be_visible()
    line.click()
    expect(told).to_be_visible()
    chat.page.get_by_role("button", name="Edit the summary").click()
    words = chat.page.locator("#memory").get_by_label("Summary of earlier messages")
    expect(words).to_have_value("**Ada** counts.")
    words.fill("Ada counts aloud.")
    chat.page.locator("#memory").get_by_role("button", name="Save").click()
    edited = chat.page.get_by_text("Your summary, which the model is told in the place of earlier messages")
    edited.click()
    expect(chat.page.locator("#chatbot").get_by_text("Ada counts aloud.")).to_be_visible()
    chat.say("three")
    expect(edited).to_have_count(1)


def test_a_title_that_is_found_after_the_first_reply_appears_by_itself(chat: ChatPage, stored: Redis) -> None:
    chat.say("one")
    session_id = chat.session_id()
    stored.hset(keys.session(owner(stored, session_id), session_id), "title", "Counting")
    expect(chat.session("Counting")).to_be_visible()
    expect(chat.replies).to_contain_text(["You said: one"])


def test_what_a_role_is_to_know_is_noted_from_a_message_or_by_hand_and_removed(
    chat: ChatPage, provider: FakeOpenAI
) -> None:
    chat.say("I am  vegetarian")
    chat.questions.hover()
    chat.page.get_by_role("button", name="Remember this").first.click()
    expect(chat.toast).to_contain_text("this role knows it from now on")
    chat.say("Dinner?")
    expect(chat.replies.last).to_contain_text("notes sent: 1")
    assert "- I am vegetarian" in text_of(provider.requests[-1].body["messages"][0]["content"])
    chat.open_drawer()
    notes = chat.page.locator("#memory li")
    expect(notes).to_contain_text(["I am vegetarian"])
    field = chat.page.locator("#memory").get_by_label("Notes for Assistant")
    field.fill("No <b>nuts</b>")
    field.press("Enter")
    expect(field).to_have_value("")
    expect(notes).to_contain_text(["I am vegetarian", "No <b>nuts</b>"])
    notes.first.get_by_role("button").click()
    expect(notes).to_contain_text(["No <b>nuts</b>"])
    chat.choose_role("Teacher")
    expect(chat.page.locator("#memory").get_by_text("Notes for Teacher")).to_be_visible()
    expect(notes).to_have_count(0)
    chat.page.locator("#temporary").click()
    expect(chat.questions).to_have_count(0)
    chat.say("secret")
    expect(chat.page.get_by_role("button", name="Remember this")).to_have_count(0)
