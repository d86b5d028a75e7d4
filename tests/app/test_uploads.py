"""Files that nobody uploaded: a request may name any path of the server's."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

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
