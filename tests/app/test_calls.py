"""Requests that Gradio would fail at: each is refused with a sentence, and none leaves a trace in the log."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.running import RunningApp

JSON = {"content-type": "application/json"}
JOIN = {"session_hash": "a", "fn_index": 9, "data": ["u_caller-whole-id"]}


def refusal(
    app: RunningApp, path: str, body: bytes | None, headers: dict[str, str] = JSON
) -> tuple[int, Any]:
    try:
        urlopen(Request(f"{app.url}/gradio_api/{path}", body, headers), timeout=5).close()
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
    raise AssertionError("it was not refused")


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("call/models", {"data": ["u_caller-whole-id"]}, 400, "data must be a list of 0 values."),
        ("call/chat", {"data": "x"}, 400, "data must be a list of values."),
        ("call/chat", [], 400, "the request's body must be a JSON object in UTF-8."),
        ("call/send", {"data": [None] * 8}, 404, "the endpoint must be one that there is."),
        ("call/v2/chat", {"user_id": "u"}, 400, "session_id must be given."),
        ("call/v2/sessions", {"x": 1}, 400, "1 parameter(s) must be among those that there are: user_id."),
        ("run/none", {}, 404, "the endpoint must be one that there is."),
        ("run/history", {"user_id": "u"}, 400, "session_id must be given."),
        ("run/sessions", {"user": "u"}, 400, "1 parameter(s) must be among those that there are: user_id."),
        ("run/sessions", {"data": ["u", 1]}, 400, "data must be a list of 1 values."),
        ("run/sessions", {"user_id": 1}, 400, "user_id must be text."),
        ("run/export_session", {"data": ["u", "s", {}]}, 400, "format must be json or markdown."),
        ("queue/join", JOIN | {"fn_index": 400}, 404, "fn_index must be one that there is."),
        ("queue/join", JOIN | {"fn_index": "9"}, 400, "fn_index must be a whole number."),
        ("queue/join", JOIN | {"batched": True}, 400, "batched must be valid, or left out."),
        ("reset", {"event_id": "a b"}, 400, "event_id must be 1 to 128 letters, digits, _ or -."),
        ("cancel", {"session_hash": "a"}, 400, "fn_index must be a whole number."),
    ],
)  # fmt: skip
def test_a_malformed_call_is_refused_with_a_sentence(
    app: RunningApp, path: str, body: Any, status: int, detail: str
) -> None:
    logged = len(app.lines)
    answer = {"detail": detail, "code": "invalid_input"}
    assert refusal(app, path, json.dumps(body).encode()) == (status, answer)
    assert app.lines[logged:] == []


def test_who_counts_the_values_may_leave_out_the_last_ones(app: RunningApp) -> None:
    def call(name: str, *values: str) -> Any:
        url, body = f"{app.url}/gradio_api/call/{name}", json.dumps({"data": values}).encode()
        with urlopen(Request(url, body, JSON), timeout=5) as answer:
            event_id = json.load(answer)["event_id"]
        with urlopen(f"{url}/{event_id}", timeout=5) as answer:
            return json.loads(answer.read().decode().rpartition("data: ")[2])[0]

    who = call("start_chat")
    call("chat", who["user_id"], who["session_id"], "Hello")
    said = call("history", who["user_id"], who["session_id"])["messages"]
    assert [message["content"] for message in said] == ["Hello", "You said: Hello"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b'{"data": ["\\ud800"]}', JSON, 400, "invalid_input"),
        (b"[" * 100_000, JSON, 400, "invalid_input"),
        (b"\xff", JSON, 400, "invalid_input"),
        (b'{"data": []}', {"content-type": "text/plain"}, 415, "json_needed"),
        (b'"' + b"x" * 2_000_000 + b'"', JSON, 413, "call_too_large"),
    ],
    ids=["surrogate", "deep", "bytes", "text", "huge"],
)
def test_a_body_that_cannot_be_read_is_refused(
    app: RunningApp, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answered, answer = refusal(app, "queue/join", body, headers)
    assert (answered, answer["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("../assets/" + "x" * 256, {}, 404),
        ("../static/a%00b", {}, 404),
        ("heartbeat/%00", {}, 404),
        ("info", {"x-forwarded-host": "here:there:everywhere"}, 400),
        ("info", {"x-forwarded-host": "[::somewhere, example.org"}, 400),
        ("info", {"x-gradio-server": "http://here:there"}, 400),
    ],
    ids=["long", "zero in a file", "zero in a stream", "host", "address", "server"],
)
def test_an_address_that_cannot_be_one_is_refused(
    app: RunningApp, path: str, headers: dict[str, str], status: int
) -> None:
    logged = len(app.lines)
    answered, answer = refusal(app, path, None, headers)
    assert (answered, answer["code"]) == (status, "invalid_input")
    assert app.lines[logged:] == []


@pytest.mark.parametrize("path", ["queue/data", "queue/data?session_hash=x", "call/chat/x", "call/v2/chat/x"])
def test_a_stream_of_nothing_does_not_begin(app: RunningApp, path: str) -> None:
    logged = len(app.lines)
    assert refusal(app, path, None)[0] == 404
    assert app.lines[logged:] == []


def test_it_is_said_in_the_callers_language(app: RunningApp) -> None:
    _, answer = refusal(app, "upload_progress", None, {"accept-language": "zh"})
    assert answer["detail"].startswith("参数")


def direct(app: RunningApp, name: str, body: Any) -> Any:
    request = Request(f"{app.url}/gradio_api/run/{name}", json.dumps(body).encode(), JSON)
    with urlopen(request, timeout=5) as answer:
        return json.load(answer)["data"][0]


def test_what_does_not_stream_is_answered_in_one_request(app: RunningApp) -> None:
    assert direct(app, "models", {})["default_model"] == "fake"
    who = direct(app, "start_chat", {"data": ["", "teacher"]})
    named = {"user_id": who["user_id"], "session_id": who["session_id"]}
    assert direct(app, "history", named)["messages"] == []
    assert direct(app, "rename_session", named | {"title": "Sky"})["title"] == "Sky"
    assert direct(app, "sessions", {"user_id": who["user_id"]})["total"] == 1


def test_what_is_refused_directly_has_the_status_of_its_kind(app: RunningApp) -> None:
    lost = json.dumps({"user_id": "u_somebody", "session_id": "none"}).encode()
    status, answer = refusal(app, "run/history", lost)
    assert (status, answer["code"]) == (404, "session_not_found")
    status, answer = refusal(app, "run/chat", lost)
    assert (status, answer["code"]) == (404, "streams_only")
