"""Everything of a user is taken along at once, and comes back."""

import json
from io import BytesIO
from zipfile import ZipFile

import pytest

from chat_core import ConversationExport, Roles, Sampling, Summary
from chat_core.errors import ImportRejected, RateLimited
from chat_core.service.own_roles import MAX_OWN_ROLES
from tests.pictures import picture

from .conftest import Chat, OpenService


def document(exported: ConversationExport, roles: Roles) -> str:
    spoke = ", ".join(roles[key].name.en for key in sorted(exported.role_keys) if key in roles)
    return f"{exported.title} by {spoke}"


@pytest.fixture
async def talked(chat: Chat) -> Chat:
    """Two conversations, of which one is with a role of the user's own that knows something."""
    poet = await chat.service.save_role(chat.user, {"name": "Poet", "prompt": "Rhyme."})
    await chat.service.save_note(chat.user, poet.key, "No roses.")
    await chat.say("Verse?", "A verse.", role=poet.key)
    _, second = await chat.service.start_session(chat.user, "teacher")
    await chat._replace(id=second.id).say("Why?", "Because.")
    return chat


async def exported(chat: Chat) -> bytes:
    return await chat.service.export_all(chat.user, document)


async def test_everything_comes_back_for_somebody_else(talked: Chat) -> None:
    service = talked.service
    data = await exported(talked)
    with ZipFile(BytesIO(data)) as archive:
        files = [archive.read(name) for name in archive.namelist()]
    assert files
    assert not any(b"u_" in file for file in files)  # their compressed bytes may be anything
    found = await service.import_file("u_bob", data)
    assert found.rejected == []
    sessions = {session.title: session for session in await service.sessions("u_bob")}
    (poet,) = await service.own_roles("u_bob")
    assert sessions.keys() == {"Verse?", "Why?"}
    assert (sessions["Verse?"].role, sessions["Why?"].role) == (poet.key, "teacher")
    said = await service.history("u_bob", sessions["Verse?"].id)
    assert [message.content for message in said.items] == ["Verse?", "A verse."]
    assert said.items[1].role_key == poet.key
    assert [note.text for note in await service.notes("u_bob", poet.key)] == ["No roses."]
    (own,) = await service.own_roles(talked.user)
    assert own.key != poet.key


async def test_a_conversation_brings_along_where_it_lay_what_it_remembers_and_its_pictures(
    chat: Chat,
) -> None:
    service, mine = chat.service, (chat.user, chat.id)
    tutor = await service.save_role(chat.user, {"name": "Tutor", "prompt": "Teach {{topic}}."})
    choice = {"variables": {"topic": "art"}, "sampling": Sampling(temperature=0.5), "role": tutor.key}
    pictures = [picture("PNG", (width, 20)) for width in (30, 40)]
    shown = (await chat.say("What is this?", "A square.", images=pictures, **choice)).images[-1]
    first, _ = await chat.history()
    await chat.say("And now?", "A circle.", **choice)
    summary = Summary(text="They like art.", through=first.id, messages=1, edited=True)
    await service._store.summarise(*mine, lambda _: summary)
    await service.rename(*mine, "Shapes")
    await service.move(*mine, "School")
    await service.pin(*mine, True)
    _, later = await service.start_session(chat.user)
    await chat._replace(id=later.id).say("Later?", "Now.")

    found = await service.import_file("u_bob", await exported(chat))
    assert (found.rejected, [session.title for session in found.sessions]) == ([], ["Shapes", "Later?"])
    session = found.sessions[0]
    assert (session.folder, session.pinned, session.variables) == ("School", True, {"topic": "art"})
    assert session.sampling == Sampling(temperature=0.5)
    bobs = chat._replace(user="u_bob", id=session.id)
    there = await bobs.history()
    assert session.summary == summary.model_copy(update={"through": there[0].id})
    assert there[0].id != first.id
    assert (await bobs.say("Which?", "Both.")).images == [shown]
    assert (found.sessions[1].folder, found.sessions[1].pinned) == ("", False)


async def test_roles_and_notes_that_are_there_are_not_stored_twice(talked: Chat) -> None:
    data = await exported(talked)
    (poet,) = await talked.service.own_roles(talked.user)
    for _ in range(2):
        found = await talked.service.import_file(talked.user, data)
        assert found.roles == []
        assert {session.role for session in found.sessions} == {poet.key, "teacher"}
    assert await talked.service.own_roles(talked.user) == [poet]
    assert len(await talked.service.notes(talked.user, poet.key)) == 1
    assert len(await talked.service.sessions(talked.user)) == 6


async def test_where_there_is_no_room_for_a_role_its_conversations_come_all_the_same(talked: Chat) -> None:
    data, service = await exported(talked), talked.service
    for number in range(MAX_OWN_ROLES):
        await service.save_role("u_bob", {"name": f"{number}", "prompt": "x"})
    found = await service.import_file("u_bob", data)
    assert [(part.name, part.error.code) for part in found.rejected] == [
        ("Poet", "too_many_roles"),
        ("No roses.", "unknown_role"),
    ]
    assert len(found.sessions) == 2


async def test_the_conversations_of_other_apps_become_ones_own(chat: Chat) -> None:
    said = [{"sender": "human", "text": "Hi"}, {"sender": "assistant", "text": "Hello."}]
    found = await chat.service.import_file(chat.user, json.dumps([{"name": "One", "chat_messages": said}]))
    (session,) = found.sessions
    assert (session.title, session.role, session.messages) == ("One", "assistant", 2)
    there = chat._replace(id=session.id)
    call = await there.say("Again?", "Again.")
    assert [text for _, text in call.shown][-3:] == ["Hi", "Hello.", "Again?"]


async def test_archives_count_as_messages(open_service: OpenService, chat: Chat) -> None:
    limited = await open_service(rate_limit="1/minute")
    await limited.export_all(chat.user, document)
    with pytest.raises(RateLimited):
        await limited.export_all(chat.user, document)
    with pytest.raises(RateLimited):
        await limited.import_file(chat.user, b"PK\x03\x04")
    with pytest.raises(ImportRejected):
        await chat.service.import_file(chat.user, b"PK\x03\x04")
