"""StreamParser: server-sent events to pieces of a reply."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from ..errors import ModelDisconnected, ModelGarbled
from ..messages import FinishReason, TextKind, Usage
from .base import Finish, Piece, StreamItem, is_plausible
from .thinking import ThinkingTags

_LONGEST_LINE_BYTES = 2**20

# Reasons to finish of a reply that is not whole.
_CUT: tuple[FinishReason, ...] = ("length", "content_filter")

# JSON may escape a character as two halves, and some servers' tokens end between them.
_ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


class StreamError(Exception):
    """An error object where a piece of the reply was expected."""

    def __init__(self, body: object) -> None:
        code = body.get("code", body.get("status")) if isinstance(body, dict) else None
        self.body = body
        self.status = int(str(code)) if re.fullmatch("[45][0-9][0-9]", str(code)) else None


class StreamParser:
    """Server-sent events to pieces, as the "Server-sent events" section of the HTML standard frames
    them and OpenAI's "Streaming" API reference fills them. Feed it bytes in any cut.

    What a server that cannot stream answers, one JSON object with the whole reply, is taken too.

    Usage gets its cost by the `price` of a million tokens, sent and received, if there is one.

    `started`: a piece of the reply came. `finished`: its last one did; only the usage is still to come.
    `characters`: how many came.
    """

    def __init__(self, price: tuple[float, float] | None = None) -> None:
        self.started = False
        self.finished = False
        self.characters = 0
        self._price = price
        self._rest = b""
        self._framed = False
        self._over = False
        self._whole = b""  # the lines of an object that is no event
        self._tags: ThinkingTags | None = ThinkingTags()
        self._halves: dict[TextKind, str] = {}  # empty until there was one

    def feed(self, chunk: bytes) -> Iterator[StreamItem]:
        """What came with `chunk`. Lazily, so that what stands before a bad line is not lost with it."""
        if self._over:
            return
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(b"data:"):  # not blank, no comment to keep the connection alive, no event name
                self._framed = True
                data = line[5:].strip()
                if data == b"[DONE]":
                    self.finished = self._over = True
                    self._rest = b""
                    return
                yield from self._items(data)
            elif not self._framed and (self._whole or line.startswith(b"{")):
                self._whole += line
        if len(self._rest) + len(self._whole) > _LONGEST_LINE_BYTES:
            raise ModelGarbled("A line of the stream does not end.")

    def close(self) -> Iterator[StreamItem]:
        """The connection has ended: what stood in its last line. Raises unless the reply had ended."""
        with suppress(ModelGarbled):  # the line may be cut anywhere
            yield from self.feed(b"\n")
        if self._whole and not self._framed:
            yield from self._items(self._whole)
        yield from self._end_of_tags()
        if self.finished:
            return
        if self._framed:
            raise ModelDisconnected()
        raise ModelGarbled("The answer is not an event stream.")

    def _items(self, data: bytes) -> Iterator[StreamItem]:
        try:
            event = from_json(data)
        except ValueError:
            event = self._with_halves(data)
        if not isinstance(event, dict):
            raise ModelGarbled("A line of the stream is not an object.")
        if event.get("error"):
            raise StreamError(event["error"])
        try:
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or choice.get("message") or {}
                reasoning = delta.get("reasoning_content") or delta.get("reasoning")
                if reasoning and isinstance(reasoning, str):
                    yield from self._piece("reasoning", reasoning)
                if text := delta.get("content") or delta.get("refusal"):
                    yield from self._text(text) if isinstance(text, str) else self._parts(text)
                if reason := choice.get("finish_reason"):
                    yield from self._end_of_tags()
                    self.finished = True
                    if reason in _CUT:
                        yield Finish(reason)
                elif choice.get("message"):
                    self.finished = True
            if usage := event.get("usage"):
                counted = Usage.model_validate({k: v for k, v in usage.items() if v is not None})
                if is_plausible(counted):
                    yield counted.priced(self._price)
        except (AttributeError, TypeError, ValueError):
            raise ModelGarbled("A piece of the stream is not a chat completion chunk.") from None

    def _text(self, text: str) -> Iterator[Piece]:
        if self._tags is None:
            yield from self._piece("text", text)
            return
        for kind, part in self._tags.feed(text):
            yield from self._piece(kind, part)
        if self._tags.is_over:
            self._tags = None

    def _end_of_tags(self) -> Iterator[Piece]:
        if self._tags is not None:
            for kind, part in self._tags.close():
                yield from self._piece(kind, part)

    def _parts(self, parts: Any) -> Iterator[Piece]:
        """Content in parts, of text and of thinking, as Mistral sends it."""
        for part in parts:
            if part.get("type") == "thinking":
                said = "".join(inner.get("text") or "" for inner in part.get("thinking") or ())
                yield from self._piece("reasoning", said)
            else:
                yield from self._text(part.get("text") or "")

    def _piece(self, kind: TextKind, text: str) -> Iterator[Piece]:
        if self._halves:
            text = self._joined(kind, text)
        if text:
            self.started = True
            self.characters += len(text)
            yield Piece(kind, text)

    def _with_halves(self, data: bytes) -> Any:
        """What only `json` parses: it lets halves of characters be."""
        with suppress(ValueError, RecursionError):
            if _ESCAPED_HALF.search(data):
                event = json.loads(data.decode())
                self._halves = self._halves or {"text": "", "reasoning": ""}
                return event
        raise ModelGarbled("A line of the stream is not JSON.")

    def _joined(self, kind: TextKind, text: str) -> str:
        """The `text` after the half that was left before it, and without the one at its end. Raises
        ValueError if a half remains."""
        text = self._halves[kind] + text
        self._halves[kind] = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return text.removesuffix(self._halves[kind]).encode("utf-16", "surrogatepass").decode("utf-16")
