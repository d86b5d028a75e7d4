"""Reply: what a model says, on its way into a turn."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import NamedTuple

from ..context import Context, estimate_tokens
from ..errors import ChatError, ModelError, ModelFiltered, ModelOutOfLength, ModelSilent
from ..messages import (
    ChatMessage,
    ContextReceipt,
    FinishReason,
    Image,
    Sampling,
    Status,
    TextKind,
    TurnEnd,
    TurnError,
    Usage,
)
from ..models import AnsweredBy, ChatModel, Finish, Piece
from ..pictures import PictureOrder
from .continuation import Continuation
from .live import LiveTurn
from .report import TurnReport, report_of

log = logging.getLogger(__name__)


class ReplyOptions(NamedTuple):
    """Who answers, and how: a role's key and its prompt, in which its `variables` have their values, the
    model's name, the sampling; what the user has noted for that role; and the picture that is to be made, if
    the reply is to be one."""

    role: str
    prompt: str
    model: str
    sampling: Sampling
    notes: tuple[str, ...] = ()
    variables: Mapping[str, str] = {}
    picture: PictureOrder | None = None

    def head(self) -> dict[str, str]:
        """The fields of the session's head that remember it."""
        return {
            "role": self.role,
            "model": self.model,
            "sampling": self.sampling.to_json(),
            "variables": json.dumps(self.variables),
        }


class Reply:
    """A reply on its way from the model into its turn: read it in a task, then ask for the `end`. Where
    several reply in one turn, it is the one of the number `voice` and has a `turn_id` of its own."""

    def __init__(self, turn: LiveTurn, options: ReplyOptions, voice: int = 0, turn_id: str = "") -> None:
        self._turn = turn
        self._options = options
        self._voice = voice
        self._turn_id = turn_id or turn.id
        self._receipt: ContextReceipt | None = None
        self._usage: Usage | None = None
        self._finish_reason: FinishReason = ""
        self._answered_by = ""
        self._images: tuple[Image, ...] = ()
        self._started = time.monotonic()
        self._seconds_to_first_token: float | None = None
        self._reasoning_seconds: float | None = None

    async def read(self, model: ChatModel, context: Context) -> None:
        """Reads the model to the end of the reply. Raises ModelError. Cancelling it stops the reply."""
        self._receipt = context.receipt
        options = self._options
        stream = model.stream(context.messages, model=options.model, sampling=options.sampling)
        before = self._turn.continued
        continuation = Continuation(before.content) if before else None
        async with aclosing(stream) as items:
            async for item in items:
                if isinstance(item, Usage):
                    self._usage = item
                elif isinstance(item, Finish):
                    self._finish_reason = item.reason
                elif isinstance(item, AnsweredBy):
                    self._answered_by = item.model
                else:
                    self._append(item, continuation)
        if continuation and (rest := continuation.close()):
            self._turn.append("text", rest)
        if not self._said("text"):
            raise _WITHOUT_TEXT[self._finish_reason]()

    def _append(self, piece: Piece, continuation: Continuation | None) -> None:
        if self._seconds_to_first_token is None:
            self._seconds_to_first_token = self._elapsed()
        if piece.kind == "text" and self._reasoning_seconds is None:
            self._reasoning_seconds = round(self._elapsed() - self._seconds_to_first_token, 3)
        text = continuation.feed(piece.text) if continuation and piece.kind == "text" else piece.text
        if text:
            self._turn.append(piece.kind, text, self._voice)

    def _said(self, kind: TextKind) -> str:
        return self._turn.text(kind, self._voice)

    def tokens(self, reader: asyncio.Task[None]) -> int:
        """How many the reply took, by the provider's count; about so many where it has sent none. Once
        `reader` is over."""
        if self._usage:
            return self._usage.total_tokens or self._usage.prompt_tokens + self._usage.completion_tokens
        is_refused = self._seconds_to_first_token is None and not reader.cancelled()
        if self._receipt is None or is_refused:
            return 0
        said = self._said("reasoning") + self._said("text")
        return self._receipt.estimated_tokens + estimate_tokens(said)

    def end(self, reader: asyncio.Task[None]) -> TurnEnd:
        """What came of it, once `reader`, the task of `read`, is over."""
        status, error = self._outcome(reader)
        content = self._said("text")
        message = ChatMessage(
            id=f"{self._turn_id}-reply",
            role="assistant",
            content=content,
            timestamp=time.time(),
            status=status,
            turn_id=self._turn_id,
            images=self._images,
            reasoning=self._said("reasoning"),
            reasoning_seconds=self._reasoning_seconds,
            role_key=self._options.role,
            model=self.model,
            instead_of=self._options.model if self._answered_by else "",
            usage=self._usage,
            context=self._receipt,
            error=error,
            finish_reason=self._finish_reason,
            seconds_to_first_token=self._seconds_to_first_token,
            seconds=self._elapsed(),
        )
        if self._turn.continued:
            message = _continued(self._turn.continued, message)
        return TurnEnd(
            status=status,
            message=message if content else None,
            usage=self._usage,
            context=self._receipt,
            error=error,
        )

    def report(self, end: TurnEnd, provider: str) -> TurnReport:
        """What an operator is told of it, once it has ended so."""
        return report_of(
            self._turn,
            end,
            self._usage,
            provider=provider,
            model=self.model,
            first_token=self._seconds_to_first_token,
            seconds=self._elapsed(),
        )

    @property
    def model(self) -> str:
        """The name of the model that answers."""
        return self._answered_by or self._options.model

    def _outcome(self, reader: asyncio.Task[None]) -> tuple[Status, TurnError | None]:
        if reader.cancelled():
            return self._turn.cancelled_as or "interrupted", None
        failure = reader.exception()
        if failure is None:
            return "done", None
        if self._turn.cancelled_as:  # it failed while it was being cancelled
            return self._turn.cancelled_as, None
        if not isinstance(failure, ChatError):
            log.error("turn %.8s… failed inside the app", self._turn.id, exc_info=failure)
            failure = ChatError()
        if isinstance(failure, ModelError) and failure.remedy:
            log.error("turn %.8s… failed: %s %s", self._turn.id, failure, failure.remedy)
        return "failed", TurnError.of(failure, reference=self._turn_id)

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._started, 3)


# Why a reply that ended properly has no text.
_WITHOUT_TEXT: Mapping[FinishReason, type[ModelError]] = {
    "": ModelSilent,
    "length": ModelOutOfLength,
    "content_filter": ModelFiltered,
}


def _continued(before: ChatMessage, more: ChatMessage) -> ChatMessage:
    """The stored reply with `more` of it: one message, which has taken the time and tokens of both."""
    usage = before.usage + more.usage if before.usage and more.usage else before.usage or more.usage
    now = {"content", "reasoning", "status", "turn_id", "context", "error", "finish_reason"}
    return before.model_copy(
        update={
            **{name: getattr(more, name) for name in now},
            "usage": usage,
            "seconds": (before.seconds or 0) + (more.seconds or 0),
        }
    )
