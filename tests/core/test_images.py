"""Pictures in messages: shown to models that can see, kept with their message, refused with a reason."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Sequence
from signal import SIGKILL
from typing import Any

import pytest
from redis.exceptions import ConnectionError

from chat_core import ChatError, ChatService, Settings
from chat_core.errors import (
    ImagesUnsupported,
    ImageTooLarge,
    ImageUnreadable,
    InvalidInput,
    MessageEmpty,
    RateLimited,
    TooManyImages,
)
from chat_core.images import file_of, read_image
from tests.conftest import Connect, eventually
from tests.contract.conftest import dump
from tests.pictures import picture, seen

from .conftest import Chat, OpenService

PICTURE = picture("PNG", (30, 20))


async def look(chat: Chat, message: str = "What is this?", **choice: Any) -> list[str]:
    """A turn with two pictures of 30 and 40 pixels' width; the data URLs that the model was shown last."""
    call = await chat.say(message, "Grey.", images=[PICTURE, picture("GIF", (40, 20))], **choice)
    return call.images[-1]


def widths(data_urls: Sequence[str]) -> list[int]:
    return [seen(url).width for url in data_urls]


async def test_the_model_is_shown_the_text_and_the_pictures(chat: Chat) -> None:
    call = await chat.say("What is this?", "A square.", images=[PICTURE])
    assert [message["role"] for message in call.messages] == ["system", "user"]
    text, shown = call.messages[1]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert shown.keys() == {"type", "image_url"}
    assert shown["type"] == "image_url"
    assert (seen(shown["image_url"]["url"]).format, seen(shown["image_url"]["url"]).size) == (
        "JPEG",
        (30, 20),
    )
    asked, reply = await chat.history()
    [image] = asked.images
    assert (asked.content, image.media_type, image.width, image.height) == (
        "What is this?",
        "image/jpeg",
        30,
        20,
    )
    assert seen(image.preview).size == (30, 20)
    assert reply.images == ()
    assert reply.context is not None
    assert 1000 < reply.context.estimated_tokens < 1200


async def test_earlier_pictures_are_shown_again_also_after_a_restart(
    chat: Chat, open_service: OpenService
) -> None:
    shown = await look(chat)
    assert widths(shown) == [30, 40]
    later = chat.through(await open_service())
    call = await later.say("And now?", "The same.")
    assert call.images == [shown]
    assert [text for _, text in call.shown[1:]] == ["What is this?", "Grey.", "And now?"]
    assert call.messages[2:] == [
        {"role": "assistant", "content": "Grey."},
        {"role": "user", "content": "And now?"},
    ]


async def test_with_a_picture_a_message_needs_no_text(chat: Chat) -> None:
    for blank in ("", " \n"):
        call = await chat.say(blank, "Grey.", images=[PICTURE])
        assert [part["type"] for part in call.messages[-1]["content"]] == ["image_url"]
    assert (await chat.service.session(chat.user, chat.id)).title == ""
    await chat.say("What was it?", "Grey.")
    assert (await chat.service.session(chat.user, chat.id)).title == "What was it?"


async def test_a_corrected_message_keeps_its_pictures_and_may_get_more(chat: Chat) -> None:
    shown = await look(chat)
    first = (await chat.history())[0]
    call = await chat.say("Who is this?", "Nobody.", replaces=first.id)
    assert call.images == [shown]
    assert call.shown[1:] == [("user", "Who is this?")]
    second = (await chat.history())[0]
    assert second.images == first.images
    call = await chat.say("", "Somebody.", replaces=second.id, images=[picture("WEBP", (50, 20))])
    assert widths(call.images[0]) == [30, 40, 50]
    third = (await chat.history())[0]
    assert third.images[:2] == first.images
    await chat.say("", "Everybody.", replaces=third.id)  # its pictures are enough
    assert len((await chat.history())[0].images) == 3


async def test_a_message_that_is_tried_again_keeps_its_pictures(chat: Chat) -> None:
    shown = await look(chat, "")
    for reply in ("A square.", "A stone."):
        turn_id = await chat.service.regenerate(chat.user, chat.id)
        call = await chat.model.next_call()
        call.say(reply)
        call.end()
        await chat.read(turn_id)
        assert call.images == [shown]
    asked, reply_now = await chat.history()
    assert (len(asked.images), len(asked.versions), reply_now.content) == (2, 2, "A stone.")
    await chat.service.select_version(chat.user, chat.id, asked.id, 1)
    assert (await chat.say("And?", "No more.")).images == [shown]


async def test_pictures_do_not_outlive_their_messages(chat: Chat, connect: Connect) -> None:
    shown = await look(chat, "Look!")
    text, files, _ = await chat.service.undo(chat.user, chat.id)
    assert (text, [file_of(url) for url in shown]) == ("Look!", files)
    call = await chat.say("Hello", "Hi.")
    assert call.images == []
    assert [key for key in [key async for key in connect().scan_iter("*")] if key.endswith(":images")] == []


# Models that cannot see


async def test_a_new_picture_for_a_model_that_cannot_see_is_refused(
    open_service: OpenService, chat: Chat, connect: Connect
) -> None:
    service = await open_service(openai_models="small,other", text_only_models="small,unknown")
    chat = chat.through(service)
    assert service.vision_models == ("big", "other")
    before = await dump(connect())
    with pytest.raises(ImagesUnsupported) as caught:
        await service.start_turn(chat.user, chat.id, "What is this?", model="small", images=[PICTURE])
    assert caught.value.facts == {
        "field": "images",
        "expected": "left out for small, which cannot see them",
        "model": "small",
        "known": "big, other",
    }
    assert await dump(connect()) == before
    assert chat.model.silent
    assert (await look(chat, model="other")) != []


async def test_the_embedded_model_cannot_see(connect: Connect) -> None:
    service = ChatService(Settings(rate_limit=""), redis=connect())
    assert service.vision_models == ()
    user, session = await service.start_session()
    with pytest.raises(ImagesUnsupported) as caught:
        await service.start_turn(user, session.id, "What is this?", images=[PICTURE])
    assert caught.value.facts["known"] == "–"


async def test_a_model_that_cannot_see_gets_the_text_of_earlier_messages(
    open_service: OpenService, chat: Chat
) -> None:
    chat = chat.through(await open_service(openai_models="small", text_only_models="small"))
    shown = await look(chat)
    blind = await chat.say("And now?", "I cannot see.", model="small")
    assert blind.messages[1:] == [
        {"role": "user", "content": "What is this?"},
        {"role": "assistant", "content": "Grey."},
        {"role": "user", "content": "And now?"},
    ]
    receipt = (await chat.history())[-1].context
    assert receipt is not None
    assert receipt.estimated_tokens < 1000
    assert (await chat.say("And now?", "Grey.", model="big")).images == [shown]


async def test_a_message_is_tried_again_with_a_model_that_cannot_see(
    open_service: OpenService, chat: Chat
) -> None:
    chat = chat.through(await open_service(openai_models="small", text_only_models="small"))
    await look(chat)
    turn_id = await chat.service.regenerate(chat.user, chat.id, model="small")
    call = await chat.model.next_call()
    call.say("I cannot see.")
    call.end()
    await chat.read(turn_id)
    assert call.messages[1:] == [{"role": "user", "content": "What is this?"}]
    assert len((await chat.history())[0].images) == 2


# What is read, and when


async def test_only_pictures_that_are_sent_are_read(
    open_service: OpenService, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await open_service(context_messages=2, openai_models="small", text_only_models="small")
    chat = chat.through(service)
    asked_for: list[list[str]] = []
    read = service._store.images

    async def images(user_id: str, session_id: str, ids: list[str]) -> dict[str, str]:
        asked_for.append(ids)
        return await read(user_id, session_id, ids)

    monkeypatch.setattr(service._store, "images", images)
    await chat.say("Hello", "Hi.")
    await look(chat)
    stored = [image.id for image in (await chat.history())[2].images]
    await chat.say("And now?", "Grey.")
    await chat.say("And now?", "Gone.")
    assert asked_for == [stored, stored, []]
    await chat.say("What is this?", "Grey.", images=[PICTURE])
    await chat.say("And now?", "I cannot see.", model="small")
    assert len(asked_for) == 4


async def test_a_turn_whose_pictures_cannot_be_read_fails_and_can_be_tried_again(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await look(chat)

    async def gone(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as away:
        away.setattr(chat.service._store, "images", gone)
        turn_id = await chat.service.start_turn(chat.user, chat.id, "And now?")
        _, end = await chat.read(turn_id)
    assert end.error is not None
    assert (end.status, end.error.code) == ("failed", "store_unavailable")
    assert chat.model.silent
    assert await chat.contents() == ["What is this?", "Grey.", "And now?"]
    turn_id = await chat.service.regenerate(chat.user, chat.id)
    call = await chat.model.next_call()
    call.end()
    assert call.images == [shown]
    await chat.read(turn_id)


async def test_pictures_are_read_one_at_a_time(
    chat: Chat, open_service: OpenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, most = 0, 0

    async def read(data: bytes) -> object:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        try:
            return await read_image(data)
        finally:
            reading -= 1

    monkeypatch.setattr("chat_core.turns.starter.read_image", read)
    _, session = await chat.service.start_session(chat.user)
    starts = [
        chat.service.start_turn(chat.user, session_id, "Look!", images=[PICTURE] * 2)
        for session_id in (chat.id, session.id)
    ]
    await asyncio.gather(*starts)
    assert most == 1
    for _ in starts:
        (await chat.model.next_call()).end()


async def test_a_picture_that_takes_too_long_is_given_up_with_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = noted_processes(monkeypatch)
    monkeypatch.setattr("chat_core.images._DECODING_SECONDS", 0.01)
    with pytest.raises(ImageUnreadable):
        await read_image(PICTURE)
    assert [process.returncode for process in processes] == [-SIGKILL]


async def test_a_picture_that_nobody_waits_for_is_given_up_with_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = noted_processes(monkeypatch)
    reading = asyncio.create_task(read_image(picture("PNG", (8000, 5000), mode="1")))

    async def begun() -> bool:
        return bool(processes)

    await eventually(begun)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [process.returncode for process in processes] == [-SIGKILL]


def noted_processes(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """The processes that will be begun."""
    processes: list[Process] = []
    begin = asyncio.create_subprocess_exec

    async def note(*arguments: Any, **options: Any) -> Process:
        processes.append(await begin(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", note)
    return processes


# What is refused


@pytest.mark.parametrize(
    ("message", "images", "error"),
    [
        ("Look!", [b"This is no picture."], ImageUnreadable),
        ("Look!", [PICTURE, PICTURE[:50]], ImageUnreadable),
        ("Look!", [PICTURE.ljust(11 * 1024**2)], ImageTooLarge),
        ("Look!", [PICTURE] * 5, TooManyImages),
        ("Look!", ["/etc/passwd"], InvalidInput),
        ("Look!", PICTURE, InvalidInput),
        ("Look!", None, InvalidInput),
        (" ", [], MessageEmpty),
        ("x" * 101, [PICTURE], InvalidInput),
    ],
    ids=["text", "one is broken", "too large", "too many", "a path", "bytes", "none", "nothing", "too long"],
)
async def test_pictures_that_cannot_be_sent_change_nothing(
    open_service: OpenService,
    chat: Chat,
    connect: Connect,
    message: str,
    images: Any,
    error: type[ChatError],
) -> None:
    chat = chat.through(await open_service(max_message_chars=100))
    await chat.say("Hello", "Hi.")
    before = await dump(connect())
    with pytest.raises(error):
        await chat.service.start_turn(chat.user, chat.id, message, images=images)
    assert await dump(connect()) == before
    assert chat.model.silent


async def test_what_is_over_the_rate_limit_is_not_decoded(
    open_service: OpenService, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = chat.through(await open_service(rate_limit="2/hour"))
    for _ in range(2):  # each counts once
        await look(chat)
    monkeypatch.setattr("chat_core.turns.starter.read_image", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(RateLimited):
        await chat.service.start_turn(chat.user, chat.id, "Look!", images=[PICTURE])


async def test_looking_at_a_file_that_is_no_picture_counts_against_the_rate_limit(
    open_service: OpenService, chat: Chat
) -> None:
    chat = chat.through(await open_service(rate_limit="2/hour"))
    with pytest.raises(ImageUnreadable):
        await chat.service.start_turn(chat.user, chat.id, "Look!", images=[b"This is no picture."])
    await look(chat)
    with pytest.raises(RateLimited):
        await chat.service.start_turn(chat.user, chat.id, "Look!")


async def test_four_pictures_are_welcome_and_a_correction_cannot_add_a_fifth(chat: Chat) -> None:
    call = await chat.say("Look!", "Grey.", images=[PICTURE] * 4)
    assert len(call.images[0]) == 4
    asked = (await chat.history())[0]
    with pytest.raises(TooManyImages) as caught:
        await chat.service.start_turn(chat.user, chat.id, "Look!", replaces=asked.id, images=[PICTURE])
    assert (caught.value.facts["count"], caught.value.facts["limit"]) == (5, 4)
    assert (await chat.history())[0] == asked


async def test_a_correction_without_text_needs_pictures_to_keep(chat: Chat) -> None:
    await chat.say("Hello", "Hi.")
    asked = (await chat.history())[0]
    with pytest.raises(MessageEmpty):
        await chat.service.start_turn(chat.user, chat.id, "", replaces=asked.id)
    assert await chat.contents() == ["Hello", "Hi."]
