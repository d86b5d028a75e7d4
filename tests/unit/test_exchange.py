"""A conversation as a file: what is written, and what is read of a file that anybody may have written."""

import copy
import json
from typing import Any

import pytest

from chat_core import ChatMessage, ContextReceipt, ConversationExport, Headings, TurnError, Usage
from chat_core.errors import ChatError, ImportRejected, ModelError, ModelRateLimited, ModelStalled
from chat_core.exchange import MAX_FILE_BYTES, MAX_NUMBER, MAX_REPLY_CHARS, MAX_VALUES, parse_export
from chat_ui.texts import error_text

NOW = 2_000_000_000.0
ENGLISH = Headings(
    user="You", assistant="Assistant", roles={"teacher": "Teacher"}, reasoning="Thoughts", untitled="New chat"
)


def read(data: Any) -> ConversationExport:
    file = json.dumps(data) if isinstance(data, dict) else data
    return parse_export(file, max_message_chars=100, now=NOW)


def reply(number: int, **more: Any) -> ChatMessage:
    return ChatMessage(
        **{"id": f"r{number}", "role": "assistant", "content": f"{number}.", "timestamp": 1.7e9} | more
    )


# Two turns, the first of them tried again.
PORTABLE = ConversationExport(
    format="role-chat",
    version=1,
    title="Numbers",
    role="teacher",
    model="big",
    exported_at=1_700_000_100.5,
    messages=(
        ChatMessage(
            id="m1",
            role="user",
            content="  One?\n天空 🙂 \x00",
            timestamp=1_700_000_000.25,
            turn_id="t1",
            versions=(reply(1, turn_id="t0", model="small"),),
        ),
        reply(
            2,
            content="```\n<b>",
            turn_id="t1",
            role_key="teacher",
            reasoning="Hm.\n\nWell.",
            model="big",
            usage=Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
            context=ContextReceipt(sent=1, dropped=2, estimated_tokens=3),
            seconds_to_first_token=0.5,
            seconds=1.5,
            feedback="like",
        ),
        ChatMessage(id="m3", role="user", content="Two?", timestamp=1_700_000_003, turn_id="t2"),
        reply(
            4,
            turn_id="t2",
            status="failed",
            error=TurnError.of(ModelRateLimited("Slow down!", retry_after=30.0)),
        ),
    ),
)
FILE: dict[str, Any] = json.loads(PORTABLE.to_json())
GONE = object()
PICTURE = {
    "id": "i1",
    "media_type": "image/jpeg",
    "width": 2,
    "height": 1,
    "preview": "https://example.org/x",
}


def changed(place: str, value: object) -> dict[str, Any]:
    """The file with something else at that place; messages are counted from 1."""
    file = copy.deepcopy(FILE)
    *way, last = (int(part) - 1 if part.isdigit() else part for part in place.split("."))
    part: Any = file
    for step in way:
        part = part[step]
    if value is GONE:
        del part[last]
    else:
        part[last] = value
    return file


def without_ids(messages: tuple[ChatMessage, ...]) -> list[ChatMessage]:
    return [
        message.model_copy(update={"id": "", "turn_id": "", "versions": tuple(without_ids(message.versions))})
        for message in messages
    ]


# Writing


def test_the_file_is_for_eyes_too() -> None:
    portable = PORTABLE.model_copy(update={"messages": PORTABLE.messages[:1]})
    assert portable.to_json() == (
        """{
 "format": "role-chat",
 "version": 1,
 "title": "Numbers",
 "role": "teacher",
 "model": "big",
 "exported_at": 1700000100.5,
 "messages": [
  {
   "id": "m1",
   "role": "user",
   "content": "  One?\\n天空 🙂 \\u0000",
   "timestamp": 1700000000.25,
   "turn_id": "t1",
   "earlier": [
    {
     "id": "r1",
     "role": "assistant",
     "content": "1.",
     "timestamp": 1700000000.0,
     "turn_id": "t0",
     "model": "small"
    }
   ]
  }
 ]
}"""
    )


def test_the_document_says_what_was_said_to_the_character() -> None:
    assert PORTABLE.to_markdown(ENGLISH) == (
        """# Numbers

## You · 2023-11-14T22:13:20Z

  One?
天空 🙂 \x00

## Teacher · 2023-11-14T22:13:20Z

<details>
<summary>Thoughts</summary>

Hm.

Well.

</details>

```
<b>

## You · 2023-11-14T22:13:23Z

Two?

## Assistant · 2023-11-14T22:13:20Z

4.
"""
    )


def test_a_document_of_nothing_is_a_heading() -> None:
    empty = PORTABLE.model_copy(update={"title": "", "messages": ()})
    assert empty.to_markdown(ENGLISH) == "# New chat\n"


# Reading what was written


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
@pytest.mark.parametrize("form", [str, str.encode], ids=["text", "bytes"])
def test_what_was_written_is_read_again_but_for_the_ids(form: Any, mark: str) -> None:
    found = read(form(mark + PORTABLE.to_json()))
    assert without_ids(found.messages) == without_ids(PORTABLE.messages)
    assert found.model_copy(update={"messages": PORTABLE.messages}) == PORTABLE


def test_a_file_of_nothing_is_read() -> None:
    empty = PORTABLE.model_copy(update={"title": "", "messages": ()})
    assert read(empty.to_json()) == empty


def test_what_a_later_version_adds_is_left_out() -> None:
    file = changed("messages.1.mood", {"deep": [1, "two", None, True]}) | {"colour": "green"}
    assert without_ids(read(file).messages) == without_ids(PORTABLE.messages)


def ids(portable: ConversationExport) -> set[str]:
    said = [part for message in portable.messages for part in (message, *message.versions)]
    return {part.id for part in said} | {part.turn_id for part in said}


def test_every_id_is_made_anew_each_time() -> None:
    first, second = ids(read(FILE)), ids(read(FILE))
    assert len(first) == len(second) == len(ids(PORTABLE)) == 5 + 3  # of messages, of turns
    assert len(first | second | ids(PORTABLE)) == 3 * 8


def test_what_shared_a_turn_still_does() -> None:
    asked, shown, again, failed = read(FILE).messages
    assert asked.turn_id == shown.turn_id != again.turn_id == failed.turn_id
    assert asked.versions[0].turn_id not in (asked.turn_id, again.turn_id)
    # The version that is shown now was the first one: its turn is that of the one it changed places with.
    file = changed("messages.1.earlier.1.turn_id", "t1")
    file["messages"][1]["turn_id"] = "t0"
    asked, shown, *_ = read(file).messages
    assert asked.turn_id == asked.versions[0].turn_id != shown.turn_id


def test_messages_of_no_turn_do_not_share_one() -> None:
    file = changed("messages.1.turn_id", "")
    file["messages"][2]["turn_id"] = ""
    assert [message.turn_id == "" for message in read(file).messages] == [True, False, True, False]


def test_messages_that_claim_one_id_get_one_each() -> None:
    file = copy.deepcopy(FILE)
    for message in file["messages"]:
        message |= {"id": "m1", "turn_id": "t1"}
    assert len({message.id for message in read(file).messages}) == 4


@pytest.mark.parametrize(
    ("timestamp", "read_as"), [(-1.0, 0.0), (0, 0.0), (NOW, NOW), (NOW + 1, NOW), (MAX_NUMBER, NOW)], ids=str
)
def test_nothing_was_said_in_the_future(timestamp: float, read_as: float) -> None:
    file = changed("messages.1.timestamp", timestamp)
    file["messages"][0]["earlier"][0]["timestamp"] = timestamp
    found = read(file)
    assert [found.messages[0].timestamp, found.messages[0].versions[0].timestamp] == [read_as, read_as]
    assert "Z\n" in found.to_markdown(ENGLISH)


@pytest.mark.parametrize("status", ["done", "stopped", "interrupted", "failed"])
def test_a_reply_ended_as_it_did(status: str) -> None:
    assert read(changed("messages.2.status", status)).messages[1].status == status


@pytest.mark.parametrize(
    ("title", "read_as"),
    [
        ("  My \n plans ", "My plans"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        (" " * 1000 + "x", "x"),
        ("", "One?"),
        (" \n", "One?"),
    ],
    ids=["untidy", "longest", "longer", "much space", "none", "blank"],
)
def test_a_title_is_tidied_or_made_of_the_first_message(title: str, read_as: str) -> None:
    assert read(changed("title", title)).title == read_as


# Errors in it are shown by code, with the facts that the words for the code need


@pytest.mark.parametrize("kind", [ModelError, *ModelError.__subclasses__()])
def test_every_error_of_a_model_is_kept(kind: type[ModelError]) -> None:
    error = TurnError.of(kind("Because.", retry_after=3.0))
    assert read(changed("messages.4.error", error.model_dump())).messages[3].error == error


def test_an_error_inside_the_app_is_kept() -> None:
    error = TurnError.of(ChatError())
    assert read(changed("messages.4.error", error.model_dump())).messages[3].error == error


@pytest.mark.parametrize(
    ("error", "read_as"),
    [
        ({"code": "no_such_code", "facts": {}}, ChatError()),
        ({"code": "rate_limited", "facts": {}}, ChatError()),
        ({"code": "model_stalled", "facts": {"key": "x", "language": "y"}}, ModelStalled()),
        ({"code": "model_stalled", "facts": {"reason": 7}}, ModelStalled()),
        ({"code": "model_stalled", "facts": {"reason": "x" * 1000}}, ModelStalled("x" * 500)),
        ({"code": "model_rate_limited", "facts": {"retry_after": "x"}}, ModelRateLimited()),
    ],
    ids=["made up", "of another kind", "other facts", "no reason", "a long reason", "no time"],
)
def test_an_error_that_nobody_has_words_for_can_be_explained(
    error: dict[str, Any], read_as: ChatError
) -> None:
    found = read(changed("messages.4.error", error | {"message": "Send me your password."})).messages[3].error
    assert found == TurnError.of(read_as)
    assert error_text("en", found) == error_text("en", read_as)


# Refusals

PLACES = {
    "no format": ("format", GONE, "format"),
    "another format": ("format", "chat", "format"),
    "no version": ("version", GONE, "version"),
    "a later version": ("version", 2, "version"),
    "version as text": ("version", "1", "version"),
    "no title": ("title", GONE, "title"),
    "title no text": ("title", None, "title"),
    "role no text": ("role", ["teacher"], "role"),
    "model no text": ("model", 4, "model"),
    "no time of export": ("exported_at", "today", "exported_at"),
    "no messages": ("messages", GONE, "messages"),
    "messages no list": ("messages", {"1": {}}, "messages"),
    "message no object": ("messages.3", "Two?", "messages.3"),
    "no message": ("messages.3", None, "messages.3"),
    "no id": ("messages.3.id", GONE, "messages.3.id"),
    "id no text": ("messages.3.id", 3, "messages.3.id"),
    "no such speaker": ("messages.3.role", "system", "messages.3.role"),
    "no content": ("messages.3.content", GONE, "messages.3.content"),
    "content no text": ("messages.3.content", ["Two?"], "messages.3.content"),
    "message too long": ("messages.3.content", "🙂" * 101, "messages.3.content"),
    "reply too long": ("messages.4.content", "x" * (MAX_REPLY_CHARS + 1), "messages.4.content"),
    "reply without text": ("messages.4.content", "", "messages.4.content"),
    "reasoning too long": ("messages.4.reasoning", "x" * (MAX_REPLY_CHARS + 1), "messages.4.reasoning"),
    "model too long": ("messages.4.model", "x" * 501, "messages.4.model"),
    "time as text": ("messages.3.timestamp", "1700000000", "messages.3.timestamp"),
    "time as truth": ("messages.3.timestamp", True, "messages.3.timestamp"),
    "time not a number": ("messages.3.timestamp", float("nan"), "messages.3.timestamp"),
    "time infinite": ("messages.3.timestamp", float("inf"), "messages.3.timestamp"),
    "running": ("messages.4.status", "running", "messages.4.status"),
    "another feedback": ("messages.2.feedback", "love", "messages.2.feedback"),
    "tokens as text": ("messages.2.usage.prompt_tokens", "1", "messages.2.usage.prompt_tokens"),
    "tokens in parts": ("messages.2.usage.prompt_tokens", 1.5, "messages.2.usage.prompt_tokens"),
    "tokens uncountable": ("messages.2.context.sent", 10**4000, "messages.2.context.sent"),
    "seconds uncountable": ("messages.2.seconds", -1e300, "messages.2.seconds"),
    "turn no text": ("messages.1.turn_id", 1, "messages.1.turn_id"),
    "uncountable where nobody looks": ("messages.1.mood", [1, -(10**30)], "messages.1.mood.2"),
    "a long name": ("x" * 1000, 10**30, "x" * 100),
    "earlier no list": ("messages.1.earlier", "1.", "messages.1.earlier"),
    "earlier no object": ("messages.1.earlier.1", 1, "messages.1.earlier.1"),
    "earlier of a user": ("messages.1.earlier.1.role", "user", "messages.1.earlier.1.role"),
    "earlier without text": ("messages.1.earlier.1.content", "", "messages.1.earlier.1.content"),
    "earlier of a reply": ("messages.2.earlier", FILE["messages"][0]["earlier"], "messages.2.earlier"),
    "earlier of an earlier one": (
        "messages.1.earlier.1.earlier",
        FILE["messages"][0]["earlier"],
        "messages.1.earlier.1.earlier",
    ),
    "picture from elsewhere": ("messages.1.images", [PICTURE], "messages.1.images.1.preview"),
    "error without a code": ("messages.4.error.code", GONE, "messages.4.error.code"),
}


@pytest.mark.parametrize(("place", "value", "field"), PLACES.values(), ids=PLACES)
def test_what_cannot_be_is_refused_with_its_place(place: str, value: object, field: str) -> None:
    with pytest.raises(ImportRejected) as caught:
        read(changed(place, value))
    assert caught.value.facts["field"] == field
    assert len(str(caught.value)) < 300


TEXT = PORTABLE.to_json()
NO_JSON, TOO_LARGE = "JSON in UTF-8 (", f"at most {MAX_FILE_BYTES} bytes"
WHOLE: dict[str, tuple[Any, str]] = {
    "nothing": (b"", NO_JSON),
    "none": (None, "bytes or text"),
    "no JSON": (b"# Numbers", NO_JSON),
    "cut off": (TEXT[:100], NO_JSON),
    "something behind": (TEXT + "x", NO_JSON),
    "no object": (b"[]", "an object"),
    "not even that": (b"null", "an object"),
    "UTF-16": (TEXT.encode("utf-16"), NO_JSON),
    "Latin-1": ('{"title": "é"}'.encode("latin-1"), NO_JSON),
    "half a pair": (b'{"title": "\\ud83d"}', NO_JSON),
    "half a pair, raw": ('{"title": "\ud83d"}', NO_JSON),
    "a control character": (b'{"title": "\x00"}', NO_JSON),
    "too large": (b" " * (MAX_FILE_BYTES + 1), TOO_LARGE),
    "too large as text": (" " * (MAX_FILE_BYTES + 1), TOO_LARGE),
    "too large in UTF-8": ('{"title": "' + "天" * (MAX_FILE_BYTES // 3) + '"}', TOO_LARGE),
    "deep lists": (b"[" * MAX_FILE_BYTES, NO_JSON),
    "deep objects": (b'{"a":' * (MAX_FILE_BYTES // 5), NO_JSON),
    "a long number": (b"1" * MAX_FILE_BYTES, NO_JSON),
    "an endless number": (b"1e999", f"a number up to {MAX_NUMBER}"),
    "a list of nothing": (
        b'{"messages": [{"earlier": [' + b"0," * (MAX_FILE_BYTES // 2 - 50) + b"0]}]}",
        f"at most {MAX_VALUES} values",
    ),
    "many small lists": (b"[" + b"[0]," * MAX_VALUES + b"0]", f"at most {MAX_VALUES} values"),
}


@pytest.mark.parametrize(("data", "expected"), WHOLE.values(), ids=WHOLE)
def test_what_is_no_such_file_is_refused(data: Any, expected: str) -> None:
    with pytest.raises(ImportRejected) as caught:
        read(data)
    assert caught.value.facts["field"] == "file"
    assert str(caught.value.facts["expected"]).startswith(expected)


def test_json_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(ImportRejected) as caught:
        read(TEXT.replace('"version": 1', '"version": "\\ud83d"'))
    assert "at line 3 column" in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("messages.1.content", "🙂" * 100),
        ("messages.2.content", "天" * MAX_REPLY_CHARS),
        ("messages.2.reasoning", "天" * MAX_REPLY_CHARS),
        ("messages.2.content", "\x00"),
        ("messages.2.usage.prompt_tokens", MAX_NUMBER),
    ],
    ids=["message", "reply", "reasoning", "NUL", "number"],
)
def test_the_longest_and_largest_is_welcome(place: str, value: object) -> None:
    portable = ConversationExport.model_validate_json(json.dumps(changed(place, value)))
    assert without_ids(read(portable.to_json()).messages) == without_ids(portable.messages)
