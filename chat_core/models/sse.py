"""StreamParser: server-sent events to pieces of a reply."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from ..errors import ModelDisconnected, ModelGarbled
from ..messages import Usage
from .base import Piece


class StreamError(Exception):
    """An error object where a piece of the reply was expected."""

    def __init__(self, body: object) -> None:
        code = body.get("code", body.get("status")) if isinstance(body, dict) else None
        self.body = body
        self.status = int(str(code)) if re.fullmatch("[45][0-9][0-9]", str(code)) else None


class StreamParser:
    """Server-sent events to pieces, as the "Server-sent events" section of the HTML standard frames
    them and OpenAI's "Streaming" API reference fills them. Feed it bytes in any cut.

    `started`: a piece of the reply came. `finished`: its last one did; only the usage is still to come.
    """

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self._rest = b""
        self._framed = False

    def feed(self, chunk: bytes) -> Iterator[Piece | Usage]:
        """What came with `chunk`. Lazily, so that what stands before a bad line is not lost with it."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield from self._line(line)

    def close(self) -> Iterator[Piece | Usage]:
        """The connection has ended: what stood in its last line. Raises unless the reply had ended."""
        with suppress(ModelGarbled):  # the line may be cut anywhere
            yield from self.feed(b"\n")
        if self.finished:
            return
        if self._framed:
            raise ModelDisconnected()
        raise ModelGarbled("The answer is not an event stream.")

    def _line(self, line: bytes) -> list[Piece | Usage]:
        if not line.startswith(b"data:"):
            return []  # blank lines, comments that keep the connection alive, event names
        self._framed = True
        data = line[5:].strip()
        if data == b"[DONE]":
            self.finished = True
            return []
        try:
            event = from_json(data)
        except ValueError:
            raise ModelGarbled("A line of the stream is not JSON.") from None
        if not isinstance(event, dict):
            raise ModelGarbled("A line of the stream is not an object.")
        if event.get("error"):
            raise StreamError(event["error"])
        try:
            return self._event(event)
        except (AttributeError, TypeError, ValueError):
            raise ModelGarbled("A piece of the stream is not a chat completion chunk.") from None

    def _event(self, event: dict[str, Any]) -> list[Piece | Usage]:
        items: list[Piece | Usage] = []
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            reasoning = delta.get("reasoning_content") or delta.get("reasoning")
            if reasoning and isinstance(reasoning, str):
                items.append(Piece("reasoning", reasoning))
            if (text := delta.get("content")) and isinstance(text, str):
                items.append(Piece("text", text))
            self.finished = self.finished or bool(choice.get("finish_reason"))
        self.started = self.started or bool(items)
        if usage := event.get("usage"):
            items.append(Usage.model_validate({k: v for k, v in usage.items() if v is not None}))
        return items
