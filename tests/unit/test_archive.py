"""Files that anybody may have written: archives, and the data exports of other apps."""

import io
import json
import random
import zipfile
from typing import Any

import pytest

from chat_core.archive import (
    MAX_UNPACKED_BYTES,
    MAX_WITH_PICTURES_BYTES,
    ArchiveWriter,
    FoundParts,
    read_file,
)
from chat_core.errors import ImportRejected
from chat_core.exchange import ConversationExport
from chat_core.images import url_of
from chat_core.messages import ChatMessage, Image, Note
from chat_core.roles import Role

NOW = 1_800_000_000.0
JPEG = b"\xff\xd8\xff"  # how one begins
PREVIEW = "data:image/webp;base64,UklGRg=="


def read(data: bytes | str) -> FoundParts:
    return read_file(data, max_message_chars=100, now=NOW)


def contents(exported: ConversationExport) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in exported.messages]


# ChatGPT


def node(
    parent: str | None, children: list[str], role: str = "", *parts: object, **more: Any
) -> dict[str, Any]:
    content = {"content_type": "text", "parts": list(parts), **more.pop("content", {})}
    message = {"author": {"role": role}, "content": content, "create_time": 1_700_000_000.5, **more}
    return {"parent": parent, "children": children, "message": message if role else None}


TREE: dict[str, Any] = {
    "title": "  Skies\n",
    "create_time": 1_700_000_000.0,
    "current_node": "d",
    "mapping": {
        "root": node(None, ["system"]),
        "system": node(
            "root", ["a"], "system", "Be nice.", metadata={"is_visually_hidden_from_conversation": True}
        ),
        "a": node("system", ["b1", "b2"], "user", "Why is the sky blue?"),
        "b1": node("a", [], "assistant", "It is not."),
        "b2": node("a", ["think"], "assistant", "Let me look.", metadata={"model_slug": "gpt-4o"}),
        "think": node(
            "b2",
            ["call"],
            "assistant",
            content={
                "content_type": "thoughts",
                "parts": None,
                "thoughts": [{"content": "Hm."}, {"content": 7}],
            },
        ),
        "call": node("think", ["tool"], "assistant", "search()", recipient="browser"),
        "tool": node("call", ["b3"], "tool", "results"),
        "b3": node("tool", ["c", "other"], "assistant", "Rayleigh."),
        "other": node("b3", [], "user", "Another way"),
        "c": node(
            "b3",
            ["d"],
            "user",
            {"asset_pointer": "file-service://x"},
            "And this?",
            content={"content_type": "multimodal_text"},
        ),
        "d": node("c", [], "assistant", "A picture."),
    },
}


def test_of_a_tree_the_shown_way_is_read_with_other_replies_as_versions() -> None:
    (found,) = read(json.dumps([TREE])).conversations
    assert contents(found) == [
        ("user", "Why is the sky blue?"),
        ("assistant", "Let me look.\n\nRayleigh."),
        ("user", "And this?"),
        ("assistant", "A picture."),
    ]
    asked, replied = found.messages[:2]
    assert found.title == "Skies"
    assert [version.content for version in asked.versions] == ["It is not."]
    assert (replied.reasoning, replied.model, replied.timestamp) == ("Hm.", "gpt-4o", 1_700_000_000.5)
    assert asked.turn_id == replied.turn_id != found.messages[2].turn_id
    assert len({message.id for message in found.messages}) == 4


def test_without_a_current_node_the_latest_branches_are_read() -> None:
    (found,) = read(json.dumps({**TREE, "current_node": None, "title": None})).conversations
    assert contents(found)[-1] == ("user", "Another way")
    assert found.title == "Why is the sky blue?"


# Claude

CHAT = {
    "uuid": "1",
    "name": "",
    "chat_messages": [
        {"sender": "human", "text": "Hi", "created_at": "2026-01-02T03:04:05.678Z"},
        {
            "sender": "assistant",
            "text": "ignored",
            "content": [
                {"type": "thinking", "thinking": "Greet."},
                {"type": "text", "text": "Hello."},
                {"type": "tool_use", "input": {}},
                {"type": "text", "text": "Welcome."},
            ],
        },
    ],
}


def test_claudes_messages_are_read_with_their_thoughts() -> None:
    (found,) = read(json.dumps([CHAT])).conversations
    assert contents(found) == [("user", "Hi"), ("assistant", "Hello.\n\nWelcome.")]
    assert (found.messages[1].reasoning, found.title) == ("Greet.", "Hi")
    assert found.messages[0].timestamp == pytest.approx(1_767_323_045.678)


def test_what_cannot_be_read_of_many_is_named_and_the_others_are_there() -> None:
    found = read(json.dumps([{"title": "Empty", "mapping": {}}, CHAT, 7, TREE]))
    assert [conversation.title for conversation in found.conversations] == ["Skies", "Hi"]
    assert [part.name for part in found.rejected] == ["Empty", "3"]


LOOP = {"a": node("b", ["b"], "user", "x"), "b": node("a", ["a"], "assistant", "y")}


@pytest.mark.parametrize(
    "tree",
    [
        {"mapping": []},
        {"mapping": {"a": 7, "b": None}, "current_node": "a"},
        {"mapping": {"a": {"parent": 7, "children": "b", "message": []}}, "current_node": {}},
        {"mapping": {"a": node(None, [], "user", 1, None, {})}, "current_node": "a"},
        {"mapping": {"a": node(None, [], "root", "x")}, "current_node": "a"},
        {"mapping": {"a": {**node(None, [], "user", "x"), "message": {"author": "user", "content": 7}}}},
        {"chat_messages": {"sender": "human"}},
        {"chat_messages": [7, {"sender": ["human"], "text": "x"}, {"sender": "human", "text": {}}]},
        {"chat_messages": [{"sender": "human", "text": " ", "content": [7], "created_at": []}]},
        {"chat_messages": None},
    ],
)
def test_a_hostile_conversation_ends_in_a_word(tree: dict[str, Any]) -> None:
    for data in (json.dumps(tree), json.dumps([tree, tree])):
        with pytest.raises(ImportRejected):
            read(data)


def test_strange_values_are_left_out_and_a_circle_has_an_end() -> None:
    times = [None, True, "yesterday", 1e15, -5, "9999-12-31T23:59:59"]
    said = [{"sender": "human", "text": f"{at}", "created_at": at} for at in times]
    (found,) = read(json.dumps({"chat_messages": said, "name": 7})).conversations
    assert all(0 <= message.timestamp <= NOW for message in found.messages)
    (circle,) = read(json.dumps({"mapping": LOOP, "current_node": "a"})).conversations
    assert contents(circle) == [("assistant", "y"), ("user", "x")]
    (long,) = read(json.dumps({"chat_messages": [{"sender": "human", "text": "x" * 300_000}]})).conversations
    assert len(long.messages[0].content) == 200_000


# Archives


def archive(*titles: str) -> bytes:
    writer = ArchiveWriter()
    for number, title in enumerate(titles):
        said = [ChatMessage(id="1", role="user", content=f"In {title}", timestamp=1)]
        exported = ConversationExport.of(said, title=title, role="own-1", model="")
        writer.add(exported.model_copy(update={"exported_at": float(number)}), f"# {title}")
    role = Role(key="own-1", name="Poet", prompt="Rhyme.")
    return writer.close([role], [Note(id="1", role="own-1", text="No roses.", created_at=1)])


def packed(**files: str | bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in files.items():
            writer.writestr(name.replace("__", "/").replace("_json", ".json"), content)
    return file.getvalue()


def test_an_archive_comes_back_as_it_was_and_has_documents_to_read() -> None:
    data = archive("One", "../../etc/passwd", "")
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        names = opened.namelist()
        assert opened.read("documents/0001 One.md") == b"# One"
    assert [name for name in names if ".." in name or name.startswith("/")] == []
    found = read(data)
    assert [conversation.title for conversation in found.conversations] == ["One", "../../etc/passwd", "In"]
    assert [(role.key, role.name.en) for role in found.roles] == [("own-1", "Poet")]
    assert [note.text for note in found.notes] == ["No roses."]


def test_the_archives_of_other_apps_are_read_for_their_conversations_alone() -> None:
    found = read(packed(conversations_json=json.dumps([CHAT]), users_json="[7]", chat="<html>"))
    assert [conversation.title for conversation in found.conversations] == ["Hi"]
    assert found.rejected == []


def with_pictures(*sizes: int) -> ConversationExport:
    """A conversation with pictures of so many bytes, whose ids are i0, i1, …"""
    images = tuple(
        Image(id=f"i{number}", media_type="image/jpeg", width=1, height=1, preview=PREVIEW)
        for number in range(len(sizes))
    )
    said = [ChatMessage(id="1", role="user", content="Look", timestamp=1, images=images)]
    pictures = {f"i{number}": url_of(JPEG + random.randbytes(size - 3)) for number, size in enumerate(sizes)}
    exported = ConversationExport.of(said, title="Pictures", role="", model="")
    return exported.model_copy(update={"pictures": pictures})


def test_pictures_come_along_as_far_as_the_archive_can_be_uploaded() -> None:
    writer = ArchiveWriter()
    exported = with_pictures(6_000_000, 5_000_000, 2_000_000)
    writer.add(exported, "")
    data = writer.close([], [])
    assert 8_000_000 < len(data) < MAX_WITH_PICTURES_BYTES
    (found,) = read(data).conversations
    ids = [image.id for image in found.messages[0].images]
    assert found.pictures == {ids[0]: exported.pictures["i0"], ids[2]: exported.pictures["i2"]}


def test_what_is_no_picture_and_what_nobody_can_have_is_left_out_or_named() -> None:
    conversation = json.loads(with_pictures(10).to_json())
    packed_pictures = {"pictures/i0.jpg": b"<svg>", "pictures/i1.jpg": JPEG, "pictures/../i2.jpg": JPEG}
    fine = json.dumps(conversation | {"pictures": {"i0": "data:image/svg+xml,x"}})
    for belongings, expected in (
        ({"folder": "x" * 61}, "belongings.folder"),
        ({"pinned": "yes"}, "belongings.pinned"),
        ({"variables": {"a{": "x"}}, "belongings.variables"),
        ({"variables": {"a": "x" * 2001}}, "belongings.variables"),
        ({"sampling": {"temperature": 9}}, "belongings.sampling.temperature"),
        ({"summary": {"text": "x" * 4001}}, "belongings.summary"),
        ({"summary": {"messages": -1}}, "belongings.summary.messages"),
        ({"changed_at": "x"}, "belongings.changed_at"),
    ):
        wrong = json.dumps(conversation | {"belongings": belongings})
        found = read(packed(**packed_pictures, conversations__1_json=fine, conversations__2_json=wrong))
        assert [found.pictures for found in found.conversations] == [{}]
        assert [part.error.facts["field"] for part in found.rejected] == [expected]


BOMB = packed(conversations_json=b"[" + b" " * (MAX_UNPACKED_BYTES + 1))
GOOD = archive("One")


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04",
        b"PK\x05\x06" + b"\0" * 18,
        GOOD[:-40],
        GOOD[:60] + bytes(40) + GOOD[100:],
        BOMB,
        packed(**{f"conversations__{number}_json": b" " * 9_000_000 for number in range(6)}),
        packed(**{f"x{number}": b"" for number in range(5001)}),
        packed(other="x"),
        packed(roles_json="[]", notes_json="7"),
        packed(roles_json='{"roles": [7]}', notes_json='{"notes": [{"id": 7}]}'),
        packed(conversations_json="\ud800".encode("utf-8", "surrogatepass")),
    ],
    ids=[
        "a beginning", "empty", "cut", "damaged", "a bomb", "many large", "many", "of others", "no roles",
        "wrong types", "no text",
    ],
)  # fmt: skip
def test_a_hostile_archive_ends_in_a_word(data: bytes) -> None:
    with pytest.raises(ImportRejected):
        read(data)


def test_no_more_is_unpacked_than_is_allowed() -> None:
    assert len(BOMB) < 100_000
    with pytest.raises(ImportRejected, match=f"{MAX_UNPACKED_BYTES} bytes when it is unpacked"):
        read(BOMB)


def test_what_is_encrypted_or_packed_in_other_ways_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as writer:
        writer.writestr("conversations.json", "[]")
    with pytest.raises(ImportRejected, match="stored or deflated"):
        read(file.getvalue())
    encrypted = bytearray(packed(conversations_json="[]"))
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(header) + at] |= 1
    with pytest.raises(ImportRejected, match="RuntimeError"):
        read(bytes(encrypted))
