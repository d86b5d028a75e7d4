"""The named endpoints, called by Gradio's own client over HTTP."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from httpx import HTTPStatusError

from chat_core.roles import BUILT_IN
from tests.app.clients import connected, start
from tests.fake_openai import DONE, FakeOpenAI, finish, reply, stream, text, text_of
from tests.pictures import picture
from tests.running import RunningApp


def test_start_chat_makes_an_unguessable_user_and_welcomes_in_the_role(client: Client) -> None:
    first = client.predict(role="teacher", api_name="/start_chat")
    second = client.predict(role="teacher", api_name="/start_chat")
    assert set(first) == {"session_id", "user_id", "role", "welcome_message", "variables"}
    assert first["role"] == "teacher"
    assert "teacher" in first["welcome_message"]
    assert len(first["user_id"]) >= 32
    assert first["user_id"] != second["user_id"]
    assert first["session_id"] != second["session_id"]


def test_start_chat_keeps_a_given_user(client: Client) -> None:
    assert client.predict(user_id="ana", api_name="/start_chat")["user_id"] == "ana"


def test_chat_yields_the_growing_reply_and_last_the_whole_one(client: Client) -> None:
    conversation = start(client)
    yielded = list(client.submit(**conversation, message="one two [[slow]]", api_name="/chat"))
    assert yielded[-1] == "You said: one two [[slow]]"
    assert len(yielded) > 2
    assert all(later.startswith(earlier) for earlier, later in pairwise(yielded))


def test_predict_on_chat_gives_the_whole_reply(client: Client) -> None:
    assert client.predict(**start(client), message="hi", api_name="/chat") == "You said: hi"


def test_parameters_may_be_given_in_the_order_they_are_named(client: Client) -> None:
    named = start(client)
    reply = client.predict(named["user_id"], named["session_id"], "hi", "teacher", "other", api_name="/chat")
    assert reply == "You said: hi"
    message = client.predict(**named, api_name="/history")["messages"][1]
    assert message["model"] == "other"


def test_history_has_both_messages_oldest_first_with_status_and_seconds(client: Client) -> None:
    conversation = start(client)
    client.predict(**conversation, message="  keep\n\tthis  ", api_name="/chat")
    history = client.predict(**conversation, api_name="/history")
    assert history["session_id"] == conversation["session_id"]
    assert (history["total"], history["dropped"]) == (2, 0)
    asked, replied = history["messages"]
    assert (asked["role"], asked["content"]) == ("user", "  keep\n\tthis  ")
    assert (replied["role"], replied["status"]) == ("assistant", "done")
    assert 1.7e9 < asked["timestamp"] <= replied["timestamp"]
    assert asked["id"] != replied["id"]
    latest = client.predict(**conversation, limit=1, api_name="/history")
    assert [m["role"] for m in latest["messages"]] == ["assistant"]
    assert latest["total"] == 2


def test_the_model_is_sent_the_roles_prompt_and_the_messages_before(
    client: Client, provider: FakeOpenAI
) -> None:
    conversation = start(client, role="programmer")
    client.predict(**conversation, message="first", api_name="/chat")
    client.predict(**conversation, message="second", api_name="/chat")
    sent = next(r.body for r in reversed(provider.requests) if r.said == "second")["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user"]
    assert "programmer" in sent[0]["content"]
    assert [m["content"] for m in sent[1:]] == ["first", "You said: first", "second"]


def test_chat_events_start_grow_and_end_with_the_stored_message(client: Client) -> None:
    conversation = start(client)
    events = list(client.submit(**conversation, message="[[reason]] why?", api_name="/chat_events"))
    started, *pieces, done = events
    assert started["type"] == "started"
    assert started["turn_id"]
    assert {piece["type"] for piece in pieces} == {"reasoning", "text"}
    ids = [int(piece["id"]) for piece in pieces]
    assert ids == sorted(set(ids))
    text = "".join(piece["text"] for piece in pieces if piece["type"] == "text")
    assert (done["type"], done["status"]) == ("done", "done")
    assert done["message"]["content"] == text == "You said: [[reason]] why?"
    assert done["message"]["reasoning"].strip() == "Let me think."
    context = done["context"]
    assert (context["sent"], context["dropped"], context["summary"], context["notes"]) == (1, 0, False, 0)
    assert done == list(client.submit(**conversation, api_name="/resume"))[-1]


def test_usage_is_told_and_kept(client: Client) -> None:
    conversation = start(client)
    done = list(client.submit(**conversation, message="hi", api_name="/chat_events"))[-1]
    assert done["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    stored = client.predict(**conversation, api_name="/history")["messages"][1]
    assert stored["usage"] == done["usage"]


def test_a_caller_that_left_resumes_after_the_id_it_saw_last(client: Client) -> None:
    conversation = start(client)
    words = "a b c d e f [[slow]]"
    job = client.submit(**conversation, message=words, api_name="/chat_events")
    seen: list[dict[str, Any]] = []
    for event in job:
        seen.append(event)
        if len(seen) == 3:
            break
    job.cancel()
    rest = list(client.submit(**conversation, after=seen[-1]["id"], api_name="/resume"))
    assert rest[-1]["status"] == "done"
    text = "".join(event["text"] for event in [*seen[1:], *rest[:-1]])
    assert text == f"You said: {words}" == rest[-1]["message"]["content"]


def test_resume_from_the_beginning_tells_the_turn(client: Client) -> None:
    conversation = start(client)
    first = list(client.submit(**conversation, message="hi", api_name="/chat_events"))
    again = list(client.submit(**conversation, api_name="/resume"))
    assert again[0] == first[0]
    assert again[-1] == first[-1]
    for after in (first[-2]["id"], int(first[-2]["id"])):
        assert list(client.submit(**conversation, after=after, api_name="/resume")) == [first[-1]]


def test_stop_keeps_what_there_is_and_says_how_much(client: Client, app: RunningApp) -> None:
    conversation = start(client)
    job = client.submit(**conversation, message="[[stall]] please", api_name="/chat_events")
    events = [next(job), next(job)]
    with connected(app) as other:
        stopped = other.predict(**conversation, api_name="/stop")
    events += list(job)
    kept = events[-1]["message"]["content"]
    assert stopped == {"stopped": True, "turn_id": events[0]["turn_id"], "characters": len(kept)}
    assert events[-1]["status"] == "stopped"
    assert kept
    history = client.predict(**conversation, api_name="/history")["messages"]
    assert (history[1]["status"], history[1]["content"]) == ("stopped", kept)


def test_stop_without_a_reply_is_no_error(client: Client) -> None:
    assert client.predict(**start(client), api_name="/stop") == {
        "stopped": False,
        "turn_id": "",
        "characters": 0,
    }


def test_what_is_taken_back_can_be_restored_until_the_conversation_goes_on(client: Client) -> None:
    conversation = start(client)
    client.predict(**conversation, message="one", api_name="/chat")
    before = client.predict(**conversation, api_name="/history")
    undone = client.predict(**conversation, api_name="/undo")
    assert undone["message"] == "one"
    assert client.predict(**conversation, api_name="/history")["messages"] == []
    restored = client.predict(**conversation, restore_id=undone["restore_id"], api_name="/restore")
    assert restored == {"session_id": conversation["session_id"], "restored": True}
    assert client.predict(**conversation, api_name="/history") == before
    undone = client.predict(**conversation, api_name="/undo")
    client.predict(**conversation, message="two", api_name="/chat")
    with pytest.raises(AppError, match="nothing was changed"):
        client.predict(**conversation, restore_id=undone["restore_id"], api_name="/restore")


def test_images_are_sent_with_a_message_and_kept(
    client: Client, provider: FakeOpenAI, tmp_path: Path
) -> None:
    conversation = start(client)
    (file := tmp_path / "cat.png").write_bytes(picture("PNG", (20, 10)))
    images = [handle_file(file)]
    assert client.predict(**conversation, message="Who is it?", images=images, api_name="/chat")
    list(client.submit(**conversation, message="", images=images, api_name="/chat_events"))
    first, _, second, _ = client.predict(**conversation, api_name="/history")["messages"]
    assert [(image["width"], image["height"]) for image in (*first["images"], *second["images"])] == [
        (20, 10)
    ] * 2
    sent = [
        m["content"] for r in provider.requests for m in r.body.get("messages", ()) if m["role"] == "user"
    ]
    assert sent[-2][1]["image_url"]["url"].startswith("data:image/")
    assert [text_of(content) for content in sent[-2:]] == ["Who is it?", ""]


def test_another_reply_is_asked_for_and_the_first_one_kept(client: Client) -> None:
    conversation = start(client)
    client.predict(**conversation, message="one", api_name="/chat")
    events = list(client.submit(**conversation, model="other", api_name="/regenerate"))
    assert (events[0]["type"], events[-1]["status"]) == ("started", "done")
    asked, replied = client.predict(**conversation, api_name="/history")["messages"]
    assert replied == events[-1]["message"]
    assert [(m["content"], m["model"]) for m in asked["earlier"]] == [("You said: one", "fake")]
    assert replied["model"] == "other"


def test_a_reply_that_was_cut_is_continued(client: Client, provider: FakeOpenAI) -> None:
    conversation = start(client)
    provider.answers.append(stream(text("one "), finish("length"), DONE))
    ended = list(client.submit(**conversation, message="count", api_name="/chat_events"))[-1]
    assert (ended["status"], ended["message"]["finish_reason"]) == ("done", "length")
    provider.answers.append(stream(text("two "), text("three"), finish(), DONE))
    events = list(client.submit(**conversation, api_name="/continue_reply"))
    assert [event["type"] for event in (events[0], events[-1])] == ["started", "done"]
    assert "".join(event["text"] for event in events[1:-1]) == "two three"
    assert [int(event["id"]) for event in events[1:-1]][-1] == len("one two three")
    assert events[-1]["message"]["id"] == ended["message"]["id"]
    messages = client.predict(**conversation, api_name="/history")["messages"]
    assert [m["content"] for m in messages] == ["count", "one two three"]
    rest = list(client.submit(**conversation, after=str(len("one ")), api_name="/resume"))
    assert "".join(event["text"] for event in rest[:-1]) == "two three"


def test_several_reply_side_by_side_and_one_is_chosen(client: Client, provider: FakeOpenAI) -> None:
    conversation = start(client)
    roles = ["teacher", "chef", "other"]
    events = list(client.submit(**conversation, message="why", roles=roles, api_name="/panel"))
    started = events[:3]
    done = sorted((event for event in events if event["type"] == "done"), key=_place_in(started))
    assert [(event["type"], event["role"], event["model"]) for event in started] == [
        ("started", "teacher", "fake"),
        ("started", "chef", "fake"),
        ("started", "assistant", "other"),
    ]
    ids = [int(event["id"]) for event in events if "id" in event]
    assert ids == sorted(ids)
    for begun, ended in zip(started, done, strict=True):
        *pieces, last = [event for event in events[3:] if event["turn_id"] == begun["turn_id"]]
        assert (last, ended["status"]) == (ended, "done")
        assert "".join(piece["text"] for piece in pieces) == ended["message"]["content"] == "You said: why"
    again = list(client.submit(**conversation, api_name="/resume"))
    ended_again = (event for event in again if event["type"] == "done")
    assert (again[:3], sorted(ended_again, key=_place_in(started))) == (started, done)
    chosen = done[1]["turn_id"]
    answer = client.predict(**conversation, turn_id=chosen, api_name="/choose_reply")
    assert answer == {"session_id": conversation["session_id"], "turn_id": chosen}
    asked, reply = client.predict(**conversation, api_name="/history")["messages"]
    assert (reply["turn_id"], reply["as_role"], len(asked["earlier"])) == (chosen, "chef", 2)


def _place_in(started: list[dict[str, Any]]) -> Callable[[dict[str, Any]], int]:
    turn_ids = [event["turn_id"] for event in started]
    return lambda event: turn_ids.index(event["turn_id"])


def test_one_of_several_is_chosen_as_soon_as_it_has_ended(client: Client, provider: FakeOpenAI) -> None:
    conversation = start(client)
    provider.answers += [stream(text("Hm"), asyncio.Event()), reply("Because.")]
    done: list[dict[str, Any]] = []
    for event in client.submit(**conversation, message="why", roles=["teacher", "chef"], api_name="/panel"):
        if event["type"] == "done":
            done.append(event)
        if event["type"] == "done" and len(done) == 1:
            client.predict(**conversation, turn_id=event["turn_id"], api_name="/choose_reply")
    assert [(event["status"], event["message"]["content"]) for event in done] == [
        ("done", "Because."),
        ("stopped", "Hm"),
    ]
    asked, replied = client.predict(**conversation, api_name="/history")["messages"]
    assert (replied["turn_id"], [m["content"] for m in asked["earlier"]]) == (done[0]["turn_id"], ["Hm"])
    after = done[0]["id"]
    rest = list(client.submit(**conversation, after=after, api_name="/resume"))
    assert [event["status"] for event in rest] == ["stopped"]


def test_who_is_named_at_the_beginning_replies_once(client: Client) -> None:
    conversation = start(client)
    replied = [
        list(client.submit(**conversation, message=message, role="teacher", api_name="/chat_events"))[-1]
        for message in ("@chef why", "why")
    ]
    assert [event["message"]["as_role"] for event in replied] == ["chef", "teacher"]


def test_an_earlier_message_is_corrected(client: Client) -> None:
    conversation = start(client)
    for message in ("one", "two"):
        client.predict(**conversation, message=message, api_name="/chat")
    first = client.predict(**conversation, api_name="/history")["messages"][0]
    events = list(
        client.submit(**conversation, message_id=first["id"], message="three", api_name="/edit_message")
    )
    assert "".join(event["text"] for event in events[1:-1]) == "You said: three"
    messages = client.predict(**conversation, api_name="/history")["messages"]
    assert [m["content"] for m in messages] == ["three", "You said: three"]


def test_a_conversation_is_pinned_found_and_tells_its_last_line(client: Client) -> None:
    conversation = start(client)
    user = {"user_id": conversation["user_id"]}
    client.predict(**conversation, message="Rain\n  and   snow \n", api_name="/chat")
    other = start(client, **user)
    pinned = client.predict(**conversation, api_name="/pin_session")
    assert pinned == {"session_id": conversation["session_id"], "pinned": True}
    found = client.predict(**user, query="SNOW", api_name="/search_sessions")
    assert (found["total"], found["sessions"][0]["session_id"]) == (1, conversation["session_id"])
    assert (found["sessions"][0]["last_line"], found["sessions"][0]["pinned"]) == ("and snow", True)
    assert client.predict(**conversation, pinned=False, api_name="/pin_session")["pinned"] is False
    moved = client.predict(**conversation, folder=" Weather ", api_name="/move_session")
    assert moved == {"session_id": conversation["session_id"], "folder": "Weather"}
    found = client.predict(**user, query="folder:Weather", api_name="/search_sessions")
    assert [(s["session_id"], s["folder"]) for s in found["sessions"]] == [(moved["session_id"], "Weather")]
    listed = client.predict(**user, api_name="/sessions")["sessions"]
    assert [(s["session_id"], s["pinned"], s["last_line"]) for s in listed] == [
        (other["session_id"], False, ""),
        (conversation["session_id"], False, "and snow"),
    ]


def test_an_exported_conversation_is_imported(client: Client, tmp_path: Path) -> None:
    conversation = start(client, role="teacher")
    client.predict(**conversation, message="one", api_name="/chat")
    exported = client.predict(**conversation, api_name="/export_session")
    assert (exported["session_id"], exported["filename"]) == (conversation["session_id"], "one.json")
    (file := tmp_path / "one.json").write_text(exported["content"], encoding="utf-8")
    imported = client.predict("u_bob", handle_file(file), api_name="/import_session")
    assert (imported["title"], imported["role"], imported["messages"]) == ("one", "teacher", 2)
    copy = {"user_id": "u_bob", "session_id": imported["session_id"]}
    contents = [m["content"] for m in client.predict(**copy, api_name="/history")["messages"]]
    assert contents == ["one", "You said: one"]
    document = client.predict(**copy, format="markdown", api_name="/export_session")
    assert document["filename"] == "one.md"
    assert document["content"].startswith("# one\n\n## You · ")
    assert "Teacher" in document["content"]


def test_everything_is_exported_and_imported_and_so_are_the_conversations_of_other_apps(
    client: Client, tmp_path: Path
) -> None:
    conversation = start(client)
    user = {"user_id": conversation["user_id"]}
    client.predict(**conversation, message="one", api_name="/chat")
    client.predict(**user, role={"name": "Poet", "prompt": "Rhyme."}, api_name="/save_role")
    exported = client.predict(**user, api_name="/export_all")
    (file := tmp_path / exported["filename"]).write_bytes(b64decode(exported["base64"]))
    found = client.predict("u_archive", handle_file(file), api_name="/import_session")
    counts = {"sessions": [found["session_id"]], "roles": 1, "notes": 0}
    assert (found["title"], found["imported"], found["rejected"]) == ("one", counts, [])
    said = [{"sender": "human", "text": "Hi"}, {"sender": "assistant", "text": "Hello."}]
    theirs = [{"name": "One", "chat_messages": said}, {"name": "Two"}]
    (file := tmp_path / "conversations.json").write_text(json.dumps(theirs), encoding="utf-8")
    found = client.predict("u_archive", handle_file(file), api_name="/import_session")
    assert (found["title"], found["messages"]) == ("One", 2)
    assert [part["name"] for part in found["rejected"]] == ["Two"]


def test_a_file_of_the_server_is_not_read_for_a_caller(client: Client, tmp_path: Path) -> None:
    conversation = start(client)
    exported = client.predict(**conversation, api_name="/export_session")["content"]
    (file := tmp_path / "secret.json").write_text(exported, encoding="utf-8")
    for named in (
        {"path": str(file)},
        {"path": f"{file}\0"},
        {"path": "https://example.org"},
        str(file),
        None,
    ):
        with pytest.raises((AppError, HTTPStatusError)):
            client.predict(conversation["user_id"], named, api_name="/import_session")
    assert client.predict(user_id=conversation["user_id"], api_name="/sessions")["total"] == 1


def test_a_conversation_is_begun_from_a_message_of_another(client: Client) -> None:
    conversation = start(client, role="teacher")
    for message in ("one", "two"):
        client.predict(**conversation, message=message, api_name="/chat")
    reply = client.predict(**conversation, api_name="/history")["messages"][1]
    branch = client.predict(**conversation, message_id=reply["id"], api_name="/branch")
    copy = conversation | branch
    assert set(branch) == {"session_id"}
    assert client.predict(**copy, message="three", api_name="/chat") == "You said: three"
    contents = [m["content"] for m in client.predict(**copy, api_name="/history")["messages"]]
    assert contents == ["one", "You said: one", "three", "You said: three"]
    assert client.predict(**conversation, api_name="/history")["total"] == 4
    listed = client.predict(user_id=conversation["user_id"], api_name="/sessions")["sessions"]
    assert [(s["role"], s["branched_from"]) for s in listed] == [
        ("teacher", conversation["session_id"]),
        ("teacher", ""),
    ]


def test_a_second_message_while_a_reply_runs_is_refused_and_not_stored(client: Client) -> None:
    conversation = start(client)
    job = client.submit(**conversation, message="[[stall]]", api_name="/chat_events")
    next(job)
    with pytest.raises(AppError, match="still being written"):
        client.predict(**conversation, message="impatient", api_name="/chat")
    client.predict(**conversation, api_name="/stop")
    contents = [m["content"] for m in client.predict(**conversation, api_name="/history")["messages"]]
    assert "impatient" not in contents


@pytest.mark.parametrize(
    ("keyword", "code", "reason"),
    [
        ("401", "model_auth_failed", "Unauthorized"),
        ("404", "model_not_found", "Not Found"),
        ("429", "model_rate_limited", "Too Many"),
        ("cut", "model_disconnected", ""),
        ("garbage", "model_garbled", ""),
        ("failure", "model_server_failed", "overloaded"),
        ("context", "context_too_long", "too long"),
        ("silent", "model_silent", ""),
    ],
)
def test_a_failed_turn_ends_with_its_kind_and_the_providers_reason(
    client: Client, keyword: str, code: str, reason: str
) -> None:
    conversation = start(client)
    done = list(client.submit(**conversation, message=f"[[{keyword}]] x", api_name="/chat_events"))[-1]
    assert (done["type"], done["status"]) == ("done", "failed")
    assert done["error"]["code"] == code
    assert reason in done["error"]["message"]
    if keyword == "429":
        assert done["error"]["retry_after"] == 30
    stored = client.predict(**conversation, api_name="/history")["messages"]
    assert [m["content"] for m in stored if m["role"] == "user"] == [f"[[{keyword}]] x"]
    assert [m["status"] for m in stored if m["role"] == "assistant"] == (
        ["failed"] if done["message"] else []
    )
    with pytest.raises(AppError, match=done["error"]["message"][:20]):
        client.predict(**conversation, message=f"[[{keyword}]]", api_name="/chat")


BAD_INPUT = [
    ("/start_chat", {"user_id": "no spaces"}, "user_id must be"),
    ("/start_chat", {"user_id": "{tag}"}, "user_id must be"),
    ("/start_chat", {"role": "pirate"}, "no such role"),
    ("/start_chat", {"variables": {"topic": "sums"}}, "variables.topic must be"),
    ("/start_chat", {"variables": ["topic"]}, "variables must be"),
    ("/chat", {"message": ""}, "write something"),
    ("/chat", {"message": " \n\t"}, "write something"),
    ("/chat", {"message": "x" * 2001}, "at most 2000"),
    ("/chat", {"message": 7}, "message must be text"),
    ("/chat", {"message": "hi", "role": "pirate"}, "no such role"),
    ("/chat", {"message": "hi", "model": "gpt-9"}, "no such model"),
    ("/chat", {"message": "hi", "session_id": "../x"}, "session_id must be"),
    ("/chat", {"message": "hi", "session_id": "unknown"}, "not found"),
    ("/chat", {"message": "hi", "user_id": "somebody-else"}, "not found"),
    ("/chat_events", {"message": "hi", "session_id": "unknown"}, "not found"),
    ("/resume", {"after": "soon"}, "after must be"),
    ("/resume", {"after": -1}, "after must be"),
    ("/resume", {"after": True}, "after must be"),
    ("/resume", {}, "Nothing was said"),
    ("/resume", {"user_id": "somebody-else"}, "not found"),
    ("/stop", {"user_id": "somebody-else"}, "not found"),
    ("/undo", {"user_id": "somebody-else"}, "not found"),
    ("/undo", {}, "Nothing was said"),
    ("/restore", {"restore_id": "unknown"}, "no longer there"),
    ("/restore", {"restore_id": "../x"}, "restore_id must be"),
    ("/restore", {"restore_id": "unknown", "user_id": "somebody-else"}, "not found"),
    ("/history", {"user_id": "somebody-else"}, "not found"),
    ("/history", {"limit": -1}, "limit must be"),
    ("/history", {"limit": "many"}, "limit must be"),
    ("/clear_history", {"user_id": "somebody-else"}, "not found"),
    ("/rename_session", {"title": " "}, "title must be"),
    ("/rename_session", {"title": "x" * 61}, "title must be"),
    ("/rename_session", {"title": "mine", "user_id": "somebody-else"}, "not found"),
    ("/delete_session", {"user_id": "somebody-else"}, "not found"),
    ("/chat", {"message": "hi", "images": "cat.png"}, "images must be"),
    ("/regenerate", {}, "Nothing was said"),
    ("/regenerate", {"user_id": "somebody-else"}, "not found"),
    ("/continue_reply", {}, "nothing to continue"),
    ("/continue_reply", {"user_id": "somebody-else"}, "not found"),
    ("/edit_message", {"message_id": "unknown", "message": "hi"}, "no longer there"),
    ("/panel", {"message": "hi", "roles": ["teacher"]}, "roles must be"),
    ("/panel", {"message": "hi", "roles": ["teacher", "nobody"]}, "no such role"),
    ("/panel", {"message": "hi", "roles": ["teacher", "chef"], "user_id": "somebody-else"}, "not found"),
    ("/choose_reply", {"turn_id": "unknown"}, "no longer there"),
    ("/choose_reply", {"turn_id": "x", "user_id": "somebody-else"}, "not found"),
    ("/edit_message", {"message_id": "{x}", "message": "hi"}, "message_id must be"),
    ("/edit_message", {"message_id": "x", "message": "hi", "user_id": "somebody-else"}, "not found"),
    ("/pin_session", {"pinned": "yes"}, "pinned must be"),
    ("/pin_session", {"user_id": "somebody-else"}, "not found"),
    ("/branch", {"message_id": "unknown"}, "no longer there"),
    ("/branch", {"message_id": "{x}"}, "message_id must be"),
    ("/branch", {"message_id": "x", "user_id": "somebody-else"}, "not found"),
    ("/summary", {"user_id": "somebody-else"}, "not found"),
    ("/save_summary", {"summary": "x" * 4001}, "summary must be"),
    ("/save_summary", {"summary": 7}, "summary must be"),
    ("/save_summary", {"summary": "x", "user_id": "somebody-else"}, "not found"),
    ("/notes", {"role": "nobody"}, "no such role"),
    ("/save_note", {"role": "teacher", "text": " "}, "text must be"),
    ("/save_note", {"role": "teacher", "text": "x" * 501}, "text must be"),
    ("/save_note", {"role": "nobody", "text": "x"}, "no such role"),
    ("/delete_note", {"role": "teacher", "note_id": "unknown"}, "no longer there"),
    ("/delete_note", {"role": "teacher", "note_id": "{x}"}, "note_id must be"),
    ("/share", {}, "Nothing was said"),
    ("/share", {"days": 0}, "days must be"),
    ("/share", {"user_id": "somebody-else"}, "not found"),
    ("/unshare", {"token": "unknown"}, "not there, or no longer"),
    ("/import_share", {"token": "{x}"}, "not there, or no longer"),
    ("/export_session", {"format": "pdf"}, "format must be"),
    ("/export_session", {"user_id": "somebody-else"}, "not found"),
    ("/sessions", {"user_id": ""}, "user_id must be"),
]


@pytest.fixture(scope="module")
def untouched(client: Client) -> dict[str, str]:
    """A conversation in which nothing is said."""
    return start(client)


@pytest.mark.parametrize(
    ("endpoint", "fields", "sentence"),
    BAD_INPUT,
    ids=[f"{name[1:]}-{'-'.join(fields) or 'empty'}-{i}" for i, (name, fields, _) in enumerate(BAD_INPUT)],
)
def test_bad_input_gets_a_clear_sentence_and_changes_nothing(
    client: Client, untouched: dict[str, str], endpoint: str, fields: dict[str, Any], sentence: str
) -> None:
    named = {} if endpoint in ("/start_chat", "/sessions") else untouched
    if "note" in endpoint or "token" in fields:
        named = {"user_id": untouched["user_id"]}
    with pytest.raises(AppError, match=sentence):
        client.predict(**{**named, **fields}, api_name=endpoint)
    (session,) = client.predict(user_id=untouched["user_id"], api_name="/sessions")["sessions"]
    assert (session["title"], session["role"], session["messages"]) == ("", "assistant", 0)


def test_sessions_are_listed_renamed_cleared_and_deleted(client: Client) -> None:
    conversation = start(client)
    user = {"user_id": conversation["user_id"]}
    client.predict(**conversation, message="What is rain?\nAnd snow?", api_name="/chat")
    other = start(client, **user)
    listed = client.predict(**user, api_name="/sessions")
    assert listed["total"] == 2
    assert [s["session_id"] for s in listed["sessions"]] == [
        other["session_id"],
        conversation["session_id"],
    ]
    talked = listed["sessions"][1]
    assert (talked["title"], talked["role"], talked["messages"]) == ("What is rain?", "assistant", 2)
    assert talked["updated_at"] > 1.7e9

    renamed = client.predict(**conversation, title="  Weather  ", api_name="/rename_session")
    assert renamed == {"session_id": conversation["session_id"], "title": "Weather"}
    cleared = client.predict(**conversation, api_name="/clear_history")
    assert cleared == {"session_id": conversation["session_id"], "cleared": 2}
    assert client.predict(**conversation, api_name="/history")["messages"] == []
    client.predict(**conversation, api_name="/delete_session")
    left = client.predict(**user, api_name="/sessions")
    assert [s["session_id"] for s in left["sessions"]] == [other["session_id"]]
    with pytest.raises(AppError, match="not found"):
        client.predict(**conversation, api_name="/history")


def test_roles_and_models_are_listed_without_the_prompts(client: Client) -> None:
    roles = client.predict(api_name="/roles")
    assert roles["default_role"] == "assistant"
    assert [role["key"] for role in roles["roles"]] == [role.key for role in BUILT_IN]
    assert roles["roles"][1]["name"] == {"zh": "老师", "en": "Teacher"}
    assert all(role["description"]["en"] and role["description"]["zh"] for role in roles["roles"])
    assert all("prompt" not in role and role["variables"] == {} for role in roles["roles"])
    models = client.predict(api_name="/models")
    assert (models["models"], models["default_model"]) == (["fake", "other"], "fake")
    fake, other = models["details"]
    assert (fake["name"], fake["provider"].split(":")[0], fake["model"]) == ("fake", "127.0.0.1", "fake")
    assert (fake["vision"], other["vision"], other["efforts"], other["price"]) == (True, False, [], None)


def test_a_user_makes_a_role_speaks_with_it_and_deletes_it(client: Client, provider: FakeOpenAI) -> None:
    user = start(client)["user_id"]
    written = {"name": "Poet", "prompt": "Rhyme.", "welcome_message": "Ahoy", "temperature": 0.5}
    poet = client.predict(user_id=user, role=written | {"description": "In verse"}, api_name="/save_role")
    assert poet["name"] == {"zh": "Poet", "en": "Poet"}
    assert (poet["prompt"], poet["temperature"]) == ("Rhyme.", 0.5)
    (listed,) = client.predict(user_id=user, api_name="/roles")["roles"][len(BUILT_IN) :]
    assert listed == poet
    begun = client.predict(user_id=user, role=poet["key"], api_name="/start_chat")
    assert (begun["role"], begun["welcome_message"]) == (poet["key"], "Ahoy")
    conversation = {"user_id": user, "session_id": begun["session_id"]}
    client.predict(**conversation, message="a poem", api_name="/chat")
    sent = next(r.body for r in reversed(provider.requests) if r.said == "a poem")
    assert (sent["messages"][0]["content"], sent["temperature"]) == ("Rhyme.", 0.5)
    louder = poet | {"prompt": "Rhyme loudly."}
    assert client.predict(user_id=user, role=louder, api_name="/save_role") == louder
    deleted = client.predict(user_id=user, key=poet["key"], api_name="/delete_role")
    assert deleted == {"key": poet["key"], "deleted": True}
    assert client.predict(user_id=user, api_name="/roles") == client.predict(api_name="/roles")
    with pytest.raises(AppError, match=r"role\.key"):
        client.predict(user_id=user, key=poet["key"], api_name="/delete_role")


def test_a_conversation_begins_with_values_for_the_variables_of_its_role(
    client: Client, provider: FakeOpenAI
) -> None:
    user = start(client)["user_id"]
    written = {"name": "Tutor", "prompt": "{{topic}}, {{level=easy}}.", "welcome_message": "On {{topic}}:"}
    tutor = client.predict(user_id=user, role=written, api_name="/save_role")
    begun = client.predict(
        user_id=user, role=tutor["key"], variables={"topic": "sums"}, api_name="/start_chat"
    )
    assert (begun["variables"], begun["welcome_message"]) == ({"topic": "sums", "level": "easy"}, "On sums:")
    client.predict(user_id=user, session_id=begun["session_id"], message="a lesson", api_name="/chat")
    sent = next(r.body for r in reversed(provider.requests) if r.said == "a lesson")
    assert sent["messages"][0]["content"] == "sums, easy."


def test_roles_are_imported_from_a_file(client: Client, tmp_path: Path) -> None:
    user = start(client)["user_id"]
    (table := tmp_path / "prompts.csv").write_text('act,prompt\nPoet,"Rhyme, always."\nNobody,\n')
    imported = client.predict(user, handle_file(table), api_name="/import_roles")
    assert [(role["name"]["en"], role["prompt"]) for role in imported["roles"]] == [
        ("Poet", "Rhyme, always.")
    ]
    assert imported["rejected"] == [{"name": "Nobody", "reason": "role.prompt must be some text."}]
    (file := tmp_path / "roles.toml").write_text(
        '# Mine\n[[roles]]\nkey = "x"\nname = "Pirate"\nprompt = "Arr."'
    )
    client.predict(user, handle_file(file), api_name="/import_roles")
    own = client.predict(user_id=user, api_name="/roles")["roles"][len(BUILT_IN) :]
    assert [role["name"]["en"] for role in own] == ["Poet", "Pirate"]
    (file := tmp_path / "other.json").write_text('{"roles": 3}')
    with pytest.raises(AppError, match="roles must be a list of roles"):
        client.predict(user, handle_file(file), api_name="/import_roles")


def test_a_role_that_cannot_be_kept_is_refused_with_its_field(client: Client) -> None:
    user = start(client)["user_id"]
    for role, told in (
        ({"name": "Poet"}, "role.prompt must be present"),
        ("Poet", "an object"),
        (None, "an object"),
    ):
        with pytest.raises(AppError, match=told):
            client.predict(user_id=user, role=role, api_name="/save_role")
    stranger = {"key": "teacher", "name": "T", "prompt": "P"}
    with pytest.raises(AppError, match="a role of your own"):
        client.predict(user_id=user, role=stranger, api_name="/save_role")


def test_a_role_given_with_a_message_answers_from_then_on(client: Client) -> None:
    conversation = start(client)
    client.predict(**conversation, message="hi", role="teacher", api_name="/chat")
    (session,) = client.predict(user_id=conversation["user_id"], api_name="/sessions")["sessions"]
    assert session["role"] == "teacher"


def test_errors_speak_the_callers_language(app: RunningApp) -> None:
    with (
        connected(app, headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}) as client,
        pytest.raises(AppError, match="请先输入内容"),
    ):
        client.predict(**start(client), message="", api_name="/chat")


def test_every_endpoint_is_documented_with_its_parameters_in_order(client: Client) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    conversation = ["user_id", "session_id"]
    said = [*conversation, "message", "role", "model"]
    assert {
        name: [parameter["parameter_name"] for parameter in info["parameters"]]
        for name, info in endpoints.items()
    } == {
        "/start_chat": ["user_id", "role", "variables"],
        "/chat": [*said, "images"],
        "/chat_events": [*said, "images"],
        "/regenerate": [*conversation, "role", "model"],
        "/edit_message": [*conversation, "message_id", "message"],
        "/continue_reply": conversation,
        "/panel": [*conversation, "message", "roles"],
        "/choose_reply": [*conversation, "turn_id"],
        "/generate_image": [*conversation, "prompt", "images", "size", "quality", "model"],
        "/picture": [*conversation, "image_id"],
        "/resume": [*conversation, "after"],
        "/stop": conversation,
        "/undo": conversation,
        "/restore": [*conversation, "restore_id"],
        "/history": [*conversation, "limit"],
        "/clear_history": conversation,
        "/sessions": ["user_id"],
        "/search_sessions": ["user_id", "query"],
        "/rename_session": [*conversation, "title"],
        "/pin_session": [*conversation, "pinned"],
        "/move_session": [*conversation, "folder"],
        "/export_session": [*conversation, "format"],
        "/export_all": ["user_id"],
        "/import_session": ["user_id", "file"],
        "/import_roles": ["user_id", "file"],
        "/share": [*conversation, "days"],
        "/unshare": ["user_id", "token"],
        "/shares": ["user_id"],
        "/import_share": ["user_id", "token"],
        "/branch": [*conversation, "message_id"],
        "/summary": conversation,
        "/save_summary": [*conversation, "summary"],
        "/notes": ["user_id", "role"],
        "/save_note": ["user_id", "role", "text"],
        "/delete_note": ["user_id", "role", "note_id"],
        "/delete_session": conversation,
        "/roles": ["user_id"],
        "/save_role": ["user_id", "role"],
        "/delete_role": ["user_id", "key"],
        "/models": [],
    }


def test_nothing_secret_is_logged(client: Client, app: RunningApp) -> None:
    conversation = start(client)
    client.predict(**conversation, message="my diary [[reason]]", api_name="/chat")
    with pytest.raises(AppError):
        client.predict(**conversation, message="my diary [[401]]", api_name="/chat")
    for secret in ("sk-secret-of-the-owner", "my diary", conversation["user_id"]):
        assert secret not in app.log
