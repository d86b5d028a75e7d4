"""The roles that users write: who answers in them, and what is refused."""

import base64
import json
import struct
import zlib
from typing import Any

import pytest

from chat_core import Role, Sampling
from chat_core.errors import (
    ImportRejected,
    InvalidInput,
    RateLimited,
    TooManyRoles,
    UnknownModel,
    UnknownRole,
)
from chat_core.service.own_roles import MAX_OWN_ROLES
from tests.pictures import picture

from .conftest import Chat, OpenService

POET: dict[str, Any] = {"name": "Poet", "prompt": "  Rhyme.\n"}


async def saved(chat: Chat, **fields: Any) -> Role:
    return await chat.service.save_role(chat.user, POET | fields)


async def test_a_user_has_many_roles_and_speaks_with_each(chat: Chat, open_service: OpenService) -> None:
    poet, pirate = await saved(chat), await saved(chat, name={"zh": "海盗", "en": "Pirate"}, prompt="Arr.")
    assert [role.name.en for role in await chat.service.own_roles(chat.user)] == ["Poet", "Pirate"]
    later = chat.through(await open_service())
    for role, prompt in ((poet, "Rhyme."), (pirate, "Arr.")):
        assert (await later.say("Why?", "So.", role=role.key)).shown[0] == ("system", prompt)
    assert (await later.say("Why?", "So.")).shown[0] == ("system", "Arr.")
    spoke = [message.role_key for message in await later.history() if message.role == "assistant"]
    assert spoke == [poet.key, pirate.key, pirate.key]


async def test_an_edited_role_answers_by_its_new_prompt(chat: Chat) -> None:
    poet = await saved(chat)
    edited = await saved(chat, key=poet.key, prompt="Rhyme loudly.")
    assert edited.key == poet.key
    assert await chat.service.own_roles(chat.user) == [edited]
    assert (await chat.say("Why?", "So.", role=poet.key)).shown[0] == ("system", "Rhyme loudly.")


async def test_a_deleted_role_gives_way_to_the_default(chat: Chat) -> None:
    poet = await saved(chat)
    await chat.say("Why?", "So.", role=poet.key)
    await chat.service.delete_role(chat.user, poet.key)
    default = chat.service.roles[""]
    assert (await chat.say("Why?", "So.")).shown[0] == ("system", default.prompt)
    with pytest.raises(UnknownRole):
        await chat.ask(role=poet.key)
    with pytest.raises(InvalidInput):
        await chat.service.delete_role(chat.user, poet.key)


async def test_a_role_is_its_users_alone(chat: Chat) -> None:
    poet = await saved(chat)
    with pytest.raises(UnknownRole):
        await chat.service.start_session("u_eve", poet.key)
    with pytest.raises(InvalidInput):
        await chat.service.save_role("u_eve", POET | {"key": poet.key})
    with pytest.raises(InvalidInput):
        await chat.service.delete_role("u_eve", poet.key)
    assert poet.key not in await chat.service.roles_for("u_eve")


async def test_the_roles_of_all_come_first(chat: Chat) -> None:
    poet = await saved(chat)
    roles = await chat.service.roles_for(chat.user)
    assert list(roles) == [*chat.service.roles, poet.key]
    assert await chat.service.roles_for(chat.user, ["teacher", ""]) is chat.service.roles
    assert list(await chat.service.roles_for(chat.user, [poet.key])) == list(roles)


async def test_a_role_brings_its_model_and_its_way_of_writing(chat: Chat, open_service: OpenService) -> None:
    service = await open_service(openai_models="small")
    chat = chat.through(service)
    poet = await saved(chat, model="small", temperature=1.5, max_tokens=90)
    _, session = await service.start_session(chat.user, poet.key)
    assert (session.model, session.sampling) == ("small", Sampling(temperature=1.5, max_tokens=90))
    begun = await chat._replace(id=session.id).say("Why?", "So.")
    joined = await chat.say("Why?", "So.", role=poet.key)
    for call in (begun, joined):
        assert (call.model, call.sampling) == ("small", Sampling(temperature=1.5, max_tokens=90))
    chosen = await chat.say("Why?", "So.", role=poet.key, model="big", sampling=Sampling(temperature=0.1))
    assert (chosen.model, chosen.sampling) == ("big", Sampling(temperature=0.1))
    stays = await chat.say("Why?", "So.")
    assert (stays.model, stays.sampling) == ("big", Sampling(temperature=0.1))


async def test_turns_of_everybodys_roles_ask_for_no_others(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    poet = await saved(chat)
    asked: list[str] = []
    hget = type(chat.service._roles._redis.pipeline()).hget

    def noted(pipe: Any, name: str, key: str) -> Any:
        asked.append(key)
        return hget(pipe, name, key)

    monkeypatch.setattr(type(chat.service._roles._redis.pipeline()), "hget", noted)
    await chat.say("Why?", "So.")
    await chat.say("Why?", "So.", role="teacher")
    assert asked == []
    await chat.say("Why?", "So.", role=poet.key)
    assert asked == [poet.key]


@pytest.mark.parametrize(
    ("fields", "field", "expected"),
    [
        ({"name": ""}, "role.name.zh", "some text"),
        ({"prompt": " "}, "role.prompt", "some text"),
        ({"prompt": "x" * 20_001}, "role.prompt", "at most 20000 characters"),
        ({"prompt": "half \ud83d"}, "role.prompt", None),
        ({"icon": "x" * 9}, "role.icon", "at most 8 characters"),
        ({"icon": f"data:image/png;base64,{'A' * 20_000}"}, "role.icon", "at most 20000 characters"),
        ({"example_questions": ["?"] * 21}, "role.example_questions.zh", "a list of at most 20"),
        ({"example_questions": ["?", 5]}, "role.example_questions.zh.2", "a valid string"),
        ({"temperature": "hot"}, "role.temperature", None),
        ({"temperature": 3}, "role.temperature", "less than or equal to 2"),
        ({"max_tokens": 0}, "role.max_tokens", "greater than or equal to 1"),
        ({"key": "own-9"}, "role.key", "the key of a role of your own"),
        ({"key": "teacher"}, "role.key", "the key of a role of your own"),
        ({"key": "a:b"}, "role.key", None),
        ({"key": ["x"]}, "role.key", "a valid string"),
        ({"colour": "red"}, "role.colour", "left out"),
    ],
)
async def test_what_a_file_may_not_have_a_user_may_not_have(
    chat: Chat, fields: dict[str, Any], field: str, expected: str | None
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await saved(chat, **fields)
    assert caught.value.facts["field"] == field
    assert expected in (None, caught.value.facts["expected"])
    assert await chat.service.own_roles(chat.user) == []


@pytest.mark.parametrize("role", [None, [], "Poet", 5])
async def test_what_is_no_role_is_refused(chat: Chat, role: Any) -> None:
    with pytest.raises(InvalidInput):
        await chat.service.save_role(chat.user, role)


async def test_a_model_that_nobody_has_is_refused(chat: Chat) -> None:
    with pytest.raises(UnknownModel):
        await saved(chat, model="huge")


async def test_there_is_an_end_to_the_roles_of_one_user(chat: Chat) -> None:
    roles = [await saved(chat) for _ in range(MAX_OWN_ROLES)]
    assert await chat.service.own_roles(chat.user) == roles
    with pytest.raises(TooManyRoles):
        await saved(chat)
    await saved(chat, key=roles[0].key, prompt="Rhyme loudly.")


async def test_saving_counts_for_an_address(open_service: OpenService) -> None:
    service = await open_service(rate_limit_address="1/minute")
    await service.save_role("u_ada", POET, address="1.2.3.4")
    with pytest.raises(RateLimited):
        await service.save_role("u_bob", POET, address="1.2.3.4")
    assert await service.own_roles("u_bob") == []


async def test_an_import_in_a_role_of_ones_own_goes_on_in_it(chat: Chat) -> None:
    poet = await saved(chat)
    await chat.say("Why?", "So.", role=poet.key)
    exported = (await chat.service.export(chat.user, chat.id)).to_json()
    assert (await chat.service.import_file(chat.user, exported)).sessions[0].role == poet.key
    assert (await chat.service.import_file("u_eve", exported)).sessions[0].role == "assistant"


async def test_roles_in_a_file_become_the_users_own(chat: Chat) -> None:
    roles = [POET | {"model": "huge"}, POET | {"name": "Pirate", "model": "big"}, {"name": "Nobody"}]
    file = json.dumps({"roles": roles}).encode()
    assert [role.name.en for role in (await chat.service.read_roles(chat.user, file)).roles] == [
        "Poet",
        "Pirate",
    ]
    assert await chat.service.own_roles(chat.user) == []
    found = await chat.service.import_roles(chat.user, file)
    assert [(role.name.en, role.model) for role in found.roles] == [("Poet", ""), ("Pirate", "big")]
    assert [role.name for role in found.rejected] == ["Nobody"]
    assert await chat.service.own_roles(chat.user) == found.roles
    (again,) = (await chat.service.import_roles(chat.user, file, chosen=[1])).roles
    assert again.name.en == "Pirate"
    assert await chat.service.own_roles(chat.user) == [*found.roles, again]


async def test_an_import_ends_where_there_are_as_many_as_are_kept(chat: Chat) -> None:
    poet = await saved(chat)
    table = "act,prompt\n" + "Poet,Rhyme.\n" * MAX_OWN_ROLES
    found = await chat.service.import_roles(chat.user, table.encode())
    assert len(found.roles) == MAX_OWN_ROLES - 1
    assert [type(role.error) for role in found.rejected] == [TooManyRoles]
    assert await chat.service.own_roles(chat.user) == [poet, *found.roles]


async def test_the_picture_of_a_card_is_the_face_of_its_role(chat: Chat) -> None:
    card = base64.b64encode(json.dumps({"spec": "chara_card_v2", "data": POET}).encode())
    content = b"tEXtchara\0" + card
    whole = picture("PNG")
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    (role,) = (await chat.service.import_roles(chat.user, whole[:-12] + chunk + whole[-12:])).roles
    assert (role.name.en, role.icon[:11]) == ("Poet", "data:image/")


async def test_reading_a_file_counts_and_what_is_none_is_refused(open_service: OpenService) -> None:
    service = await open_service(rate_limit="1/minute")
    with pytest.raises(ImportRejected):
        await service.import_roles("u_ada", b"Be a poet.")
    with pytest.raises(RateLimited):
        await service.read_roles("u_ada", b"act,prompt\nPoet,Rhyme.")
