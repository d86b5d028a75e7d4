"""Files: those that are not taken, and those that nobody uploaded, for a request may name any path."""

import asyncio
import json
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import aiohttp
import pytest
from gradio.utils import get_upload_folder

from tests.conftest import eventually
from tests.faults.floods import client_at
from tests.pictures import picture
from tests.running import RunningApp


def call(app: RunningApp, event: str, values: dict[str, Any]) -> str:
    """Calls the page's own listener for that event as a forger would; what it answers."""
    config = json.load(urlopen(f"{app.url}/config"))
    components = {component["id"]: component for component in config["components"]}
    listener = next(
        found
        for found in config["dependencies"]
        if any(target[1] == event and target[0] in components for target in found["targets"])
        and any(components[place]["type"] in values for place in found["inputs"])
    )
    data = [
        values.get(components[place]["type"], components[place]["props"].get("value"))
        for place in listener["inputs"]
    ]
    session = {"session_hash": uuid4().hex, "fn_index": listener["id"], "event_data": None}
    body = json.dumps({"data": data, **session}).encode()
    try:
        urlopen(
            Request(f"{app.url}/gradio_api/queue/join", body, {"Content-Type": "application/json"})
        ).close()
    except HTTPError as refused:
        return refused.read().decode()
    with urlopen(f"{app.url}/gradio_api/queue/data?session_hash={session['session_hash']}") as answers:
        for line in answers:
            if b"process_completed" in line:
                return line.decode()
    raise AssertionError("no answer")


@pytest.mark.parametrize("event", ["submit", "upload"])
def test_a_file_of_the_server_is_not_read_for_a_visitor(app: RunningApp, tmp_path: Any, event: str) -> None:
    (secret := tmp_path / "secret.png").write_bytes(picture("PNG", (20, 10)))
    file = {"path": str(secret), "mime_type": "image/png", "meta": {"_type": "gradio.FileData"}}
    values = {
        "multimodaltextbox": {"text": "Look!", "files": [file]},
        "uploadbutton": file,
        "browserstate": {"user_id": "u_forger", "session_id": ""},
    }
    answer = call(app, event, values)
    assert json.loads(answer)["detail"] == "path must be that of a file that was uploaded."


async def upload(app: RunningApp, address: str, *contents: bytes, name: str = "file.png") -> tuple[int, Any]:
    """What is answered to files from that address."""
    form = aiohttp.FormData()
    for content in contents:
        form.add_field("files", BytesIO(content), filename=name)
    async with client_at(address) as http, http.post(f"{app.url}/gradio_api/upload", data=form) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("contents", "status", "code"),
    [
        ([b"MZ\x90\x00" + bytes(100)], 415, "upload_type"),
        ([picture(), b"<svg onload='alert(1)'/>"], 415, "upload_type"),
        ([b""], 415, "upload_type"),
        ([picture()] * 5, 413, "upload_too_large"),
        ([picture() + bytes(11_000_000)], 413, "upload_too_large"),
        ([picture() + bytes(90_000_000)], 413, "upload_too_large"),
    ],
    ids=["exe", "one of two", "empty", "five", "11 MB", "90 MB"],
)
async def test_what_the_app_has_no_use_for_is_refused_and_not_kept(
    app: RunningApp, contents: list[bytes], status: int, code: str
) -> None:
    name = f"{uuid4().hex}.png"
    answered, answer = await upload(app, "127.0.0.9", *contents, name=name)
    assert (answered, answer["code"]) == (status, code)
    assert kept(name) == []


def kept(name: str) -> list[Path]:
    return list(Path(get_upload_folder()).rglob(name))


@pytest.mark.parametrize(
    "content", [picture(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")] + [b' {"a": 1}'], ids=len
)
async def test_pictures_and_files_to_import_are_taken(app: RunningApp, content: bytes) -> None:
    name = f"{uuid4().hex}.png"
    assert (await upload(app, "127.0.0.9", content, name=name))[0] == 200
    assert [path.read_bytes() for path in kept(name)] == [content]


async def test_of_thousands_of_files_from_one_address_few_are_taken(app: RunningApp) -> None:
    form = [picture()] * 4
    answers = [(await upload(app, "127.0.0.10", *form))[0] for _ in range(80)]
    assert answers == [200] * 75 + [429] * 5
    assert (await upload(app, "127.0.0.11", *form))[0] == 200


async def test_a_malformed_upload_is_refused_and_leaves_no_line_in_the_log(app: RunningApp) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    logged = len(app.lines)
    async with client_at("127.0.0.9") as http:
        for sent in (b"a" * 100, picture()):
            async with http.post(f"{app.url}/gradio_api/upload", data=sent, headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (400, "upload_malformed")
    assert "oundary" not in "".join(app.lines[logged:])


async def test_of_an_upload_that_comes_to_nothing_nothing_is_left(app: RunningApp) -> None:
    mark, logged = uuid4().hex.encode(), len(app.lines)
    headers = {"content-type": "multipart/form-data; boundary=x"}
    async with client_at("127.0.0.14") as http:
        for named in ('name="files"', 'name="file"; filename="a.png"', 'name="files"; filename=".."'):
            sent = part(named, mark) + b"\r\n--x--\r\n"
            async with http.post(f"{app.url}/gradio_api/upload", data=sent, headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (400, "upload_malformed"), named
        cut = part('name="files"; filename="a.png"', mark)
        async with http.post(f"{app.url}/gradio_api/upload", data=cut, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, "upload_malformed")
    assert not begun(mark)
    address = urlsplit(app.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port, local_addr=("127.0.0.14", 0))
    head = "POST /gradio_api/upload HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n"
    writer.write(f"{head}content-type: {headers['content-type']}\r\n\r\n".encode() + cut)
    await eventually(lambda: asyncio.to_thread(begun, mark))
    writer.close()

    async def is_gone() -> bool:
        return not await asyncio.to_thread(begun, mark)

    await eventually(is_gone)
    assert "Traceback" not in "".join(app.lines[logged:])


def part(named: str, mark: bytes) -> bytes:
    """The first part of a form, with more of it than the system keeps back before it writes."""
    return (
        f"--x\r\ncontent-disposition: form-data; {named}\r\n\r\n".encode() + mark + picture() + bytes(100_000)
    )


def begun(mark: bytes) -> bool:
    """Whether there is a file of an upload that has not ended, with the mark."""
    for path in Path(get_upload_folder()).glob("tmp*"):
        with suppress(OSError):  # another one has ended meanwhile
            if path.read_bytes().startswith(mark):
                return True
    return False
