"""ConversationExport: a conversation as a file, and the parsing of files that anybody may have written."""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, FailFast, Field, FiniteFloat, ValidationError
from pydantic_core import from_json, to_json

from .errors import ChatError, ImportRejected, InvalidInput, ModelError
from .messages import (
    SUMMARY_CHARS,
    TITLE_CHARS,
    ChatMessage,
    Sampling,
    Session,
    Summary,
    TurnError,
    title_from,
    title_of,
)
from .variables import parse_variables

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


class Belongings(BaseModel):
    """What a conversation has besides what was said, for its owner alone: where it lies and whether it is
    pinned, how it is answered, the summary of its older messages; `changed_at` is in seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    folder: str = ""
    pinned: bool = False
    variables: Mapping[str, str] = {}
    sampling: Sampling = Sampling()
    summary: Summary | None = None
    changed_at: FiniteFloat = 0.0

    @classmethod
    def of(cls, session: Session) -> Self:
        """Those of a session."""
        return cls(
            folder=session.folder,
            pinned=session.pinned,
            variables=session.variables,
            sampling=session.sampling,
            summary=session.summary,
            changed_at=session.updated_at,
        )

    def head(self) -> dict[str, str]:
        """The fields of a session's head that remember them."""
        summary = {"summary": self.summary.to_json()} if self.summary else {}
        return {
            "folder": self.folder,
            "variables": json.dumps(self.variables),
            "sampling": self.sampling.to_json(),
            **summary,
        }


class ConversationExport(BaseModel):
    """A conversation, oldest message first. Of pictures it has the previews. `role` is a role's key and may
    be unknown elsewhere, as may be the `model`; `exported_at` is in seconds since 1970.

    Where its owner takes everything along, it has `belongings` too, and `pictures`, as models are sent them:
    data URLs by the ids of the images. These are files of their own, beside that of the conversation.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)

    format: Literal["role-chat"]
    version: Literal[1]
    title: str
    role: str
    model: str
    exported_at: float
    messages: Annotated[tuple[ChatMessage, ...], FailFast()]
    belongings: Belongings | None = None
    pictures: Mapping[str, str] = Field({}, exclude=True)

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
    def changed_at(self) -> float:
        """When something was last said in it, as far as that is known; else when it was exported."""
        return self.belongings.changed_at if self.belongings else self.exported_at

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


def parse_export(
    data: bytes | str, *, max_message_chars: int, now: float, pictures: Mapping[str, str] = {}
) -> ConversationExport:
    """What a file says, fit to be stored: under new ids, with a title, and no time after `now`; with those of
    the `pictures` that are its own.

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
    messages = with_new_ids(found.messages, now)
    changes = {
        "title": title,
        "messages": messages,
        "belongings": found.belongings and _valid_belongings(found.belongings, found.messages, messages),
        "pictures": renewed_pictures(pictures, found.messages, messages),
    }
    return found.model_copy(update=changes)


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


def _valid_belongings(
    found: Belongings, before: Sequence[ChatMessage], messages: Sequence[ChatMessage]
) -> Belongings:
    """The same where the messages have other ids than `before`. Raises ImportRejected."""
    if len(found.folder) > TITLE_CHARS:
        raise _rejected(("belongings", "folder"), f"at most {TITLE_CHARS} characters")
    if found.summary and len(found.summary.text) > SUMMARY_CHARS:
        raise _rejected(("belongings", "summary"), f"at most {SUMMARY_CHARS} characters")
    try:
        variables = parse_variables(found.variables)
    except InvalidInput as error:
        raise _rejected(("belongings", "variables"), str(error.facts["expected"])) from None
    summary = found.summary and renewed_summary(found.summary, before, messages)
    folder = " ".join(found.folder.split())
    return found.model_copy(update={"folder": folder, "variables": variables, "summary": summary})


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


def image_ids(messages: Iterable[ChatMessage]) -> list[str]:
    """The ids of all images, in their order."""
    return [
        image.id
        for message in messages
        for version in (message, *message.versions)
        for image in version.images
    ]


def renewed_pictures(
    pictures: Mapping[str, str], before: Sequence[ChatMessage], messages: Sequence[ChatMessage]
) -> dict[str, str]:
    """Those of the pictures that belong to the messages `before`, by the ids that these images have now."""
    renewed = zip(image_ids(before), image_ids(messages), strict=True)
    return {new: pictures[old] for old, new in renewed if old in pictures}


def renewed_summary(
    summary: Summary, before: Sequence[ChatMessage], messages: Sequence[ChatMessage]
) -> Summary:
    """The summary of the messages `before`, where they have the ids that they have now."""
    ids = {old.id: new.id for old, new in zip(before, messages, strict=True)}
    return summary.model_copy(update={"through": ids.get(summary.through, "")})


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
