"""What an earlier version stored and exported is read by this one.

`data/recorded_store.json` holds, key by key, what such a version wrote into a Valkey: turns that ended in all
ways, and two that ran when their process was killed. `data/recorded_export.json` is its export of one of the
conversations. Neither is to be made anew: whatever the code calls it by now, people have it in this form.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from chat_core import (
    ChatError,
    ChatMessage,
    ChatService,
    ContextReceipt,
    Delta,
    Sampling,
    Session,
    StopResult,
    TurnEnd,
    Usage,
)
from tests.conftest import eventually
from tests.pictures import seen
from tests.scripted_model import ScriptedModel

from .conftest import Chat, OpenService

# What the code calls a field of a message: what the record calls it.
RECORDED_NAMES = {"versions": "earlier", "role_key": "as_role", "reasoning_seconds": "seconds_of_thought"}


async def select_version(chat: Chat, asked: ChatMessage, number: int) -> None:
    await chat.service.select_version(chat.user, chat.id, asked.id, number)


# Below this line nothing is called by a name that only the code has.

DATA = Path(__file__).parent / "data"
RECORD: dict[str, dict[str, Any]] = json.loads((DATA / "recorded_store.json").read_text(encoding="utf-8"))
EXPORT = (DATA / "recorded_export.json").read_text(encoding="utf-8")
USER = "ada@example.org"
WEEK_SECONDS = 7 * 24 * 3600
REPLY = {"role": "assistant", "as_role": "assistant", "model": "big", "seconds_of_thought": 0.0}

# Title, role, model, messages, sampling: the one that was changed last comes first.
SESSIONS = [
    ("How long is a year?", "assistant", "big", 2, Sampling(max_tokens=64)),
    ("", "teacher", "", 0, Sampling()),
    ("Name a lake.", "assistant", "big", 1, Sampling()),
    ("Hello, fox.", "programmer", "small", 3, Sampling()),
    ("Is all well?", "assistant", "big", 6, Sampling()),
    ("", "programmer", "big", 0, Sampling(max_tokens=64)),
    ("Hello!", "custom", "big", 2, Sampling()),
    ("Keep this.", "assistant", "big", 2, Sampling()),
    ("Photographs", "programmer", "small", 4, Sampling(temperature=0.0)),
    ("Waht is 2 + 2?", "assistant", "big", 2, Sampling()),
    ("Are you there?", "assistant", "big", 3, Sampling()),
    ("Count to ten.", "assistant", "big", 2, Sampling()),
    ("Name a river.", "teacher", "small", 2, Sampling()),
    ("Colours of the sky", "programmer", "small", 6, Sampling(temperature=0.4, max_tokens=500)),
]
SKY = ["Why is the sky blue?\nIn one line.", "Because air scatters blue light. 天是蓝的。"]
SKY += ["Show it in code.", "```python\nblue = wavelength ** -4\n```", "And at sunset?", "red = 1 - blue"]
STORY = "Once upon a time there was a fox 🦊 who "
SLOW_DOWN = {
    "code": "model_rate_limited",
    "message": "The model's provider asks to slow down. Slow down.",
    "facts": {"reason": "Slow down.", "retry_after": 9.0},
}


@pytest.fixture
async def service(open_service: OpenService, redis: Redis) -> ChatService:
    """A service over the recorded store."""
    for key, held in RECORD.items():
        await put(redis, key, held["type"], held["value"])
    return await open_service(openai_models="small")


async def put(redis: Redis, key: str, kind: str, value: Any) -> None:
    """Stores what the record has under a key, for ever."""
    match kind:
        case "string":
            await redis.set(key, value)
        case "set":
            await redis.sadd(key, *value)
        case "zset":
            await redis.zadd(key, value)
        case "list":
            await redis.rpush(key, *value)
        case "hash":
            await redis.hset(key, mapping=value)
        case "stream":
            for entry_id, fields in value.items():
                await redis.xadd(key, fields, id=entry_id)
        case _:
            raise AssertionError(kind)


Find = Callable[..., Awaitable[Chat]]


@pytest.fixture
def find(service: ChatService, model: ScriptedModel) -> Find:
    """Finds a recorded conversation by its title, and those without one by their role too."""

    async def find(title: str, role: str = "") -> Chat:
        sessions = await service.sessions(USER)
        [found] = [session for session in sessions if session.title == title and role in ("", session.role)]
        return Chat(service, model, USER, found.id)

    return find


def recorded(message: ChatMessage) -> dict[str, Any]:
    """All that is known of a message, as it stands in the record."""
    found: dict[str, Any] = _renamed(message.model_dump(mode="json", exclude_defaults=True, by_alias=False))
    return found


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {RECORDED_NAMES.get(name, name): _renamed(inner) for name, inner in value.items()}
    return [_renamed(inner) for inner in value] if isinstance(value, list) else value


def rows_of(session_id: str) -> list[str]:
    rows: list[str] = RECORD[f"chat:{{{USER}}}:session:{session_id}:messages"]["value"]
    return rows


async def head_of(chat: Chat) -> Session:
    return await chat.service.session(chat.user, chat.id)


async def versions_of(chat: Chat) -> tuple[list[str], str]:
    """The first message's other versions of the reply, and the reply that is shown."""
    asked, reply = (await chat.history())[:2]
    return [version["content"] for version in recorded(asked)["earlier"]], reply.content


# The list


async def test_the_conversations_are_listed_with_all_that_their_heads_say(service: ChatService) -> None:
    sessions = await service.sessions(USER)
    assert [(s.title, s.role, s.model, s.messages, s.sampling) for s in sessions] == SESSIONS
    assert [session.title for session in sessions if session.pinned] == ["Keep this."]
    assert not any(session.running for session in sessions)
    assert await service.sessions("eve@example.org") == []


async def test_a_conversations_times_and_revision_are_kept(find: Find) -> None:
    sky = await head_of(await find("Colours of the sky"))
    assert (sky.created_at, sky.updated_at, sky.revision) == (1704110400.954409, 1704110402.6779113, 10)
    assert sky.last_turn == "af089c988e084bfd9376dbefcd0d8bf2"
    assert sky.expires_at == 1704110402.6779113 + WEEK_SECONDS
    assert (await head_of(await find("Keep this."))).expires_at is None


async def test_conversations_are_found_by_what_was_said(service: ChatService) -> None:
    for query, titles in (("SCATTERS", ["Colours of the sky"]), ("grey squares", ["Photographs"])):
        assert [session.title for session in await service.sessions(USER, query)] == titles


async def test_a_pinned_conversation_can_be_let_go_and_another_be_pinned(find: Find) -> None:
    pinned, sky = await find("Keep this."), await find("Colours of the sky")
    await pinned.service.pin(USER, pinned.id, False)
    await sky.service.pin(USER, sky.id)
    sessions = await sky.service.sessions(USER)
    assert [session.title for session in sessions if session.pinned] == ["Colours of the sky"]


async def test_what_is_deleted_leaves_nothing_behind(service: ChatService, redis: Redis) -> None:
    for session in await service.sessions(USER):
        await service.delete(USER, session.id)
    assert await service.sessions(USER) == []
    await service.delete_role(USER, "custom")
    assert [key async for key in redis.scan_iter("*")] == []


# What was said


@pytest.mark.parametrize(
    "title",
    [
        "Colours of the sky",
        "Name a river.",
        "Count to ten.",
        "Are you there?",
        "Waht is 2 + 2?",
        "Photographs",
        "Keep this.",
        "Hello!",
        "How long is a year?",
    ],
)
async def test_every_message_is_read_with_all_that_was_stored_of_it(find: Find, title: str) -> None:
    chat = await find(title)
    stored = await chat.service.history(USER, chat.id)
    assert stored.unreadable == 0
    assert [recorded(message) for message in stored.items] == [json.loads(row) for row in rows_of(chat.id)]


async def test_a_reply_has_its_reasoning_its_times_its_tokens_and_the_opinion_of_it(find: Find) -> None:
    sky = await find("Colours of the sky")
    assert await sky.contents() == SKY
    replies = [recorded(message) for message in (await sky.history())[1::2]]
    assert replies[0] == {
        "id": "f585d5b49c044ad5b5503f10889b0802-reply",
        "role": "assistant",
        "content": SKY[1],
        "timestamp": 1704110401.6613748,
        "turn_id": "f585d5b49c044ad5b5503f10889b0802",
        "reasoning": "Rayleigh, then.",
        "seconds_of_thought": 0.301,
        "as_role": "teacher",
        "model": "big",
        "usage": {"prompt_tokens": 41, "completion_tokens": 9, "total_tokens": 50},
        "context": {"sent": 1, "dropped": 0, "estimated_tokens": 70},
        "seconds_to_first_token": 0.101,
        "seconds": 0.703,
        "feedback": "like",
    }
    assert [(reply["as_role"], reply["model"]) for reply in replies] == [
        ("teacher", "big"),
        ("programmer", "small"),
        ("programmer", "small"),
    ]
    assert [reply.get("feedback", "") for reply in replies] == ["like", "dislike", ""]
    assert replies[2]["context"] == {"sent": 3, "dropped": 2, "estimated_tokens": 85}


async def test_a_message_and_its_reply_share_their_turn(find: Find) -> None:
    asked, reply = (await (await find("Colours of the sky")).history())[:2]
    assert recorded(asked) == {
        "id": "f585d5b49c044ad5b5503f10889b0802-message",
        "role": "user",
        "content": SKY[0],
        "timestamp": 1704110400.9571571,
        "turn_id": reply.turn_id,
    }


@pytest.mark.parametrize(
    ("title", "text", "status"),
    [("Count to ten.", "One, two, ", "stopped"), ("How long is a year?", "A year is 365", "interrupted")],
)
async def test_a_reply_that_was_cut_off_says_how(find: Find, title: str, text: str, status: str) -> None:
    chat = await find(title)
    asked, reply = await chat.history()
    assert (asked.content, asked.status) == (title, "done")
    assert (reply.content, reply.status) == (text, status)
    end = (await chat.read())[1]
    assert (end.status, end.message, end.error) == (status, reply, None)


async def test_a_corrected_message_is_the_only_one(find: Find) -> None:
    assert await (await find("Waht is 2 + 2?")).contents() == ["What is 2 + 2?", "4."]


async def test_an_opinion_of_an_old_reply_can_be_changed(find: Find) -> None:
    sky = await find("Colours of the sky")
    before = await sky.history()
    await sky.service.rate(USER, sky.id, before[1].id, "dislike")
    after = await sky.history()
    assert recorded(after[1]) == recorded(before[1]) | {"feedback": "dislike"}
    assert after[2:] == before[2:]


async def test_a_cleared_conversation_is_empty_and_can_go_on(find: Find) -> None:
    cleared = await find("", "programmer")
    assert await cleared.history() == []
    with pytest.raises(ChatError) as caught:
        await cleared.read()
    assert caught.value.code == "turn_not_found"
    call = await cleared.say("Anew?", "Anew.")
    assert call.shown == [("system", cleared.service.roles["programmer"].prompt), ("user", "Anew?")]
    assert (await head_of(cleared)).title == "Anew?"


async def test_a_row_that_cannot_be_read_is_counted_and_left_out(find: Find) -> None:
    spoilt = await find("Is all well?")
    stored = await spoilt.service.history(USER, spoilt.id)
    assert stored.unreadable == 2
    assert [m.content for m in stored.items] == ["Is all well?", "It is.", "Still?", "Hardly."]
    call = await spoilt.say("And now?", "Now, yes.")
    assert [text for _, text in call.shown[1:]] == ["Is all well?", "It is.", "Still?", "Hardly.", "And now?"]
    assert (await spoilt.service.history(USER, spoilt.id)).unreadable == 2


# Failures


async def test_a_reply_that_failed_in_the_middle_keeps_its_text_and_its_error(find: Find) -> None:
    reply = (await (await find("Are you there?")).history())[1]
    assert (reply.content, reply.status) == ("I am he", "failed")
    assert recorded(reply)["error"] == {
        "code": "model_disconnected",
        "message": "The connection to the model was lost in the middle of its reply. "
        "peer closed the connection",
        "facts": {"reason": "peer closed the connection"},
    }


async def test_a_turn_that_failed_without_a_word_still_says_why(find: Find) -> None:
    failed = await find("Are you there?")
    assert await failed.contents() == ["Are you there?", "I am he", "Are you there now?"]
    text, end = await failed.read()
    assert (text, end.status, end.message) == ("", "failed", None)
    assert end.error is not None
    assert end.error.model_dump() == SLOW_DOWN | {"facts": {"reason": "Slow down.", "retry_after": 12.5}}
    assert end.context == ContextReceipt(sent=3, dropped=0, estimated_tokens=63)


async def test_a_turn_that_failed_without_a_word_can_be_tried_again(find: Find) -> None:
    failed = await find("Are you there?")
    turn_id = await failed.service.regenerate(USER, failed.id)
    call = await failed.model.next_call()
    call.say("I am here.")
    call.end()
    assert (await failed.read(turn_id))[0] == "I am here."
    assert await failed.contents() == ["Are you there?", "I am he", "Are you there now?", "I am here."]


# Versions


async def test_a_reply_that_was_tried_again_has_its_other_versions(find: Find) -> None:
    river = await find("Name a river.")
    asked, reply = await river.history()
    details = [
        (version["content"], version["as_role"], version["model"], version["usage"]["total_tokens"])
        for version in (*recorded(asked)["earlier"], recorded(reply))
    ]
    assert details == [
        ("The Nile.", "assistant", "big", 13),
        ("The Amazon.", "teacher", "small", 15),
        ("The Rhine.", "teacher", "big", 14),
    ]
    assert (reply.reasoning, recorded(reply)["seconds_of_thought"]) == ("Another one.", 0.3)


async def test_the_versions_of_a_reply_can_be_walked(find: Find) -> None:
    river = await find("Name a river.")
    before = await river.history()
    names = ["The Nile.", "The Rhine.", "The Amazon."]
    for number in (1, 3, 2):
        await select_version(river, (await river.history())[0], number)
        shown = names[number - 1]
        assert await versions_of(river) == ([name for name in names if name != shown], shown)
    assert await river.history() == before
    call = await river.say("And another?", "The Po.")
    assert call.shown[1:3] == [("user", "Name a river."), ("assistant", "The Rhine.")]


async def test_a_further_try_joins_the_versions(find: Find) -> None:
    river = await find("Name a river.")
    turn_id = await river.service.regenerate(USER, river.id)
    call = await river.model.next_call()
    call.say("The Po.")
    call.end()
    await river.read(turn_id)
    assert await versions_of(river) == (["The Nile.", "The Amazon.", "The Rhine."], "The Po.")
    await select_version(river, (await river.history())[0], 1)
    assert (await river.history())[1].content == "The Nile."


# Pictures


async def test_a_messages_pictures_are_kept_with_their_sizes_and_previews(find: Find) -> None:
    asked, reply = (await (await find("Photographs")).history())[:2]
    assert (asked.content, reply.content, reply.images) == ("What is on these?", "Two grey squares.", ())
    assert [(image.media_type, image.width, image.height) for image in asked.images] == [
        ("image/jpeg", 30, 20),
        ("image/jpeg", 40, 20),
    ]
    assert [seen(image.preview).size for image in asked.images] == [(30, 20), (40, 20)]


async def test_the_model_is_shown_old_pictures_again(find: Find) -> None:
    photos = await find("Photographs")
    call = await photos.say("And now?", "Still grey.")
    assert [[seen(url).size for url in urls] for urls in call.images] == [[(30, 20), (40, 20)]]
    said = ["What is on these?", "Two grey squares.", "Which is larger?", "The sec", "And now?"]
    assert [text for _, text in call.shown[1:]] == said
    assert (call.model, call.sampling) == ("small", Sampling(temperature=0.0))


async def test_pictures_come_back_with_the_message_that_is_taken_back(find: Find) -> None:
    photos = await find("Photographs")
    assert (await photos.service.undo(USER, photos.id)).message == "Which is larger?"
    text, files, _ = await photos.service.undo(USER, photos.id)
    assert (text, len(files)) == ("What is on these?", 2)
    call = await photos.say(text, "Grey.", images=files)
    assert [seen(url).size for url in call.images[0]] == [(30, 20), (40, 20)]


async def test_old_pictures_go_with_their_message(find: Find, redis: Redis) -> None:
    photos = await find("Photographs")
    for _ in range(2):
        await photos.service.undo(USER, photos.id)
    call = await photos.say("Nothing to see.", "Nothing.")
    assert call.images == []
    assert [key async for key in redis.scan_iter("*:images")] == []


# Turns whose process died


async def test_a_turn_whose_process_died_is_closed_with_the_text_that_was_logged(find: Find) -> None:
    fox = await find("Hello, fox.")
    assert await fox.contents() == ["Hello, fox.", "Hello.", "Tell me a story.", STORY]
    assert recorded((await fox.history())[-1]) == {
        "id": "4872857fc5aa4df38ccece396123e6ca-reply",
        "role": "assistant",
        "content": STORY,
        "timestamp": 1704110410.9517376,
        "status": "interrupted",
        "turn_id": "4872857fc5aa4df38ccece396123e6ca",
        "reasoning": "Who is it about? A fox.",
        "as_role": "programmer",
        "model": "small",
    }
    assert not (await head_of(fox)).running


@pytest.mark.parametrize(("after", "rest"), [(0, STORY), (40, "there was a fox 🦊 who "), (62, "")])
async def test_a_turn_whose_process_died_is_followed_to_its_end(find: Find, after: int, rest: str) -> None:
    fox = await find("Hello, fox.")
    text, end = await fox.read(after=after)
    assert (text, end.status, end.error) == (rest, "interrupted", None)
    assert end.message == (await fox.history())[-1]


async def test_a_message_after_a_turn_whose_process_died_shows_what_it_said(find: Find) -> None:
    fox = await find("Hello, fox.")
    call = await fox.say("Go on.", "was hungry.")
    assert [text for _, text in call.shown[1:]] == [
        "Hello, fox.",
        "Hello.",
        "Tell me a story.",
        STORY,
        "Go on.",
    ]


async def test_a_second_try_whose_process_died_leaves_the_first_reply(find: Find) -> None:
    lake = await find("Name a lake.")
    asked, reply = await lake.history()
    assert recorded(asked) == {
        "id": "fcdf25ffead544b985efc6ced859f1b9-message",
        "role": "user",
        "content": "Name a lake.",
        "timestamp": 1704110414.9193168,
        "turn_id": "fcdf25ffead544b985efc6ced859f1b9",
    }
    assert recorded(reply) == REPLY | {
        "id": "cc3543e2a67742b48adbc0ad1c5d10c8-reply",
        "content": "Lake Como.",
        "timestamp": 1704110413.0098448,
        "turn_id": "cc3543e2a67742b48adbc0ad1c5d10c8",
        "context": {"sent": 1, "dropped": 0, "estimated_tokens": 47},
        "seconds_to_first_token": 0.001,
        "seconds": 0.302,
    }


# A turn that a process of the earlier version still writes


@pytest.fixture
async def written(find: Find, redis: Redis) -> tuple[Chat, str, str]:
    """A conversation in which it does, the turn's id, and the key of the sign of life."""
    fox = await find("Hello, fox.")
    turn_id, sign_of_life = "4872857fc5aa4df38ccece396123e6ca", f"chat:{{{USER}}}:session:{fox.id}:turn"
    await redis.set(sign_of_life, turn_id)
    return fox, turn_id, sign_of_life


async def test_a_turn_that_is_written_elsewhere_is_followed_and_left_alone(
    written: tuple[Chat, str, str], redis: Redis
) -> None:
    fox, turn_id, sign_of_life = written
    assert (await head_of(fox)).running
    assert (await fox.read_until(STORY)).end == 62
    with pytest.raises(ChatError) as caught:
        await fox.service.start_turn(USER, fox.id, "Go on.")
    assert caught.value.code == "session_busy"
    assert await fox.contents() == ["Hello, fox.", "Hello.", "Tell me a story."]
    await redis.delete(sign_of_life)
    assert (await fox.read(turn_id))[1].status == "interrupted"


async def test_a_turn_that_is_written_elsewhere_is_asked_to_stop(
    written: tuple[Chat, str, str], redis: Redis
) -> None:
    fox, turn_id, sign_of_life = written
    stop = asyncio.create_task(fox.service.stop(USER, fox.id))

    async def asked_to_stop() -> bool:
        return await redis.get(f"chat:{{{USER}}}:turn:{turn_id}:stop") == "1"

    await eventually(asked_to_stop)
    await redis.delete(sign_of_life)
    assert await stop == StopResult(False, turn_id, len(STORY))


# Following


async def followed(chat: Chat) -> tuple[Delta, Delta, TurnEnd]:
    """The last turn's reasoning, its text and its end, however the log was cut."""
    pieces = {"reasoning": Delta("reasoning", "", 0), "text": Delta("text", "", 0)}
    async for event in chat.service.follow(chat.user, chat.id):
        if isinstance(event, TurnEnd):
            return pieces["reasoning"], pieces["text"], event
        pieces[event.kind] = event._replace(text=pieces[event.kind].text + event.text)
    raise AssertionError("the turn has no end")


@pytest.mark.parametrize(
    ("title", "text", "status"),
    [
        ("Colours of the sky", "red = 1 - blue", "done"),
        ("Name a river.", "The Amazon.", "done"),  # the last turn's, though another version is shown
        ("Count to ten.", "One, two, ", "stopped"),
        ("Photographs", "The sec", "failed"),
        ("Hello!", "Arr.", "done"),
        ("How long is a year?", "A year is 365", "interrupted"),
    ],
)
async def test_the_last_turn_can_be_followed(find: Find, title: str, text: str, status: str) -> None:
    chat = await find(title)
    seen_text, end = await chat.read()
    assert (seen_text, end.status) == (text, status)
    assert end.message is not None
    assert (end.message.content, end.message.status) == (text, status)
    turn_id = (await head_of(chat)).last_turn
    assert end.message.turn_id == turn_id
    stored = [message for message in await chat.history() if message.turn_id == turn_id]
    assert end.message == stored[-1] or recorded(end.message) in recorded(stored[0])["earlier"]


async def test_the_log_of_a_turn_says_all_that_is_known_of_it(find: Find) -> None:
    sky = await find("Colours of the sky")
    reasoning, text, end = await followed(sky)
    assert (reasoning, text) == (Delta("reasoning", "The way is longer.", 18), Delta("text", SKY[-1], 32))
    assert (end.usage, end.context) == (None, ContextReceipt(sent=3, dropped=2, estimated_tokens=85))
    assert end.message is not None
    assert recorded(end.message) == json.loads(rows_of(sky.id)[-1])
    _, _, end = await followed(await find("Name a river."))
    assert end.usage == Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15)


@pytest.mark.parametrize(("after", "rest"), [(18, "red = 1 - blue"), (25, " - blue"), (32, "")])
async def test_an_old_turn_is_followed_from_where_one_was(find: Find, after: int, rest: str) -> None:
    assert (await (await find("Colours of the sky")).read(after=after))[0] == rest


@pytest.mark.parametrize("title", ["Colours of the sky", "Count to ten.", "Photographs"])
async def test_a_turn_without_its_log_is_followed_from_the_stored_reply(
    find: Find, redis: Redis, title: str
) -> None:
    chat = await find(title)
    logged = await followed(chat)
    await redis.delete(*(key for key, held in RECORD.items() if held["type"] == "stream"))
    assert await followed(chat) == logged


# Going on


async def test_a_new_message_goes_to_the_model_with_all_that_was_said_and_chosen(find: Find) -> None:
    sky = await find("Colours of the sky")
    call = await sky.say("And at night?", "Black.")
    assert call.shown == [
        ("system", sky.service.roles["programmer"].prompt),
        *zip(["user", "assistant"] * 3, SKY, strict=True),
        ("user", "And at night?"),
    ]
    assert (call.model, call.sampling) == ("small", Sampling(temperature=0.4, max_tokens=500))
    assert await sky.contents() == [*SKY, "And at night?", "Black."]
    head = await head_of(sky)
    assert (head.title, head.messages) == ("Colours of the sky", 8)
    assert (await sky.service.sessions(USER))[0] == head


async def test_an_old_message_can_be_corrected(find: Find) -> None:
    sky = await find("Colours of the sky")
    asked = (await sky.history())[2]
    call = await sky.say("Show it in C.", "blue = pow(wavelength, -4);", replaces=asked.id)
    assert [text for _, text in call.shown[1:]] == [*SKY[:2], "Show it in C."]
    assert await sky.contents() == [*SKY[:2], "Show it in C.", "blue = pow(wavelength, -4);"]


async def test_the_users_own_prompt_is_kept_and_used(find: Find) -> None:
    pirate = await find("Hello!")
    prompt = "You are a pirate.\nSay arr 🏴‍☠️ once."
    (role,) = await pirate.service.own_roles(USER)
    assert (role.key, role.prompt, role.name.en) == ("custom", prompt, "Custom")
    call = await pirate.say("Ahoy!", "Arr, arr.")
    said = [("user", "Hello!"), ("assistant", "Arr."), ("user", "Ahoy!")]
    assert call.shown == [("system", prompt), *said]


# Files


async def imported(chat: Chat, data: str) -> Chat:
    user = "eve@example.org"
    (session,) = (await chat.service.import_file(user, data)).sessions
    return chat._replace(user=user, id=session.id)


async def without_ids(chat: Chat) -> list[dict[str, Any]]:
    """What was said, as the record has it; turns by their order."""
    turns: dict[str, int] = {}

    def anonymous(message: dict[str, Any]) -> dict[str, Any]:
        known = {name: value for name, value in message.items() if name not in ("id", "turn_id")}
        for name, inner in (("earlier", anonymous), ("images", lambda image: image | {"id": ""})):
            if name in known:
                known[name] = [inner(value) for value in known[name]]
        return known | {"turn": turns.setdefault(message["turn_id"], len(turns))}

    return [anonymous(recorded(message)) for message in await chat.history()]


async def test_an_old_export_becomes_the_conversation_that_was_exported(find: Find) -> None:
    photos = await find("Photographs")
    copy = await imported(photos, EXPORT)
    head = await head_of(copy)
    assert (head.title, head.role, head.model, head.messages) == ("Photographs", "programmer", "small", 4)
    assert await without_ids(copy) == await without_ids(photos)


async def test_a_reply_from_an_old_export_has_all_that_was_known_of_it(find: Find) -> None:
    copy = await imported(await find("Photographs"), EXPORT)
    asked, reply, _, failed = map(recorded, await copy.history())
    usage = {"prompt_tokens": 2020, "completion_tokens": 6, "total_tokens": 2026}
    assert reply == REPLY | {
        "id": reply["id"],
        "content": "Two grey squares.",
        "timestamp": 1704110405.9832306,
        "turn_id": reply["turn_id"],
        "reasoning": "Grey, both.",
        "seconds_of_thought": 0.3,
        "as_role": "teacher",
        "usage": usage,
        "context": {"sent": 1, "dropped": 0, "estimated_tokens": 2066},
        "seconds_to_first_token": 0.104,
        "seconds": 0.704,
    }
    [other] = asked["earlier"]
    assert (other["content"], other["as_role"], other["model"]) == ("Two stones.", "programmer", "small")
    assert other["feedback"] == "like"
    assert [seen(image["preview"]).size for image in asked["images"]] == [(30, 20), (40, 20)]
    assert (failed["content"], failed["status"], failed["error"]) == ("The sec", "failed", SLOW_DOWN)


async def test_a_conversation_from_an_old_export_goes_on(find: Find) -> None:
    copy = await imported(await find("Photographs"), EXPORT)
    text, end = await copy.read()
    assert (text, end.status) == ("The sec", "failed")
    await select_version(copy, (await copy.history())[0], 2)
    call = await copy.say("And now?", "Grey.")
    said = ["What is on these?", "Two stones.", "Which is larger?", "The sec", "And now?"]
    assert [text for _, text in call.shown[1:]] == said


@pytest.mark.parametrize("title", ["Colours of the sky", "Name a river.", "Photographs", "Hello, fox."])
async def test_an_old_conversation_is_exported_and_comes_back_the_same(find: Find, title: str) -> None:
    chat = await find(title)
    portable = await chat.service.export(USER, chat.id)
    assert list(portable.messages) == await chat.history()
    copy = await imported(chat, portable.to_json())
    assert await without_ids(copy) == await without_ids(chat)
    before, after = await head_of(chat), await head_of(copy)
    assert (after.title, after.role, after.model) == (title, before.role, before.model)
