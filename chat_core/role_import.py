"""Roles from files that anybody may have written: the app's own, tables of prompts, character cards.

Read are roles files (TOML or JSON), CSV with the columns `act` and `prompt`, as the collection "Awesome
ChatGPT Prompts" has it, and character cards V1 to V3 (github.com/malfoyslastname/character-card-spec-v2
and github.com/kwaroran/character-card-spec-v3), as JSON or in the text of a PNG. Nothing that a file names
is fetched.
"""

import base64
import binascii
import csv
import io
import re
import struct
import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .errors import ImportRejected, InvalidInput
from .exchange import parse_json
from .roles import PROMPT_CHARS, TEXT_CHARS, Role, parse_role

MAX_FILE_BYTES = 10_000_000  # a card's picture has most of it
MAX_TEXT_BYTES = 2_000_000
MAX_TOML_BYTES = 200_000
MAX_ROLES = 1000
_DESCRIPTION_CHARS = 200
_EXPECTED = "a roles file (TOML or JSON), a table with the columns act and prompt (CSV), or a character card"


class RejectedRole(NamedTuple):
    """A role in a file that cannot be used: its name there, or its number, and why."""

    name: str
    error: InvalidInput


class FoundRoles(NamedTuple):
    """What a file has: roles without keys of their own, and those that cannot be used. `has_picture` says
    that the file is the picture of the one role in it."""

    roles: list[Role]
    rejected: list[RejectedRole]
    has_picture: bool = False


def read_roles(data: bytes) -> FoundRoles:
    """The roles in a file. Raises ImportRejected when it is none that can be read."""
    if len(data) > MAX_FILE_BYTES:
        raise _not("file", f"at most {MAX_FILE_BYTES} bytes")
    has_picture = data.startswith(_PNG)
    if has_picture:
        data = _card_in_png(data)
    if len(data) > MAX_TEXT_BYTES:
        raise _not("file", f"at most {MAX_TEXT_BYTES} bytes of text")
    written = _written(data)
    if len(written) > MAX_ROLES:
        raise _not("file", f"at most {MAX_ROLES} roles")
    roles, rejected = [], []
    for number, fields in enumerate(written, 1):
        try:
            roles.append(parse_role({**fields, "key": ""}, f"imported-{number}"))
        except InvalidInput as error:
            rejected.append(RejectedRole(_name_of(fields, number), error))
    return FoundRoles(roles, rejected, has_picture)


def _not(field: str, expected: str) -> ImportRejected:
    return ImportRejected(field, expected)


def _name_of(fields: Mapping[str, Any], number: int) -> str:
    name = fields.get("name")
    name = name.get("en") if isinstance(name, dict) else name
    return name[:100] if isinstance(name, str) and name.strip() else f"{number}"


def _written(data: bytes) -> list[dict[str, Any]]:
    """The fields of each role, as far as they are there, of whichever kind the file is."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _not("file", f"text in UTF-8: {_EXPECTED}") from None
    if text.lstrip().startswith("{") or re.match(r"\s*\[\s*[{\]]", text):
        return _of_json(parse_json(data))
    if (rows := _table(text)) is not None:
        return rows
    return _listed(_toml(text))


def _of_json(tree: Any) -> list[dict[str, Any]]:
    if isinstance(tree, dict) and "roles" not in tree:
        tree = _card(tree) if _is_card(tree) else tree
        return _listed({"roles": [tree]})
    return _listed(tree if isinstance(tree, dict) else {"roles": tree})


def _listed(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    roles = tree.get("roles")
    if not isinstance(roles, list) or not roles or not all(isinstance(role, dict) for role in roles):
        raise _not("roles", "a list of roles")
    return [_card(role) if _is_card(role) else role for role in roles]


# TOML

# A name of so many parts is nobody's, and takes the parser forever.
_DEEP_NAME = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){9}""")


def _toml(text: str) -> dict[str, Any]:
    if len(text) > MAX_TOML_BYTES:
        raise _not("file", f"at most {MAX_TOML_BYTES} characters of TOML")
    if _DEEP_NAME.search(text):
        raise _not("file", "TOML with short names")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        raise _not("file", _EXPECTED) from None


# A table of prompts

# As these tables write what a person is to fill in.
_BLANK = re.compile(r"\$\{([^{}:\n]{1,40})(?::([^{}\n]{0,200}))?\}")


def _table(text: str) -> list[dict[str, Any]] | None:
    """The rows of a table with the columns of prompts; None if it is no such table."""
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        columns = [column.strip().lower() for column in next(rows, [])]
        if not {"act", "prompt"} <= {*columns}:
            return None
        act, prompt = columns.index("act"), columns.index("prompt")
        return [
            {"name": row[act], "prompt": _BLANK.sub(_variable, row[prompt])}
            for row in rows
            if len(row) > max(act, prompt)
        ]
    except csv.Error as error:
        raise _not("file", f"a table in CSV ({error})") from None


def _variable(blank: re.Match[str]) -> str:
    name, value = blank[1].strip(), (blank[2] or "").strip()
    return f"{{{{{name}={value}}}}}" if value else f"{{{{{name}}}}}"


# Character cards


def _is_card(tree: Mapping[str, Any]) -> bool:
    return str(tree.get("spec", "")).startswith("chara_card") or {"first_mes", "personality"} <= tree.keys()


def _card(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A card as the fields of a role. Of other types than its specification has, nothing is taken."""
    found = tree.get("data") if "spec" in tree else tree
    if not isinstance(found, dict):
        raise _not("data", "an object, as in a character card")
    name = _text(found, "name").strip()
    called = _text(found, "nickname").strip() or name
    first, *others = [greeting for greeting in _greetings(found) if greeting.strip()] or [""]
    base = (
        "You are {{char}}, in a conversation with {{user}}. Stay in this role, write only what {{char}} says "
        "and does, and never speak for {{user}}."
    )
    told = _text(found, "system_prompt").replace("{{original}}", base).strip() or base
    parts = [
        told,
        _text(found, "description"),
        _headed("Personality", _text(found, "personality")),
        _headed("Scenario", _text(found, "scenario")),
        _headed("Examples of how you speak", _text(found, "mes_example")),
        _headed("The conversation has begun with your words", first),
        _text(found, "post_history_instructions").replace("{{original}}", ""),
    ]
    prompt = _joined(parts)
    more = _joined([prompt, _headed("Other beginnings, if you are asked for one", "\n\n".join(others))])
    spoken = [_filled(text, called) for text in (prompt, more)]
    notes = next(iter(_text(found, "creator_notes").strip().splitlines()), "")
    return {
        "name": name,
        "description": _filled(notes, called)[:_DESCRIPTION_CHARS],
        "prompt": spoken[1] if len(spoken[1]) <= PROMPT_CHARS else spoken[0],
        "welcome_message": _filled(first, called)[:TEXT_CHARS],
    }


def _greetings(card: Mapping[str, Any]) -> list[str]:
    others = card.get("alternate_greetings")
    others = others if isinstance(others, list) else []
    return [_text(card, "first_mes"), *(other for other in others if isinstance(other, str))]


def _text(card: Mapping[str, Any], field: str) -> str:
    value = card.get(field)
    return value if isinstance(value, str) else ""


def _headed(heading: str, text: str) -> str:
    return f"{heading}:\n{text.strip()}" if text.strip() else ""


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _filled(text: str, name: str) -> str:
    """The card's names for who speaks: its own is known, the other's is asked for (see `variables`)."""
    text = re.sub(r"\{\{char\}\}|<BOT>", lambda _: name, text, flags=re.IGNORECASE)
    return re.sub(r"\{\{user\}\}|<USER>", "{{user=User}}", text, flags=re.IGNORECASE)


# PNG

_PNG = b"\x89PNG\r\n\x1a\n"
_CARD_KEYWORDS = (b"ccv3", b"chara")  # the newer one first


def _card_in_png(data: bytes) -> bytes:
    found = dict(_texts(data))
    for keyword in _CARD_KEYWORDS:
        if keyword in found:
            try:
                return base64.b64decode(found[keyword])
            except binascii.Error:
                raise _not("file", "a picture whose card is base64") from None
    raise _not("file", "a picture with a character card in it")


def _texts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The cards' keywords and texts in a PNG (www.w3.org/TR/png-3, 11.3.3)."""
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            raise _not("file", "a whole picture")
        content = data[at + 8 : at + 8 + length]
        at += 12 + length
        keyword, _, text = content.partition(b"\0")
        if keyword not in _CARD_KEYWORDS:
            continue
        if kind == b"tEXt":
            yield keyword, text
        elif kind == b"zTXt":
            yield keyword, _inflated(text[1:])
        elif kind == b"iTXt" and text.count(b"\0", 2) >= 2:
            *_, written = text[2:].split(b"\0", 2)
            yield keyword, _inflated(written) if text.startswith(b"\1") else written


def _inflated(data: bytes) -> bytes:
    inflating = zlib.decompressobj()
    try:
        text = inflating.decompress(data, MAX_TEXT_BYTES * 2)
    except zlib.error:
        raise _not("file", "a whole picture") from None
    if not inflating.eof:
        raise _not("file", f"at most {MAX_TEXT_BYTES} bytes of text")
    return text
