"""The tools at /mcp, called by the official client."""

import json
import re
from io import BytesIO

import aiohttp
import pytest

from tests.fake_openai import FakeOpenAI
from tests.running import RunningApp

from .tools import call, connected, refusal


async def test_there_are_four_tools_and_one_for_each_role(app: RunningApp) -> None:
    async with connected(f"{app.url}/mcp") as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        asking = [f"ask_{role['key']}" for role in (await call(session, "roles"))["roles"]]
    assert [*tools] == ["start_chat", "chat", "history", "roles", *asking]
    assert "ask_writing-coach" in asking
    teacher = tools["ask_teacher"]
    assert (teacher.description or "").startswith("Asks ")
    assert [*teacher.inputSchema["properties"]] == ["message", "session_id"]
    assert teacher.inputSchema["required"] == ["message"]


async def test_a_role_that_is_asked_again_remembers(app: RunningApp, provider: FakeOpenAI) -> None:
    async with connected(f"{app.url}/mcp") as session:
        first = await call(session, "ask_teacher", message='Say "é" and 中')
        assert first["reply"] == 'You said: Say "é" and 中'
    async with connected(f"{app.url}/gradio_api/mcp/") as later:
        again = await call(later, "ask_teacher", message="Again", session_id=first["session_id"])
        history = await call(later, "history", session_id=first["session_id"], limit=3)
    assert again == {"session_id": first["session_id"], "reply": "You said: Again"}
    assert "teacher" in provider.requests[-1].body["messages"][0]["content"].lower()
    assert [message["content"] for message in history["messages"]] == [
        first["reply"],
        "Again",
        again["reply"],
    ]
    assert history["total"] == 4


async def test_a_conversation_is_begun_and_is_whose_it_is(app: RunningApp) -> None:
    async with connected(f"{app.url}/mcp") as session:
        begun = await call(session, "start_chat", role="programmer")
        assert begun["role"] == "programmer"
        assert begun["welcome_message"]
        talk = {"session_id": begun["session_id"]}
        told: list[float] = []

        async def heard(characters: float, total: float | None, message: str | None) -> None:
            told.append(characters)

        said = {**talk, "message": "one two [[slow]]"}
        reply = await session.call_tool("chat", said, progress_callback=heard)
        assert json.loads(reply.content[0].text)["reply"].startswith("You said: one two")
        assert len(told) > 1
        assert told == sorted(told)
        inside = begun["session_id"].partition(":")[2]
        own = await call(session, "history", session_id=inside, user_id=begun["user_id"])
        assert own["total"] == 2
        missing = await refusal(session, "history", session_id="nobody:" + "0" * 32)
        for names in ({"session_id": f"bob:{inside}"}, {"session_id": inside, "user_id": "bob"}):
            assert await refusal(session, "history", **names) == missing
            assert await refusal(session, "chat", message="Hello", **names) == missing


async def test_what_is_refused_is_a_sentence(app: RunningApp) -> None:
    async with connected(f"{app.url}/mcp", **{"Accept-Language": "zh"}) as session:
        assert "消息" in await refusal(session, "ask_teacher", message="x" * 2001)
        assert "API" in await refusal(session, "ask_teacher", message="[[401]]")
        assert "ask_teacher" in await refusal(session, "stop")
        assert "message" in await refusal(session, "ask_teacher")
    async with aiohttp.ClientSession() as http, http.get(f"{app.url}/mcp") as page:
        assert page.status == 405


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}', 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', 400),
        (b'"' + b"x" * 1_100_000 + b'"', 413),
    ],
    ids=["number", "depth", "surrogate", "size"],
)
async def test_what_cannot_be_read_is_refused_quietly(app: RunningApp, body: bytes, status: int) -> None:
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    seen = len(app.lines)
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{app.url}/mcp", data=BytesIO(body)) as answer,
    ):
        assert (answer.status, bool((await answer.json())["detail"])) == (status, True)
    assert not re.search("Traceback|ERROR", "".join(app.lines[seen:]))
