"""What cannot be used is refused with its reason, and changes nothing."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest

from chat_core import ChatError, ChatService
from chat_core.errors import (
    InvalidInput,
    MessageEmpty,
    MessageTooLong,
    SessionNotFound,
    UnknownModel,
    UnknownRole,
)
from tests.conftest import Connect
from tests.contract.conftest import dump

from .conftest import Chat, OpenService

# Checked before any store is asked, so one store will do.
pytestmark = pytest.mark.parametrize("connect", ["fakeredis"], indirect=True)

BAD_USERS = {
    "empty": "",
    "braces": "a}b",
    "colon": "a:b",
    "too long": "a" * 129,
    "newline": "ada\n",
    "none": None,
}
BAD_IDS = {
    "empty": "",
    "braces": "{s}",
    "colon": "a:b",
    "too long": "a" * 65,
    "newline": "s\n",
    "list": [],
    "none": None,
}
NOT_TEXT = "half a surrogate \ud83d"

Use = Callable[[ChatService, Any, Any], Awaitable[object]]
USES: dict[str, Use] = {
    "session": lambda service, user, session: service.session(user, session),
    "history": lambda service, user, session: service.history(user, session),
    "clear": lambda service, user, session: service.clear(user, session),
    "move": lambda service, user, session: service.move(user, session, "Folder"),
    "rename": lambda service, user, session: service.rename(user, session, "Title"),
    "delete": lambda service, user, session: service.delete(user, session),
    "export": lambda service, user, session: service.export(user, session),
    "start_turn": lambda service, user, session: service.start_turn(user, session, "Why?"),
    "stop": lambda service, user, session: service.stop(user, session),
    "follow": lambda service, user, session: first(service.follow(user, session)),
    "follow a turn": lambda service, user, session: first(service.follow(user, session, "t1")),
}
uses = pytest.mark.parametrize("use", USES.values(), ids=USES)


async def first(events: AsyncGenerator[object, None]) -> object:
    return await anext(events)


@pytest.fixture
async def talked(chat: Chat) -> Chat:
    await chat.say("Hello", "Hi.")
    return chat


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("", MessageEmpty),
        (" \n\t　", MessageEmpty),
        ("x" * 101, MessageTooLong),
        (NOT_TEXT, InvalidInput),
        (None, InvalidInput),
        (["Hello"], InvalidInput),
    ],
    ids=["empty", "blank", "too long", "not Unicode", "missing", "a list"],
)
async def test_a_message_that_cannot_be_sent_changes_nothing(
    open_service: OpenService, connect: Connect, talked: Chat, message: Any, error: type[ChatError]
) -> None:
    chat = talked.through(await open_service(max_message_chars=100))
    before = await dump(connect())
    with pytest.raises(error):
        await chat.service.start_turn(chat.user, chat.id, message, role="teacher")
    assert await dump(connect()) == before
    assert chat.model.silent


async def test_the_longest_message_is_welcome(open_service: OpenService, chat: Chat) -> None:
    chat = chat.through(await open_service(max_message_chars=100))
    await chat.say("🙂" * 100, "Yes.")
    assert (await chat.history())[0].content == "🙂" * 100


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ({"role": "pirate"}, UnknownRole),
        ({"role": NOT_TEXT}, InvalidInput),
        ({"role": 7}, InvalidInput),
        ({"model": "huge"}, UnknownModel),
        ({"model": {}}, InvalidInput),
    ],
    ids=["unknown role", "role not Unicode", "role not text", "unknown model", "model not text"],
)
async def test_a_role_or_model_that_is_not_there_changes_nothing(
    connect: Connect, talked: Chat, choice: dict[str, Any], error: type[ChatError]
) -> None:
    before = await dump(connect())
    with pytest.raises(error):
        await talked.service.start_turn(talked.user, talked.id, "Why?", **choice)
    if "role" in choice:
        with pytest.raises(error):
            await talked.service.start_session(talked.user, choice["role"])
    assert await dump(connect()) == before


@uses
@pytest.mark.parametrize("user", BAD_USERS.values(), ids=BAD_USERS)
async def test_a_malformed_user_id_is_refused_everywhere(
    connect: Connect, talked: Chat, use: Use, user: Any
) -> None:
    before = await dump(connect())
    with pytest.raises(InvalidInput) as caught:
        await use(talked.service, user, talked.id)
    assert caught.value.facts["field"] == "user_id"
    assert await dump(connect()) == before


@pytest.mark.parametrize("user", list(BAD_USERS.values())[1:], ids=list(BAD_USERS)[1:])
async def test_a_malformed_user_id_gets_no_session_and_no_list(
    connect: Connect, service: ChatService, user: Any
) -> None:
    for use in (service.start_session, service.sessions, lambda user: service.import_file(user, b"{}")):
        with pytest.raises(InvalidInput) as caught:
            await use(user)
        assert caught.value.facts["field"] == "user_id"
    assert [key async for key in connect().scan_iter("*")] == []


@uses
@pytest.mark.parametrize("session", BAD_IDS.values(), ids=BAD_IDS)
async def test_a_malformed_session_id_is_refused_everywhere(
    connect: Connect, talked: Chat, use: Use, session: Any
) -> None:
    before = await dump(connect())
    with pytest.raises(InvalidInput) as caught:
        await use(talked.service, talked.user, session)
    assert caught.value.facts["field"] == "session_id"
    assert await dump(connect()) == before


@pytest.mark.parametrize("turn", list(BAD_IDS.values())[1:], ids=list(BAD_IDS)[1:])
async def test_a_malformed_turn_id_is_refused(talked: Chat, turn: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await first(talked.service.follow(talked.user, talked.id, turn))
    assert caught.value.facts["field"] == "turn_id"


@uses
@pytest.mark.parametrize("whose", ["unknown", "somebody else's"])
async def test_an_unknown_session_and_somebody_elses_look_the_same(
    connect: Connect, talked: Chat, use: Use, whose: str
) -> None:
    before = await dump(connect())
    user, session = ("u_eve", talked.id) if whose == "somebody else's" else (talked.user, "0" * 32)
    with pytest.raises(SessionNotFound) as caught:
        await use(talked.service, user, session)
    assert (caught.value.code, caught.value.facts) == ("session_not_found", {})
    assert await dump(connect()) == before


@uses
async def test_a_running_turn_is_nobody_elses(talked: Chat, use: Use) -> None:
    turn_id, call = await talked.ask()
    with pytest.raises(SessionNotFound):
        await use(talked.service, "u_eve", talked.id)
    with pytest.raises(SessionNotFound):
        await first(talked.service.follow("u_eve", talked.id, turn_id))
    call.say("Mine.")
    call.end()
    assert (await talked.read(turn_id))[0] == "Mine."


async def test_a_running_turn_is_not_followed_through_another_session(talked: Chat) -> None:
    turn_id, call = await talked.ask()
    call.say("Mine.")
    await talked.read_until("Mine.")
    user, other = await talked.service.start_session()
    with pytest.raises(SessionNotFound):
        await first(talked.service.follow(user, talked.id, turn_id))
    [end] = [event async for event in talked.service.follow(user, other.id, turn_id)]
    assert end.status == "interrupted"
    assert end.message is None


@pytest.mark.parametrize("title", ["", " \n", "x" * 61, NOT_TEXT, None], ids=repr)
async def test_a_title_that_cannot_be_is_refused(connect: Connect, talked: Chat, title: Any) -> None:
    before = await dump(connect())
    with pytest.raises(InvalidInput):
        await talked.service.rename(talked.user, talked.id, title)
    assert await dump(connect()) == before


@pytest.mark.parametrize("number", [-1, -(10**30), 10**30, "1", None, 1.5], ids=repr)
async def test_a_count_that_is_none_is_refused(talked: Chat, number: Any) -> None:
    with pytest.raises(InvalidInput):
        await talked.service.history(talked.user, talked.id, number)
    with pytest.raises(InvalidInput):
        await first(talked.service.follow(talked.user, talked.id, after=number))
