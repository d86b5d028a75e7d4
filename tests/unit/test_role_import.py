"""Roles from files: the kinds that are read, and what hostile files end in."""

import base64
import json
import struct
import zlib
from typing import Any

import pytest

from chat_core.errors import ImportRejected
from chat_core.role_import import MAX_FILE_BYTES, MAX_ROLES, MAX_TEXT_BYTES, FoundRoles, read_roles
from chat_core.roles import PROMPT_CHARS, TEXT_CHARS, Role
from tests.pictures import picture

CARD: dict[str, Any] = {
    "name": "Mira",
    "description": "{{char}} keeps a lighthouse and likes {{user}}.",
    "personality": "patient",
    "scenario": "A storm.",
    "first_mes": "*opens the door* Come in, {{user}}!",
    "mes_example": "<START>\n{{user}}: Cold?\n{{char}}: Never.",
    "alternate_greetings": ["Ahoy, <USER>!", "  "],
    "system_prompt": "{{original}} Be brief.",
    "post_history_instructions": "",
    "creator_notes": "Keeper of {{char}}'s light\nand more",
    "tags": ["sea"],
}
V2 = {"spec": "chara_card_v2", "spec_version": "2.0", "data": CARD}


def read(content: object) -> FoundRoles:
    return read_roles(content.encode() if isinstance(content, str) else json.dumps(content).encode())


def only(found: FoundRoles) -> Role:
    (role,) = found.roles
    assert found.rejected == []
    return role


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png(*chunks: bytes) -> bytes:
    """A picture with these chunks before its end."""
    whole = picture("PNG")
    return whole[:-12] + b"".join(chunks) + whole[-12:]


def encoded(card: object) -> bytes:
    return base64.b64encode(json.dumps(card).encode())


# The app's own


ROLE = {"key": "cook", "name": {"zh": "厨师", "en": "Cook"}, "prompt": "Cook {{dish}}."}


@pytest.mark.parametrize(
    "content",
    [
        {"roles": [ROLE]},
        [ROLE],
        ROLE,
        '[[roles]]\nkey = "cook"\nname = {zh = "厨师", en = "Cook"}\nprompt = "Cook {{dish}}."',
        "\ufeff" + json.dumps({"roles": [ROLE]}),
    ],
    ids=["JSON", "list", "one", "TOML", "byte order mark"],
)
def test_a_roles_file_is_read(content: object):
    role = only(read(content))
    assert (role.name.zh, role.prompt, role.variables) == ("厨师", "Cook {{dish}}.", {"dish": ""})
    assert role.key != "cook", "the key in a file is somebody else's"


def test_what_cannot_be_used_is_told_beside_the_rest():
    roles = [ROLE, ROLE | {"prompt": ""}, {"prompt": "P"}, ROLE | {"icon": "../../etc/passwd"}]
    found = read({"roles": roles})
    assert [role.name.en for role in found.roles] == ["Cook"]
    told = [(role.name, role.error.facts["field"]) for role in found.rejected]
    assert told == [("Cook", "role.prompt"), ("3", "role.name"), ("Cook", "role.icon")]


# A table of prompts


def test_a_table_of_prompts_is_read_with_its_blanks_as_variables():
    text = 'act,prompt,for_devs\n"Poet","Rhyme, on ${Topic:the sea}, for ${Reader}.\nAlways.",FALSE\nshort\n'
    role = only(read(text))
    assert (role.name.en, role.prompt) == ("Poet", "Rhyme, on {{Topic=the sea}}, for {{Reader}}.\nAlways.")


# Character cards


@pytest.mark.parametrize(
    "card",
    [CARD, V2, {**V2, "spec": "chara_card_v3"}],
    ids=["V1", "V2", "V3"],
)
def test_a_card_is_a_role_that_knows_its_scene(card: object):
    role = only(read(card))
    assert (role.name.en, role.description.en) == ("Mira", "Keeper of Mira's light")
    assert role.welcome_message.en == "*opens the door* Come in, {{user=User}}!"
    assert role.with_values({}).welcome_message.en == "*opens the door* Come in, User!"
    assert role.variables == {"user": "User"}
    spoken = role.with_values({"user": "Ada"}).prompt
    assert spoken.startswith("You are Mira, in a conversation with Ada. ")
    for part in (
        "Be brief.",
        "likes Ada.",
        "patient",
        "A storm.",
        "Mira: Never.",
        "Come in, Ada!",
        "Ahoy, Ada!",
    ):
        assert part in spoken
    assert "{{" not in spoken


def test_a_card_is_called_by_its_nickname():
    card = {"spec": "chara_card_v3", "data": CARD | {"nickname": "Mi"}}
    role = only(read(card))
    assert (role.name.en, "You are Mi, " in role.prompt) == ("Mira", True)


def test_of_a_long_card_the_other_beginnings_are_left_out():
    role = only(
        read(CARD | {"alternate_greetings": ["x" * PROMPT_CHARS], "first_mes": "y" * (TEXT_CHARS + 1)})
    )
    assert "x" * 100 not in role.prompt
    assert len(role.welcome_message.en) == TEXT_CHARS


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"tEXt", b"chara\0" + encoded(V2)),
        chunk(b"zTXt", b"chara\0\0" + zlib.compress(encoded(V2))),
        chunk(b"iTXt", b"chara\0\0\0en\0\0" + encoded(V2)),
        chunk(b"iTXt", b"chara\0\1\0\0\0" + zlib.compress(encoded(V2))),
        chunk(b"tEXt", b"chara\0" + encoded({})) + chunk(b"tEXt", b"ccv3\0" + encoded(V2)),
    ],
    ids=["text", "compressed", "international", "both", "the newer of two"],
)
def test_a_card_is_found_in_a_picture(text: bytes):
    found = read_roles(png(chunk(b"tEXt", b"Comment\0hello"), text))
    assert only(found).name.en == "Mira"
    assert found.has_picture


# Hostile files


DEEP = ".".join("a" * 30_000)
HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "too large": b" " * (MAX_FILE_BYTES + 1),
    "too much text": b'{"a": "' + b"x" * MAX_TEXT_BYTES + b'"}',
    "prose": b"Be a poet.",
    "HTML": b"<html><script>alert(1)</script></html>",
    "another table": b"name,text\na,b\n",
    "a cell without an end": b'act,prompt\n"' + b"x" * 200_000,
    "a list of numbers": b"[1, 2]",
    "deep JSON": b"[" * 100_000,
    "deep TOML": b"a = " + b"[" * 50_000,
    "a long name in TOML": f"{DEEP} = 1".encode(),
    "a long name of a table": f"[{DEEP}]".encode(),
    "a long name in quotes": ('"a".' * 30_000 + "b = 1").encode(),
    "no roles": b'{"roles": []}',
    "roles of another type": b'{"roles": {"a": 1}}',
    "too many roles": json.dumps({"roles": [{}] * (MAX_ROLES + 1)}).encode(),
    "a card without its data": b'{"spec": "chara_card_v2", "data": []}',
    "a picture without a card": png(),
    "a picture that is cut": png(chunk(b"tEXt", b"chara\0" + encoded(V2)))[:-200],
    "a chunk longer than the file": png(struct.pack(">I4s", 2**32 - 1, b"tEXt") + b"chara\0"),
    "no base64": png(chunk(b"tEXt", b"chara\0e30")),
    "no JSON inside": png(chunk(b"tEXt", b"chara\0" + base64.b64encode(b"<html>"))),
    "a zlib bomb": png(chunk(b"zTXt", b"chara\0\0" + zlib.compress(b"A" * 200_000_000, 9))),
    "no zlib": png(chunk(b"zTXt", b"chara\0\0nonsense")),
    "an international text without its parts": png(chunk(b"iTXt", b"chara\0\0")),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_is_none_is_refused(data: bytes):
    with pytest.raises(ImportRejected):
        read_roles(data)


@pytest.mark.parametrize(
    "card",
    [
        {"spec": "chara_card_v2", "data": {}},
        {**V2, "data": dict.fromkeys(CARD, 3)},
        {**V2, "data": {key: [{"name": None}] for key in CARD}},
        {**V2, "data": CARD | {"name": "x" * (TEXT_CHARS + 1)}},
        {**V2, "data": CARD | {"description": "x" * (PROMPT_CHARS + 1)}},
        {**V2, "data": CARD | {"scenario": " ".join(f"{{{{v{n}}}}}" for n in range(100))}},
    ],
    ids=["empty", "numbers", "objects", "a long name", "too long", "too many variables"],
)
def test_a_card_that_makes_no_role_is_told(card: object):
    found = read(card)
    assert (found.roles, len(found.rejected)) == ([], 1)


def test_what_a_card_has_of_other_types_is_left_out():
    role = only(read({**V2, "data": CARD | {"alternate_greetings": "Ahoy", "scenario": {"a": 1}, "tags": 3}}))
    assert "Scenario" not in role.prompt
