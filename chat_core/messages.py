"""What is said and what is stored: messages, sessions, and the events of a turn."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, Json, ValidationError

from .errors import ChatError, Fact, InvalidInput
from .pictures import PictureOrder

Status = Literal["done", "stopped", "interrupted", "failed"]
TextKind = Literal["text", "reasoning"]
DeltaKind = TextKind | Literal["picture"]
Feedback = Literal["", "like", "dislike"]
FinishReason = Literal["", "length", "content_filter"]


class _Record(BaseModel):
    """Stored as JSON; a field this version does not know is ignored, so that versions can be mixed.

    Where a field has an alias, that is its name in the store and at the endpoints; both names are read.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)

    def to_json(self) -> str:
        """The record as JSON, without the fields that have their default."""
        return self.model_dump_json(exclude_defaults=True)


class Usage(_Record):
    """Tokens, as the provider counted them, and their `cost` in US dollars where it is known."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cost: float | None = None

    def priced(self, price: tuple[float, float] | None) -> Self:
        """With what it cost, by the price of a million tokens sent and received, unless that is known."""
        if price is None or self.cost is not None:
            return self
        sent, received = price
        cost = (self.prompt_tokens * sent + self.completion_tokens * received) / 1_000_000
        return self.model_copy(update={"cost": cost})

    def __add__(self, other: Self) -> Self:
        """Both together; of unknown cost if that of one is."""
        is_known = self.cost is not None and other.cost is not None
        return self.model_copy(
            update={
                "prompt_tokens": self.prompt_tokens + other.prompt_tokens,
                "completion_tokens": self.completion_tokens + other.completion_tokens,
                "total_tokens": self.total_tokens + other.total_tokens,
                "cost": (self.cost or 0) + (other.cost or 0) if is_known else None,
            }
        )


class ContextReceipt(_Record):
    """What the model was shown: messages sent (the user's new one included) and left out, the estimated size
    of the whole request in tokens (the system prompt included), whether a `summary` of what was left out was
    sent, and how many `notes`."""

    sent: int
    dropped: int
    estimated_tokens: int
    summary: bool = False
    notes: int = 0


class Sampling(_Record):
    """How the model is to write, and how hard it is to reason (`effort`, one of its own degrees); what is
    None or empty is left to the provider."""

    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    effort: str = Field("", max_length=20)

    @classmethod
    def of(cls, temperature: object = None, max_tokens: object = None, effort: object = "") -> Self:
        """From what a caller sent. Raises InvalidInput."""
        try:
            return cls.model_validate(
                {"temperature": temperature, "max_tokens": max_tokens, "effort": effort}
            )
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            raise InvalidInput(field, _SAMPLING[field]) from None


_SAMPLING = {
    "temperature": "a number from 0 to 2",
    "max_tokens": "a whole number, 1 to 1000000",
    "effort": "one of the model's degrees of reasoning",
}


class TurnError(_Record):
    """A ChatError as data: it crosses processes and ends in a reader's language."""

    code: str
    message: str
    facts: dict[str, Fact] = {}

    @classmethod
    def of(cls, error: ChatError, *, reference: str = "") -> Self:
        """The error; people are told the beginning of the `reference`, an id that the log has too."""
        facts = {**error.facts, "reference": reference[:8]} if reference else error.facts
        return cls(code=error.code, message=str(error), facts=facts)


class Image(_Record):
    """A picture in a message. What models are sent of it, or have made, is stored beside the messages, under
    its `id`; it has this `media_type`, `width` and `height` in pixels. `preview` is a small data URL."""

    id: str
    media_type: str
    width: int
    height: int
    preview: str


class Voice(_Record):
    """One that a user's message was put to: the key of its `role`, its `model`, and the id that its reply has
    as its `turn_id`. Its `status` and `error` say how it ended if it gave none."""

    turn_id: str
    role: str
    model: str
    status: Status = "done"
    error: TurnError | None = None


class ChatMessage(_Record):
    """One message of a conversation.

    `timestamp` is in seconds since 1970; `turn_id` is shared by a user's message and the reply to it, until
    that is continued: then it has the id of the turn that went on with it. `images` are what a user's message
    asks about or wants changed, and what a reply consists of that is a picture: its content is a few words
    in place of it. To a user's message belong, when it was regenerated, its `versions`: the replies that it
    also got, besides the one that follows it; its `branch` is the id of the session that keeps what it has
    replaced, if that was more than one turn; its `voices` are those that it was put to, if that was not just
    the conversation's role and model: its turn is that of the first; its `status` and `error` say how its
    turn ended if it got none. The other fields from `reasoning` on belong to replies: `role_key` is the key
    of the role that gave it, `reasoning_seconds` how long it reasoned before its text; `finish_reason` says
    what ended it too early, its greatest length or the provider's filter; `instead_of` is the model that was
    asked and failed before `model` answered.
    """

    id: str
    role: Literal["user", "assistant"]
    content: str
    timestamp: float
    status: Status = "done"
    turn_id: str = ""
    images: tuple[Image, ...] = ()
    branch: str = ""
    versions: tuple["ChatMessage", ...] = Field((), alias="earlier")
    voices: tuple[Voice, ...] = ()
    reasoning: str = ""
    reasoning_seconds: float | None = Field(None, alias="seconds_of_thought")
    role_key: str = Field("", alias="as_role")
    model: str = ""
    instead_of: str = ""
    usage: Usage | None = None
    context: ContextReceipt | None = None
    error: TurnError | None = None
    finish_reason: FinishReason = ""
    seconds_to_first_token: float | None = None
    seconds: float | None = None
    feedback: Feedback = ""

    @property
    def is_unfinished(self) -> bool:
        """Whether this is a reply that can be continued: what there is of it is not all."""
        is_cut = (self.status != "done" or self.finish_reason == "length") and not self.images
        return self.role == "assistant" and bool(self.content) and is_cut


SUMMARY_CHARS = 4000


class Summary(_Record):
    """What stands for a conversation's older messages in the requests: of so many `messages`, up to the one
    whose id is `through`. `edited` says that the user wrote it, `failed` that the model could not bring it up
    to date when it should have."""

    text: str = ""
    through: str = ""
    messages: int = Field(0, ge=0)
    edited: bool = False
    failed: bool = False

    @classmethod
    def parse(cls, stored: str | None) -> Self | None:
        """A stored one; None if there is none that can be read, for another one can be made."""
        try:
            return cls.model_validate_json(stored) if stored else None
        except ValidationError:
            return None


class Note(_Record):
    """What a user wants the role of the key `role` to know; `created_at` is in seconds since 1970."""

    id: str
    role: str
    text: str
    created_at: FiniteFloat


class StoredMessages(NamedTuple):
    """Stored messages, oldest first. `unreadable` is how many rows could not be read and are left out,
    `older` how many are stored before these, `dropped` how many stood before all that are stored, and were
    dropped by the limit of them. `summary` stands for the oldest, if there is one."""

    items: list[ChatMessage]
    unreadable: int = 0
    older: int = 0
    dropped: int = 0
    summary: Summary | None = None

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Those that the user's latest message was put to, if that was not just the conversation's role."""
        asked = next((message for message in reversed(self.items) if message.role == "user"), None)
        return asked.voices if asked else ()

    @property
    def panel(self) -> tuple[Voice, ...]:
        """The same where they are several, who reply side by side."""
        return self.voices if len(self.voices) > 1 else ()


TITLE_CHARS = 60


def title_from(message: ChatMessage) -> str:
    """A conversation's title from its first message: the first line, as `title_of` makes one, of what was
    said or is to be drawn."""
    order = PictureOrder.of(message.content)
    said = order.prompt if order else message.content
    return title_of(next((line for line in said.splitlines() if line.strip()), ""))


def title_of(text: str) -> str:
    """The text in one line, cut to TITLE_CHARS characters."""
    title = " ".join(text.split())
    return title if len(title) <= TITLE_CHARS else f"{title[: TITLE_CHARS - 1]}…"


LAST_LINE_CHARS = 100


def last_line_of(message: ChatMessage) -> str:
    """The last line of a message with something in it, at most LAST_LINE_CHARS characters."""
    lines = (" ".join(line.split()) for line in reversed(message.content.splitlines()))
    line = next(filter(None, lines), "")
    return line if len(line) <= LAST_LINE_CHARS else f"{line[: LAST_LINE_CHARS - 1]}…"


class Session(_Record):
    """A conversation's head.

    `role` is the key of the role that answers, `variables` the values of the variables in its prompt that
    were given, by name, `messages` how many messages are stored, `dropped` how many
    older ones the limit of them has cost, `last_line` how the latest one ends, `revision` grows with every
    change. `last_turn` is the id of the latest turn, `open_turn` the same until its end is stored, `running`
    says whether a process is writing it now. A `pinned` session does not expire; it lies in the `folder` of
    that name, if any. `cost` is what its replies have cost in US dollars, also those that are gone, as far as
    that was known; None where it never was. The `summary` stands for its older messages; it is not read for
    lists. `branched_from` is the id of the session that it was begun from. Times are in seconds since 1970.
    """

    id: str
    title: str = ""
    role: str
    model: str = ""
    sampling: Json[Sampling] = Sampling()
    variables: Json[dict[str, str]] = {}
    created_at: FiniteFloat
    updated_at: FiniteFloat
    messages: int = 0
    dropped: int = 0
    last_line: str = ""
    revision: int = 0
    last_turn: str = ""
    open_turn: str = Field("", pattern=r"^[A-Za-z0-9_-]*$")
    running: bool = False
    pinned: bool = False
    folder: str = ""
    cost: FiniteFloat | None = None
    summary: Annotated[Summary | None, BeforeValidator(Summary.parse)] = None
    branched_from: str = ""
    expires_at: float | None = None


class SessionList(NamedTuple):
    """The latest sessions, the one changed last first, and how many `older` ones are not among them; the ids
    and titles of those that would be, and cannot be read."""

    items: list[Session]
    older: int = 0
    unreadable: Mapping[str, str] = {}


class Delta(NamedTuple):
    """A piece of a running reply: some text, or an Image as JSON, which takes the place of the picture
    before. `end` is its position in the turn's log: the count of characters, reasoning and text together, and
    of pictures, up to and with this piece. It does not depend on how the log was cut into pieces, so a
    follower may go on from it in any process. Where several reply in one turn, their pieces stand in one log,
    in which the end of each (VoiceEnd) counts as a character, and `voice` says whose it is, counted from
    0."""

    kind: DeltaKind
    text: str
    end: int
    voice: int = 0


class TurnEnd(_Record):
    """How a turn ended; always the last event. `message` is the stored reply, or None when the reply
    has no text; `error` is set exactly when the status is "failed". Where several replied, `voices` are the
    ends of all, and the turn's own is that of the first with a reply; what ended any of them too early is the
    turn's status."""

    status: Status
    message: ChatMessage | None = None
    usage: Usage | None = None
    context: ContextReceipt | None = None
    error: TurnError | None = None
    voices: tuple["TurnEnd", ...] = ()

    @property
    def cost(self) -> float | None:
        """What the turn cost in US dollars, as far as that is known; None where nothing of it is."""
        used = [one.usage for one in self.voices or (self,)]
        known = [usage.cost for usage in used if usage and usage.cost is not None]
        return sum(known) if known else None

    @classmethod
    def of_message(cls, message: ChatMessage) -> Self:
        """The end as far as the stored reply remembers it."""
        return cls(
            status=message.status,
            message=message,
            usage=message.usage,
            context=message.context,
            error=message.error,
        )

    @classmethod
    def of_voices(cls, ends: Sequence[Self]) -> Self:
        """The end of a turn in which each of these replied. As versions of one reply they are told apart and
        ordered by their times."""
        if len(ends) == 1:
            return ends[0]
        latest, voices = 0.0, []
        for end in ends:
            message = end.message
            if message:
                latest = max(message.timestamp, latest + 0.001)
                message = message.model_copy(update={"timestamp": latest})
            voices.append(end.model_copy(update={"message": message}))
        first = next((end for end in voices if end.message), voices[0])
        cut: tuple[Status, ...] = ("interrupted", "stopped")
        status = next((status for status in cut if any(end.status == status for end in voices)), first.status)
        error = first.error if status == "failed" else None
        return first.model_copy(update={"status": status, "error": error, "voices": tuple(voices)})


class VoiceEnd(NamedTuple):
    """One of several who reply in one turn has ended, before the last of them has: `ended` says how, and
    `voice` who it is. `end` is its own position in the turn's log, one after what was there."""

    ended: TurnEnd
    end: int
    voice: int
    kind: Literal["ended"] = "ended"


TurnPiece = Delta | VoiceEnd
TurnEvent = TurnPiece | TurnEnd
