"""Pictures that models make: replies like any other, kept, stopped, failed, tried again, recovered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from chat_core import ChatMessage, ChatService, Delta, PictureOrder, Settings, TurnEnd
from chat_core.context import build_context
from chat_core.errors import (
    InvalidInput,
    MessageEmpty,
    MessageNotFound,
    PictureEditsUnsupported,
    PicturesUnavailable,
    SessionNotFound,
    UnknownModel,
)
from chat_core.exchange import parse_export
from chat_core.sharing import SharedConversation
from tests.conftest import Connect
from tests.fake_openai import (
    CUT,
    STALL,
    Answer,
    FakeOpenAI,
    drawn,
    echo,
    picture_event,
    picture_file,
    stream,
)

ROW = """
[artist]
base_url = "{url}"
models = ["big"]
picture_models = ["painter", "streamer", "sketcher", "printer"]

[[artist.drawing]]
for_models = ["painter"]
sizes = ["small", "large"]
qualities = ["low", "high"]
edits = "files"

[[artist.drawing]]
for_models = ["streamer"]
partials = 2

[[artist.drawing]]
for_models = ["sketcher"]
edits = "body"
body = {{ response_format = "b64_json" }}
"""


class Studio:
    """A session of a user's, and the server that draws."""

    def __init__(self, server: FakeOpenAI, service: ChatService, user: str, session: str) -> None:
        self.server = server
        self.service = service
        self.ids = user, session

    async def read(self, turn_id: str) -> tuple[list[Delta], TurnEnd]:
        pieces: list[Delta] = []
        async with aclosing(self.service.follow(*self.ids, turn_id)) as events:
            async for event in events:
                if isinstance(event, TurnEnd):
                    return pieces, event
                pieces.append(event)
        raise AssertionError("the turn has no end")

    async def draw(self, message: str, *answers: Answer, **choice: Any) -> TurnEnd:
        """A whole turn."""
        self.server.answers.extend(answers)
        return (await self.read(await self.service.start_turn(*self.ids, message, **choice)))[1]

    async def history(self) -> list[ChatMessage]:
        return (await self.service.history(*self.ids)).items

    async def picture(self, message: ChatMessage) -> PIL.Image.Image:
        """What is stored of the picture that the reply is."""
        (image,) = message.images
        return PIL.Image.open(BytesIO(await self.service.picture(*self.ids, image.id)))


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


Open = Callable[..., Awaitable[ChatService]]


@pytest.fixture
async def open_studio(connect: Connect, server: FakeOpenAI, tmp_path: Path) -> AsyncIterator[Open]:
    file = tmp_path / "providers.toml"
    file.write_text(ROW.format(url=server.base_url))
    settings = Settings.load(
        {"PROVIDERS_FILE": str(file), "RATE_LIMIT": "", "MEMORY": "off", "TITLE_MODEL": "off"}, None
    )
    opened: list[ChatService] = []

    async def open_service(lease_seconds: float = 5.0, **changes: Any) -> ChatService:
        service = ChatService(
            settings.model_copy(update=changes), redis=connect(), lease_seconds=lease_seconds
        )
        opened.append(await service.__aenter__())
        return service

    yield open_service
    for service in opened:
        await service.__aexit__(None, None, None)


@pytest.fixture
async def studio(server: FakeOpenAI, open_studio: Open) -> Studio:
    service = await open_studio()
    user, session = await service.start_session()
    return Studio(server, service, user, session.id)


async def test_a_picture_is_a_reply_of_which_the_text_has_a_few_words(studio: Studio) -> None:
    end = await studio.draw("/image a red house --size large --quality high", drawn(picture_file(2100)))
    (request,) = studio.server.requests
    wanted = {"model": "painter", "prompt": "a red house", "n": 1, "size": "large", "quality": "high"}
    assert (request.path, request.body) == ("/v1/images/generations", wanted)
    asked, reply = await studio.history()
    assert (asked.content, asked.voices[0].model) == (
        "/image a red house --size large --quality high",
        "painter",
    )
    assert end.message == reply
    assert (reply.content, reply.status, reply.model) == ("[picture: a red house]", "done", "painter")
    assert reply.usage is not None
    assert reply.usage.total_tokens == 279
    assert len(reply.images[0].preview) < 20_100
    shown = await studio.picture(reply)
    assert (shown.format, shown.size, shown.getpixel((5, 5))[2] > 100) == ("JPEG", (2048, 2048), True)
    session = await studio.service.session(*studio.ids)
    assert (session.model, session.open_turn) == ("big", "")


async def test_models_of_text_are_told_of_it_in_a_few_words(studio: Studio) -> None:
    await studio.draw("/image a red house", drawn())
    await studio.draw("What colour is it?", echo("Red."))
    messages = studio.server.requests[-1].body["messages"]
    assert [message["content"] for message in messages[1:]] == [
        "/image a red house",
        "[picture: a red house]",
        "What colour is it?",
    ]
    history = await studio.history()
    known = {image.id: "data:," for message in history for image in message.images}
    context = build_context("", history[:2], history[2], max_messages=0, max_tokens=0, images=known)
    assert all(isinstance(message["content"], str) for message in context.messages)


@pytest.mark.parametrize("model", ["painter", "sketcher"])
async def test_pictures_of_the_message_are_changed(studio: Studio, model: str) -> None:
    end = await studio.draw(f"/image make it blue --model {model}", drawn(), images=[picture_file()])
    (request,) = studio.server.requests
    if model == "painter":
        assert request.path == "/v1/images/edits"
        assert (request.body["prompt"], request.body["model"]) == ("make it blue", "painter")
        (sent,) = request.body["image[]"]
        assert sent.startswith("/9j/")  # a JPEG
    else:
        assert request.path == "/v1/images/generations"
        assert request.body["image"][0].startswith("data:image/jpeg;base64,/9j/")
        assert request.body["response_format"] == "b64_json"
    asked, reply = await studio.history()
    assert end.status == "done"
    assert asked.images[0].id != reply.images[0].id
    await studio.service.regenerate(*studio.ids)
    await studio.read("")
    assert studio.server.requests[-1].path == request.path


async def test_what_is_refused_is_not_stored(studio: Studio, open_studio: Open) -> None:
    refused: list[tuple[str, type[Exception], dict[str, Any]]] = [
        ("/image  ", MessageEmpty, {}),
        ("/image a house --size huge", InvalidInput, {}),
        ("/image a house --size small --model printer", InvalidInput, {}),
        ("/image a house --quality best", InvalidInput, {}),
        ("/image a house --model big", UnknownModel, {}),
        ("/image it, blue --model printer", PictureEditsUnsupported, {"images": [picture_file()]}),
    ]
    for message, kind, choice in refused:
        with pytest.raises(kind):
            await studio.service.start_turn(*studio.ids, message, **choice)
    with pytest.raises(InvalidInput):
        await studio.service.start_picture(*studio.ids, PictureOrder("x", size="small --model printer"))
    without = await open_studio(image_model="off")
    assert without.picture_offers == ()
    with pytest.raises(PicturesUnavailable):
        await without.start_turn(*studio.ids, "/image a house")
    assert await studio.history() == []
    assert studio.server.requests == []


async def test_another_default_and_a_model_that_no_row_knows(studio: Studio, open_studio: Open) -> None:
    names = [offer.name for offer in (await open_studio(image_model="sketcher")).picture_offers]
    assert names == ["sketcher", "painter", "streamer", "printer"]
    service = await open_studio(image_model="artist/new")
    studio.server.answers.append(drawn())
    await studio.read(await service.start_turn(*studio.ids, "/image a house"))
    assert studio.server.requests[-1].body == {"model": "new", "prompt": "a house", "n": 1}


async def test_what_is_no_picture_fails_and_leaves_what_was_asked(studio: Studio) -> None:
    end = await studio.draw("/image a house", drawn(b"no picture"))
    assert (end.status, end.message, end.error and end.error.code) == (
        "failed",
        None,
        "model_picture_unusable",
    )
    (asked,) = await studio.history()
    assert (asked.status, asked.error) == ("failed", end.error)
    assert (await studio.draw("/image a house", drawn())).status == "done"


async def test_stop_ends_the_request_and_leaves_the_question(studio: Studio) -> None:
    studio.server.answers.append(stream(STALL))
    turn_id = await studio.service.start_turn(*studio.ids, "/image a house")
    await studio.server.asked.wait()
    assert (await studio.service.stop(*studio.ids)).stopped
    await asyncio.wait_for(studio.server.requests[0].closed.wait(), 5)
    (asked,) = await studio.history()
    assert (asked.turn_id, asked.status) == (turn_id, "stopped")


async def test_a_partial_picture_is_shown_and_kept_when_it_is_stopped(studio: Studio) -> None:
    first = picture_event(picture_file(colour="grey"), is_partial=True)
    studio.server.answers.append(stream(first, STALL))
    turn_id = await studio.service.start_turn(*studio.ids, "/image a house --model streamer")
    async with aclosing(studio.service.follow(*studio.ids, turn_id)) as events:
        words, shown = await anext(events), await anext(events)
        assert isinstance(words, Delta)
        assert isinstance(shown, Delta)
        assert (words.text, shown.kind, shown.end) == ("[picture: a house]", "picture", words.end + 1)
        result = await studio.service.stop(*studio.ids)
    assert result.stopped
    body = studio.server.requests[0].body
    assert (body["stream"], body["partial_images"]) == (True, 2)
    _, reply = await studio.history()
    assert (reply.status, reply.is_unfinished) == ("stopped", False)
    assert shown.text == reply.images[0].to_json()
    assert (await studio.picture(reply)).size == (64, 64)


async def test_of_a_stream_the_whole_picture_is_kept_and_of_a_broken_one_the_last(studio: Studio) -> None:
    grey = picture_event(picture_file(colour="grey"), is_partial=True)
    whole = stream(grey, grey, picture_event(picture_file(100)))
    end = await studio.draw("/image a house --model streamer", whole)
    assert end.message is not None
    assert end.message.images[0].width == 100
    again = await studio.service.regenerate(*studio.ids)
    studio.server.answers.append(stream(grey, CUT))
    end = (await studio.read(again))[1]
    assert end.error is not None
    assert end.error.code == "model_disconnected"
    asked, reply = await studio.history()
    assert (reply.status, reply.images[0].width) == ("failed", 64)
    assert (await studio.picture(asked.versions[0])).width == 100  # the version before
    await studio.service.select_version(*studio.ids, asked.id, 1)
    assert (await studio.history())[1].images[0].width == 100


async def test_another_process_shows_it_and_finishes_it_when_this_one_dies(
    studio: Studio, open_studio: Open
) -> None:
    other = await open_studio()
    grey = picture_event(picture_file(colour="grey"), is_partial=True)
    studio.server.answers.append(stream(grey, STALL))
    dying = await open_studio(lease_seconds=0.4)
    turn_id = await dying.start_turn(*studio.ids, "/image a house --model streamer")
    seen: list[Any] = []
    async with aclosing(other.follow(*studio.ids, turn_id)) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, Delta) and event.kind == "picture":
                dying._writer._interval_seconds = 1000.0  # gives no more signs of life
    end = seen[-1]
    assert isinstance(end, TurnEnd)
    assert end.status == "interrupted"
    assert [piece.kind for piece in seen[:-1]] == ["text", "picture"]
    _, reply = (await other.history(*studio.ids)).items
    assert (reply.content, len(reply.images), reply.model) == ("[picture: a house]", 1, "streamer")
    assert seen[1].text == reply.images[0].to_json()


async def test_it_goes_with_its_conversation_in_all_its_forms(studio: Studio) -> None:
    service, (user, session) = studio.service, studio.ids
    await studio.draw("/image a red house", drawn())
    branch = await service.branch(user, session, (await studio.history())[1].id)
    copied = Studio(studio.server, service, user, branch.id)
    assert (await copied.picture((await copied.history())[1])).size == (64, 64)
    exported = await service.export(user, session)
    roles = await service.roles_for(user, exported.role_keys)
    shared = SharedConversation.of(exported, roles, service.roles).conversation.messages[1]
    assert shared.images[0].preview == exported.messages[1].images[0].preview
    parsed = parse_export(exported.to_json(), max_message_chars=1000, now=0)
    assert parsed.messages[1].images[0].preview == shared.images[0].preview
    imported = (await service.import_file(user, exported.to_json().encode())).sessions[0]
    with pytest.raises(MessageNotFound):  # only the preview came along
        await service.picture(user, imported.id, parsed.messages[1].images[0].id)
    turn_id = await service.regenerate(user, imported.id)
    assert turn_id
    undone = await service.undo(user, session)
    assert undone.message == "/image a red house"
    await service.restore(user, session, undone.restore_id)
    assert (await studio.picture((await studio.history())[1])).size == (64, 64)
    with pytest.raises(SessionNotFound):
        await service.picture("somebody", session, (await studio.history())[1].images[0].id)
