"""Pictures that models make, over HTTP: asked for, followed, fetched later, refused with a reason."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import httpx
import PIL.Image
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.app.clients import start
from tests.fake_openai import FakeOpenAI, picture_event, picture_file, stream
from tests.pictures import picture
from tests.running import RunningApp


def test_a_picture_is_made_followed_and_fetched_later(
    client: Client, app: RunningApp, provider: FakeOpenAI, tmp_path: Path
) -> None:
    who = start(client)
    grey = picture_event(picture_file(colour="grey"), is_partial=True)
    provider.answers.append(stream(grey, picture_event(picture_file(100))))
    wanted = {"prompt": "a red house", "size": "1536x1024", "quality": "high"}
    events = list(client.submit(**who, **wanted, api_name="/generate_image"))
    assert [event["type"] for event in events][:3] == ["started", "text", "picture"]
    ids = [int(event["id"]) for event in events if "id" in event]
    assert ids == sorted(ids)
    done = events[-1]
    (made,) = done["pictures"]
    assert PIL.Image.open(BytesIO(b64decode(made["base64"]))).size == (100, 100)
    assert (done["status"], done["usage"]["total_tokens"]) == ("done", 279)
    asked, reply = client.predict(**who, api_name="/history")["messages"]
    assert asked["content"] == "/image a red house --size 1536x1024 --quality high"
    assert (reply["content"], reply["images"][0]["id"]) == ("[picture: a red house]", made["id"])
    assert client.predict(**who, image_id=made["id"], api_name="/picture") == made
    with pytest.raises(AppError, match="not found"):
        client.predict("somebody", who["session_id"], made["id"], api_name="/picture")
    link = client.predict(**who, api_name="/share")["url"]
    assert f'src="{reply["images"][0]["preview"]}"' in httpx.get(link).text
    again = list(client.submit(**who, api_name="/resume"))
    assert again[-1]["message"] == reply

    file = tmp_path / "mine.png"
    file.write_bytes(picture("PNG", (30, 20)))
    changed = client.predict(
        **who, prompt="make it blue", images=[handle_file(str(file))], api_name="/generate_image"
    )
    assert changed["type"] == "done"
    assert provider.requests[-1].path == "/v1/images/edits"
    # In a message of the chat it is the same.
    assert client.predict(**who, message="/image a tree", api_name="/chat") == "[picture: a tree]"
    (model,) = client.predict(api_name="/models")["picture_models"]
    assert (model["name"], model["qualities"], model["edits"]) == (
        "gpt-image-1",
        ["low", "medium", "high"],
        True,
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"prompt": "  "}, "write something"),
        ({"prompt": "a house", "size": "huge"}, "size must be one of 1024x1024, "),
        ({"prompt": "a house", "size": "1 2"}, "size must be a word"),
        ({"prompt": "a house", "model": "nobody"}, "gpt-image-1"),
        ({"prompt": 7}, "prompt must be text"),
        ({"prompt": "a house", "user_id": "somebody-else"}, "not found"),
        ({"prompt": "[[policy]]"}, "content filter"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_reason(
    client: Client, fields: dict[str, str], why: str
) -> None:
    who = start(client) | fields
    if fields["prompt"] == "[[policy]]":
        done = client.predict(**who, api_name="/generate_image")
        assert (done["status"], done["pictures"]) == ("failed", [])
        assert why in done["error"]["message"]
        return
    with pytest.raises(AppError, match=why):
        client.predict(**who, api_name="/generate_image")
