"""What a conversation remembers, as a person sees it."""

from playwright.sync_api import expect
from redis import Redis

from chat_core import ChatMessage, Summary
from chat_core.storage import keys
from tests.browser.chat import ChatPage
from tests.browser.conftest import owner


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
    chat.say("three")
    expect(line).to_have_count(1)


def test_a_title_that_is_found_after_the_first_reply_appears_by_itself(chat: ChatPage, stored: Redis) -> None:
    chat.say("one")
    session_id = chat.session_id()
    stored.hset(keys.session(owner(stored, session_id), session_id), "title", "Counting")
    expect(chat.session("Counting")).to_be_visible()
    expect(chat.replies).to_contain_text(["You said: one"])
