"""Two people who have logged in, of whom one knows the other's session, events and files."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from mcp import ClientSession

from tests.logins import auth_users, password
from tests.pictures import picture
from tests.running import RunningApp, running_app

from .tools import call, connected, refusal

Json = dict[str, Any]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, model: dict[str, str]) -> Iterator[RunningApp]:
    settings = {**model, "AUTH_USERS": auth_users("ana", "bob"), "REDIS_URL": "memory://", "MCP": "true"}
    with running_app(tmp_path_factory.mktemp("guarded"), **settings) as app:
        yield app


class Person:
    """Somebody who has logged in, with a page that is open: its session."""

    def __init__(self, http: aiohttp.ClientSession, config: Json) -> None:
        self.http = http
        self.session = uuid4().hex
        self._config = config

    async def status(self, method: str, path: str, **options: Any) -> int:
        """What a request is answered; of a stream only that it begins."""
        async with self.http.request(method, f"/gradio_api/{path}", **options) as answer:
            return answer.status

    async def call(self, endpoint: str, **values: Any) -> str:
        """Calls an endpoint: the id of the event."""
        async with self.http.post(f"/gradio_api/call/v2/{endpoint}", json=values) as answer:
            assert answer.status == 200
            return str((await answer.json())["event_id"])

    async def fetch(self, endpoint: str, event_id: str) -> str:
        async with self.http.get(f"/gradio_api/call/{endpoint}/{event_id}") as answer:
            return await answer.text()

    async def upload(self, content: bytes, upload_id: str = "") -> str:
        form = aiohttp.FormData()
        form.add_field("files", content, filename="picture.png")
        params = {"upload_id": upload_id} if upload_id else {}
        async with self.http.post("/gradio_api/upload", data=form, params=params) as answer:
            assert answer.status == 200
            return str((await answer.json())[0])

    def listener(self, event: str, source: str, values: Json) -> Json:
        """What the page sends when that happens to that component, whose values by their types are these."""
        components = {component["id"]: component for component in self._config["components"]}
        (number,) = [
            number for number, found in components.items() if found["props"].get("elem_id") == source
        ]
        found = next(found for found in self._config["dependencies"] if [number, event] in found["targets"])
        inputs = [components[place] for place in found["inputs"]]
        data = [values.get(component["type"], component["props"].get("value")) for component in inputs]
        return {"data": data, "fn_index": found["id"], "session_hash": self.session, "event_data": None}

    async def do(self, event: str, source: str, values: Json) -> Json:
        """Does it, and waits for the page's last frame."""
        await self.status("POST", "queue/join", json=self.listener(event, source, values))
        async with self.http.get(f"/gradio_api/queue/data?session_hash={self.session}") as answers:
            last: Json = {}
            async for line in answers.content:
                message = json.loads(line.removeprefix(b"data: ") or "{}") if line.strip() else {}
                last = message if "output" in message else last
            return last


@asynccontextmanager
async def person(app: RunningApp, name: str) -> AsyncIterator[Person]:
    async with aiohttp.ClientSession(app.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        form = {"username": name, "password": password(name)}
        async with http.post("/login", data=form) as answer:
            assert answer.status == 200
        async with http.get("/config") as answer:
            yield Person(http, await answer.json())


@pytest.fixture
async def ana(guarded: RunningApp) -> AsyncIterator[Person]:
    async with person(guarded, "ana") as ana:
        yield ana


@pytest.fixture
async def bob(guarded: RunningApp) -> AsyncIterator[Person]:
    async with person(guarded, "bob") as bob:
        yield bob


async def test_an_event_is_followed_and_ended_by_who_began_it_alone(ana: Person, bob: Person) -> None:
    conversation = json.loads(
        (await ana.fetch("start_chat", await ana.call("start_chat"))).split("data: ")[1]
    )[0]
    names = {"user_id": "x", "session_id": conversation["session_id"]}
    event_id = await ana.call("chat", **names, message="one two [[slow]]")
    for path in (f"call/chat/{event_id}", f"call/v2/chat/{event_id}", f"queue/data?session_hash={event_id}"):
        assert await bob.status("GET", path) == 404
    for session in (event_id, bob.session):
        named = {"session_hash": session, "fn_index": 0, "event_id": event_id}
        assert await bob.status("POST", "cancel", json=named) == 404
        assert await bob.status("POST", "reset", json=named) == 404
    assert '"You said: one two' in await ana.fetch("chat", event_id)


async def test_a_session_is_whose_page_began_it(ana: Person, bob: Person) -> None:
    async with ana.http.get(f"/gradio_api/heartbeat/{ana.session}") as alive:
        assert alive.status == 200
        listeners = ana._config["dependencies"]
        (index,) = [one["id"] for one in listeners if one["api_name"] == "start_chat"]
        theirs = {"session_hash": ana.session, "fn_index": index, "event_id": "x", "data": ["", "", None]}
        for path in ("queue/join", "cancel", "call/start_chat", "api/start_chat"):
            assert await bob.status("POST", path, json=theirs) == 404
        # A direct call belongs to no session, whatever it names.
        assert await bob.status("POST", "run/start_chat", json=theirs) == 200
        for path in (f"queue/data?session_hash={ana.session}", f"heartbeat/{ana.session}"):
            assert await bob.status("GET", path) == 404
        assert await bob.status("GET", f"queue/data?session_hash=x&session_hash={ana.session}") == 404
        assert await bob.status("GET", f"heartbeat/{ana.session}/") == 404


async def test_a_file_is_read_by_who_uploaded_it_alone(ana: Person, bob: Person) -> None:
    content = picture("PNG", (20, 11))
    path = await ana.upload(content)
    folder, _, name = path.rpartition("/")
    roundabout = f"{folder}/../{folder.rpartition('/')[2]}/{name}"
    assert await ana.status("GET", f"file={path}") == 200
    for way in (path, roundabout, f"/{path}"):
        assert await bob.status("GET", f"file={way}") == 404
        assert await bob.status("HEAD", f"file={way}") == 404
    assert await bob.upload(content) == path
    assert await bob.status("GET", f"file={path}") == 200


async def test_somebody_elses_file_is_not_sent_in_a_message(ana: Person, bob: Person) -> None:
    file = {"path": await ana.upload(picture("PNG", (20, 12))), "meta": {"_type": "gradio.FileData"}}
    sent = {"multimodaltextbox": {"text": "Look!", "files": [file]}}
    assert await bob.status("POST", "queue/join", json=bob.listener("submit", "box", sent)) == 404
    assert await bob.status("POST", "run/import_session", json={"user_id": "bob", "file": file}) == 404
    assert (await ana.do("submit", "box", sent))["success"]


async def test_a_picture_that_was_taken_back_is_shown_to_its_owner_alone(ana: Person, bob: Person) -> None:
    file = {"path": await ana.upload(picture("PNG", (20, 13))), "meta": {"_type": "gradio.FileData"}}
    sent = await ana.do("submit", "box", {"multimodaltextbox": {"text": "Look!", "files": [file]}})
    assert sent["success"]
    tab = {"temporary": False, **await latest(ana)}
    undone = await ana.do("undo", "chatbot", {"json": tab})
    (shown,) = [
        value["files"][0]["path"]
        for value in undone["output"]["data"]
        if isinstance(value, dict) and value.get("files")
    ]
    assert shown != file["path"]
    assert await ana.status("GET", f"file={shown}") == 200
    assert await bob.status("GET", f"file={shown}") == 404


async def latest(someone: Person) -> Json:
    """What a tab shows that shows the latest conversation."""
    answer = await someone.fetch("sessions", await someone.call("sessions", user_id=""))
    session_id = json.loads(answer.rpartition("data: ")[2])[0]["sessions"][0]["session_id"]
    return {"session_id": session_id}


async def test_how_an_upload_goes_on_is_told_to_who_uploads_alone(ana: Person, bob: Person) -> None:
    await ana.upload(picture("PNG", (20, 14)), upload_id="upload-of-ana")
    assert await bob.status("GET", "upload_progress?upload_id=upload-of-ana") == 404
    assert await ana.status("GET", "upload_progress?upload_id=upload-of-ana") == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[1]",
        b"null",
        b"[" * 100_000,
        b'{"session_hash": 7}',
        b'{"data": [{"path": "\\u0000\\ud800"}]}',
    ],
    ids=lambda body: body[:10].decode(),
)
async def test_what_cannot_be_read_is_left_to_gradio(bob: Person, body: bytes) -> None:
    status = await bob.status("POST", "queue/join", data=body, headers={"content-type": "application/json"})
    assert status in (400, 422)


async def test_an_id_without_an_end_is_refused(bob: Person) -> None:
    assert await bob.status("POST", "queue/join", json={"session_hash": "x" * 129, "data": []}) == 400


async def test_at_the_pictures_of_the_page_anybody_may_look(bob: Person) -> None:
    avatars = next(
        component["props"]["avatar_images"]
        for component in bob._config["components"]
        if component["type"] == "chatbot"
    )
    assert await bob.status("GET", f"file={avatars[0]['path']}") == 200


async def test_a_tool_speaks_for_who_logged_in(guarded: RunningApp, ana: Person, bob: Person) -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{guarded.url}/mcp", json={}) as closed:
        assert closed.status == 401
    async with tools_of(guarded, ana) as hers, tools_of(guarded, bob) as his:
        asked = await call(hers, "ask_teacher", message="Hello")
        assert (await call(hers, "history", session_id=asked["session_id"]))["total"] == 2
        assert asked["session_id"] == (await latest(ana))["session_id"]
        for name in (asked["session_id"], f"ana:{asked['session_id']}"):
            assert "conversation" in await refusal(his, "history", session_id=name)
            assert "conversation" in await refusal(his, "ask_teacher", message="Hi", session_id=name)


def tools_of(app: RunningApp, someone: Person) -> AbstractAsyncContextManager[ClientSession]:
    (cookie,) = someone.http.cookie_jar
    return connected(f"{app.url}/mcp", Cookie=f"{cookie.key}={cookie.value}")
