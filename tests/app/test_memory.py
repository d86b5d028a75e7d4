"""What a conversation remembers, as a caller sees it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from gradio_client import Client

from tests.app.clients import connected, start
from tests.fake_openai import FakeOpenAI
from tests.running import running_app


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, model: dict[str, str]) -> Iterator[Client]:
    """A client of an app that sends two messages besides the new one, and remembers the others."""
    settings = {"REDIS_URL": "memory://", "RATE_LIMIT": "", "CONTEXT_MESSAGES": "2", "TITLE_MODEL": "other"}
    with running_app(tmp_path_factory.mktemp("memory"), **settings, **model) as app, connected(app) as client:
        yield client


def remembered(client: Client, conversation: dict[str, str]) -> dict[str, Any]:
    """The summary, once there is one."""
    deadline = time.monotonic() + 10
    while not (found := client.predict(**conversation, api_name="/summary"))["summary"]:
        assert time.monotonic() < deadline, "no summary was made"
        time.sleep(0.05)
    return dict(found)


def test_what_falls_out_is_summarised_told_to_the_model_and_can_be_rewritten(
    client: Client, provider: FakeOpenAI
) -> None:
    conversation = start(client)
    empty = client.predict(**conversation, api_name="/summary")
    assert (empty["summary"], empty["messages"], empty["edited"], empty["failed"]) == ("", 0, False, False)
    for message in ("I am Ada", "Two"):
        client.predict(**conversation, message=message, api_name="/chat")
    summary = remembered(client, conversation)
    assert "I am Ada" in summary["summary"]
    done = list(client.submit(**conversation, message="Three", api_name="/chat_events"))[-1]
    context = done["context"]
    assert (context["sent"], context["dropped"], context["summary"], context["notes"]) == (3, 2, True, 0)
    edited = client.predict(**conversation, summary="Ada counts.", api_name="/save_summary")
    assert (edited["summary"], edited["edited"]) == ("Ada counts.", True)
    client.predict(**conversation, message="Four", api_name="/chat")
    system = next(r for r in reversed(provider.requests) if r.said == "Four").body["messages"][0]
    assert system["role"] == "system"
    assert "Ada counts." in system["content"]


def test_a_role_is_told_what_was_noted_for_it(client: Client, provider: FakeOpenAI) -> None:
    conversation = start(client)
    mine = {"user_id": conversation["user_id"], "role": "teacher"}
    note = client.predict(**mine, text="I am  vegetarian.", api_name="/save_note")
    assert note["text"] == "I am vegetarian."
    assert client.predict(**mine, api_name="/notes") == {"role": "teacher", "notes": [note]}
    sent = {}
    for role in ("assistant", "teacher"):
        events = list(
            client.submit(**conversation, message=f"Dinner, {role}?", role=role, api_name="/chat_events")
        )
        sent[role] = events[-1]["context"]["notes"]
    assert sent == {"assistant": 0, "teacher": 1}
    asked = next(r for r in reversed(provider.requests) if r.said == "Dinner, teacher?")
    assert "I am vegetarian." in asked.body["messages"][0]["content"]
    deleted = client.predict(**mine, note_id=note["id"], api_name="/delete_note")
    assert deleted == {"id": note["id"], "deleted": True}
    assert client.predict(**mine, api_name="/notes")["notes"] == []


def test_a_conversation_gets_a_title_from_the_model(client: Client, provider: FakeOpenAI) -> None:
    conversation = start(client)
    client.predict(**conversation, message="Where is Rome?", api_name="/chat")
    deadline = time.monotonic() + 10
    while True:
        (session,) = client.predict(user_id=conversation["user_id"], api_name="/sessions")["sessions"]
        if session["title"] != "Where is Rome?":
            break
        assert time.monotonic() < deadline, "no title was made"
        time.sleep(0.05)
    assert session["title"] == "You said: user: Where is Rome?"
    asked = provider.requests[-1].body
    assert (asked["model"], asked["messages"][0]["role"]) == ("other", "system")
