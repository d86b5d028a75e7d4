"""Everything of a user as one zip, and the reading of files that may hold several conversations: such a zip,
the data exports of ChatGPT and of Claude, the export of one conversation."""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import ValidationError

from .errors import ImportRejected, InvalidInput
from .exchange import ConversationExport, parse_export, parse_json
from .foreign import is_foreign, parse_foreign
from .images import file_of, url_of
from .messages import Note
from .roles import Role, parse_role

# Of a file whose conversations are many; of each of them `exchange` has its own limits.
MAX_BYTES = 20_000_000
MAX_UNPACKED_BYTES = 50_000_000
MAX_VALUES = 500_000
MAX_FILES = 5_000
MAX_CONVERSATIONS = 1_000
# No more pictures come with an archive than it can have and still be taken as an upload.
MAX_WITH_PICTURES_BYTES = 10_000_000
_LISTED_BYTES = 400  # that a file takes besides its content, at most

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_ROLES = "roles.json"
_NOTES = "notes.json"
_FOREIGN = "conversations.json"
_CONVERSATION = re.compile(r"conversations/[^/]+\.json")
_PICTURE = re.compile(r"pictures/(\w{1,64})\.jpg", re.ASCII)
_JPEG = b"\xff\xd8\xff"
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip knows: the same content is the same file
_BROKEN = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class RejectedPart(NamedTuple):
    """What of a file cannot be used: its name, and why."""

    name: str
    error: InvalidInput


class FoundParts(NamedTuple):
    """What a file has: conversations, the one that was changed last at the end; the user's own roles, under
    the keys that the conversations and the notes know them by; and what cannot be used."""

    conversations: list[ConversationExport]
    roles: list[Role]
    notes: list[Note]
    rejected: list[RejectedPart]


class ArchiveWriter:
    """A zip that is written conversation by conversation."""

    def __init__(self) -> None:
        self._file = BytesIO()
        self._zip = ZipFile(self._file, "w", ZIP_DEFLATED)
        self._count = 0
        self._pictures: dict[str, bytes] = {}
        self._picture_bytes = 0

    def add(self, exported: ConversationExport, document: str) -> None:
        """Adds a conversation, with the same as a document in Markdown. Its pictures have the room that all
        conversations leave, the first ones first."""
        self._count += 1
        for image_id, url in exported.pictures.items():
            picture = file_of(url)
            if self._picture_bytes + len(picture) < MAX_WITH_PICTURES_BYTES:
                self._pictures[image_id] = picture
                self._picture_bytes += len(picture)
        name = re.sub(r"[^\w -]+", "_", exported.title).strip(" _") or "chat"
        self._write(f"conversations/{self._count:04} {name}.json", exported.to_json())
        self._write(f"documents/{self._count:04} {name}.md", document)

    def close(self, roles: Iterable[Role], notes: Iterable[Note]) -> bytes:
        """The whole, with the user's own roles and notes."""
        self._write(_ROLES, json.dumps({"roles": [role.model_dump(mode="json") for role in roles]}, indent=1))
        self._write(_NOTES, json.dumps({"notes": [note.model_dump() for note in notes]}, indent=1))
        for image_id, picture in self._pictures.items():
            listed = len(self._zip.filelist) * _LISTED_BYTES
            if self._file.tell() + listed + len(picture) < MAX_WITH_PICTURES_BYTES:
                self._zip.writestr(ZipInfo(f"pictures/{image_id}.jpg", _DATE), picture)
        self._zip.close()
        return self._file.getvalue()

    def _write(self, name: str, text: str) -> None:
        entry = ZipInfo(name, _DATE)
        entry.compress_type = ZIP_DEFLATED
        self._zip.writestr(entry, text)


def read_file(data: bytes | str, *, max_message_chars: int, now: float) -> FoundParts:
    """What a file that anybody may have written has. Raises ImportRejected when nothing in it can be used."""
    found = FoundParts([], [], [], [])
    if isinstance(data, bytes) and data.startswith((_ZIP, _EMPTY_ZIP)):
        _read_zip(data, found, max_message_chars, now)
    else:
        _read_json(data, found, max_message_chars, now)
    if found.rejected and not (found.conversations or found.roles or found.notes):
        raise found.rejected[0].error
    found.conversations.sort(key=lambda conversation: conversation.changed_at)
    return found


def _read_json(data: bytes | str, found: FoundParts, max_message_chars: int, now: float) -> None:
    """One conversation of the app's own, or those of another one."""
    tree = parse_json(data, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
    if not (isinstance(tree, list) or is_foreign(tree)):
        found.conversations.append(parse_export(data, max_message_chars=max_message_chars, now=now))
        return
    conversations = tree if isinstance(tree, list) else [tree]
    if not 1 <= len(conversations) <= MAX_CONVERSATIONS:
        raise ImportRejected("file", f"1 to {MAX_CONVERSATIONS} conversations")
    for number, conversation in enumerate(conversations, 1):
        try:
            if not is_foreign(conversation):
                raise ImportRejected(f"{number}", "a conversation")
            found.conversations.append(parse_foreign(conversation, now))
        except ImportRejected as error:
            found.rejected.append(RejectedPart(_name_of(conversation, number), error))


def _name_of(conversation: Any, number: int) -> str:
    named = conversation if isinstance(conversation, dict) else {}
    title = named.get("title") or named.get("name")
    return title[:100] if isinstance(title, str) else f"{number}"


def _read_zip(data: bytes, found: FoundParts, max_message_chars: int, now: float) -> None:
    readers: Mapping[str, Callable[[bytes], None]] = {
        _ROLES: lambda content: found.roles.extend(_roles_of(content)),
        _NOTES: lambda content: found.notes.extend(_notes_of(content)),
        _FOREIGN: lambda content: _read_json(content, found, max_message_chars, now),
    }
    contents = dict(_contents(data))
    pictures = {
        named[1]: url_of(content)
        for name, content in contents.items()
        if (named := _PICTURE.fullmatch(name)) and content.startswith(_JPEG)
    }
    known = False
    for name, content in contents.items():
        is_conversation = _CONVERSATION.fullmatch(name) is not None
        reader = readers.get(name)
        known = known or is_conversation or reader is not None
        try:
            if is_conversation:
                found.conversations.append(
                    parse_export(content, max_message_chars=max_message_chars, now=now, pictures=pictures)
                )
            elif reader:
                reader(content)
        except InvalidInput as error:
            found.rejected.append(RejectedPart(name[:100], error))
    if not known:
        raise ImportRejected("file", "an archive of this app, of ChatGPT or of Claude")


def _contents(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The files in a zip that are looked at, with no more of them unpacked than is allowed in all."""
    try:
        with ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES:
                raise ImportRejected("file", f"at most {MAX_FILES} files")
            left = MAX_UNPACKED_BYTES
            for entry in entries:
                if not _is_looked_at(entry.filename):
                    continue
                if entry.compress_type not in (ZIP_DEFLATED, ZIP_STORED):
                    raise ImportRejected(entry.filename[:100], "stored or deflated")
                with archive.open(entry) as file:
                    content = file.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise ImportRejected("file", f"at most {MAX_UNPACKED_BYTES} bytes when it is unpacked")
                yield entry.filename, content
    except _BROKEN as error:
        raise ImportRejected("file", f"a zip that can be read ({type(error).__name__})") from None


def _is_looked_at(name: str) -> bool:
    return name in (_ROLES, _NOTES, _FOREIGN) or any(
        kind.fullmatch(name) for kind in (_CONVERSATION, _PICTURE)
    )


def _rows_of(content: bytes, name: str) -> list[Any]:
    tree = parse_json(content)
    rows = tree.get(name) if isinstance(tree, dict) else None
    if not isinstance(rows, list):
        raise ImportRejected(name, f"a list of {name}")
    return rows


def _roles_of(content: bytes) -> list[Role]:
    rows = _rows_of(content, "roles")
    try:
        return [parse_role(fields) for fields in rows]
    except InvalidInput as error:
        raise ImportRejected(str(error.facts["field"]), str(error.facts["expected"])) from None


def _notes_of(content: bytes) -> list[Note]:
    rows = _rows_of(content, "notes")
    try:
        return [Note.model_validate(fields, strict=True) for fields in rows]
    except ValidationError:
        raise ImportRejected("notes", "notes with id, role, text and created_at") from None
