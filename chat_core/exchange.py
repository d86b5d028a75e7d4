"""ConversationExport: a conversation as a file, and the parsing of files that anybody may have written."""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, FailFast, ValidationError
from pydantic_core import from_json, to_json

from .errors import ChatError, ImportRejected, ModelError
from .messages import ChatMessage, TurnError, title_from, title_of

MAX_FILE_BYTES = 5_000_000
MAX_REPLY_CHARS = 200_000
MAX_LINE_CHARS = 500  # of a model's or role's name, of a provider's reason
# Names, texts and numbers in one file: a list of nothing costs a thousand times what it weighs.
MAX_VALUES = 30_000
MAX_NUMBER = 2**53


class Headings(NamedTuple):
    """The words of a document: who speaks (`roles` by their keys, `assistant` for one that is not known),
    what stands over the reasoning, and in the place of a title."""

    user: str
    assistant: str
    roles: Mapping[str, str]
    reasoning: str
    untitled: str


class ConversationExport(BaseModel):
    """A conversation, oldest message first. Of pictures it has the previews. `role` is a role's key and may
    be unknown elsewhere, as may be the `model`; `exported_at` is in seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)

    format: Literal["role-chat"]
    version: Literal[1]
    title: str
    role: str
    model: str
    exported_at: float
    messages: Annotated[tuple[ChatMessage, ...], FailFast()]

    @classmethod
    def of(cls, messages: Iterable[ChatMessage], *, title: str, role: str, model: str) -> Self:
        """A conversation as it is now."""
        return cls(
            format="role-chat",
            version=1,
            title=title,
            role=role,
            model=model,
            exported_at=time.time(),
            messages=tuple(messages),
        )

    @property
    def role_keys(self) -> set[str]:
        """Of the roles that spoke in it."""
        return {message.role_key for message in self.messages}

    def with_roles(self, keys: Mapping[str, str]) -> Self:
        """The same with other keys for the roles that are among `keys`."""

        def renamed(message: ChatMessage) -> ChatMessage:
            changes = {
                "role_key": keys.get(message.role_key, message.role_key),
                "versions": tuple(map(renamed, message.versions)),
            }
            return message.model_copy(update=changes)

        messages = tuple(map(renamed, self.messages)) if keys else self.messages
        return self.model_copy(update={"role": keys.get(self.role, self.role), "messages": messages})

    def to_json(self) -> str:
        """What `parse_export` reads, for a person's eyes too."""
        return self.model_dump_json(indent=1, exclude_defaults=True)

    def to_markdown(self, headings: Headings) -> str:
        """A document of what was said, to the character; of several replies the one that is shown."""
        parts = [f"# {self.title or headings.untitled}"]
        for message in self.messages:
            name = headings.roles.get(message.role_key, headings.assistant)
            speaker = headings.user if message.role == "user" else name
            time = datetime.fromtimestamp(message.timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            parts.append(f"## {speaker} · {time}")
            if message.reasoning:
                summary = f"<details>\n<summary>{headings.reasoning}</summary>"
                parts += [summary, message.reasoning, "</details>"]
            parts.append(message.content)
        return "\n\n".join(parts) + "\n"


def parse_export(data: bytes | str, *, max_message_chars: int, now: float) -> ConversationExport:
    """What a file says, fit to be stored: under new ids, with a title, and no time after `now`.

    Raises ImportRejected with the location in the file where something else is expected.
    """
    tree = parse_json(data)
    try:
        # Not from the file again: what it names twice must not be read in two ways.
        found = ConversationExport.model_validate_json(to_json(tree), strict=True)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        raise _rejected(detail["loc"], _expectation(detail)) from None
    title = title_of(found.title)
    for number, message in enumerate(found.messages):
        _validate_message(message, ("messages", number), max_message_chars)
    if found.messages and not title:
        title = title_from(found.messages[0])
    return found.model_copy(update={"title": title, "messages": with_new_ids(found.messages, now)})


Location = tuple[str | int, ...]


def _rejected(location: Location, expected: str) -> ImportRejected:
    # Messages are counted from 1, as a person does; a name in the file may be anything.
    name = ".".join(str(part + 1) if isinstance(part, int) else part for part in location)
    return ImportRejected(name[:100] or "file", expected)


def _expectation(detail: Any) -> str:
    present = detail["type"] == "missing"
    return "present" if present else detail["msg"].removeprefix("Input should be ")


def parse_json(data: bytes | str, *, max_bytes: int = MAX_FILE_BYTES, max_values: int = MAX_VALUES) -> Any:
    """What the JSON says, of no more than can be looked at in a moment. Raises ImportRejected."""
    if not isinstance(data, bytes | str):
        raise _rejected((), "bytes or text")
    if isinstance(data, str):  # the parser says where it has half a surrogate pair
        data = data[: max_bytes + 1].encode(errors="surrogatepass")
    if len(data) > max_bytes:
        raise _rejected((), f"at most {max_bytes} bytes")
    try:
        tree = from_json(data.removeprefix(b"\xef\xbb\xbf"))  # which some editors put first
    except ValueError as error:
        raise _rejected((), f"JSON in UTF-8 ({error})") from None
    _validate_values(tree, max_values)
    return tree


def _validate_values(tree: Any, max_values: int) -> None:
    """Raises ImportRejected for what JSON allows and nobody can use: more values than can be looked at in
    a moment, and numbers that are none or cannot be counted to."""
    left = max_values
    waiting: list[tuple[Location, Any]] = [((), tree)]
    while waiting:
        location, value = waiting.pop()
        if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:  # NaN too
            raise _rejected(location, f"a number up to {MAX_NUMBER}")
        if isinstance(value, dict | list):
            left -= len(value)
            if left < 0:
                raise _rejected((), f"at most {max_values} values")
            inside = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [((*location, key), part) for key, part in inside]


def _validate_message(message: ChatMessage, location: Location, max_message_chars: int) -> None:
    is_reply = message.role == "assistant"
    limits = (
        ("content", message.content, MAX_REPLY_CHARS if is_reply else max_message_chars),
        ("reasoning", message.reasoning, MAX_REPLY_CHARS),
        ("model", message.model, MAX_LINE_CHARS),
        ("as_role", message.role_key, MAX_LINE_CHARS),
    )
    for field, text, limit in limits:
        if len(text) > limit:
            raise _rejected((*location, field), f"at most {limit} characters")
    for number, image in enumerate(message.images):
        if not _PREVIEW.fullmatch(image.preview) or len(image.preview) > MAX_REPLY_CHARS:
            raise _rejected((*location, "images", number, "preview"), "a small picture as a data URL")
    if is_reply and not message.content:
        raise _rejected((*location, "content"), "some text")
    if is_reply and message.versions:
        raise _rejected((*location, "earlier"), "empty, as in every reply")
    for number, version in enumerate(message.versions):
        here = (*location, "earlier", number)
        if version.role != "assistant":
            raise _rejected((*here, "role"), "'assistant'")
        _validate_message(version, here, max_message_chars)


_PREVIEW = re.compile(r"data:image/(webp|png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")


def with_new_ids(messages: Sequence[ChatMessage], now: float) -> tuple[ChatMessage, ...]:
    """The same messages under ids that nobody has; what shared a turn still does."""
    turns: dict[str, str] = defaultdict(lambda: uuid4().hex, {"": ""})

    def renewed(message: ChatMessage) -> ChatMessage:
        changes = {
            "id": uuid4().hex,
            "turn_id": turns[message.turn_id],
            "branch": "",
            "images": tuple(image.model_copy(update={"id": uuid4().hex}) for image in message.images),
            "timestamp": min(max(message.timestamp, 0.0), now),
            "error": message.error and _known_error(message.error),
            "versions": tuple(map(renewed, message.versions)),
            "voices": (),
        }
        return message.model_copy(update=changes)

    return tuple(map(renewed, messages))


_MODEL_ERRORS: list[type[ModelError]] = [ModelError, *ModelError.__subclasses__()]
_MODEL_ERROR_BY_CODE = {kind.code: kind for kind in _MODEL_ERRORS}


def _known_error(error: TurnError) -> TurnError:
    """The error in this version's words: whoever shows it has words only for known codes and facts."""
    if error.code not in _MODEL_ERROR_BY_CODE:
        return TurnError.of(ChatError())
    reason, wait = error.facts.get("reason"), error.facts.get("retry_after")
    reason = reason[:MAX_LINE_CHARS] if isinstance(reason, str) else ""
    wait = None if isinstance(wait, str) else wait
    return TurnError.of(_MODEL_ERROR_BY_CODE[error.code](reason, retry_after=wait))
