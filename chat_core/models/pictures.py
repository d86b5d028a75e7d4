"""Requests for pictures, and what a server answers to them."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json

from ..errors import ModelDisconnected, ModelGarbled, ModelPictureUnusable
from ..images import MAX_MEGABYTES, url_of
from ..messages import Usage
from ..pictures import PictureOrder
from ..providers import Provider
from .base import is_plausible
from .sse import StreamError

# A picture in base64, with what stands around it.
_LONGEST_LINE_BYTES = MAX_MEGABYTES * 1024**2 * 4 // 3 + 2**20
_JPEG = "image/jpeg"


File = tuple[str, bytes, str]  # its name, its content, its media type


class FoundPicture(NamedTuple):
    """A picture in an answer: the content of a file or, without it, the address where it is."""

    data: bytes
    address: str
    is_partial: bool


def picture_request(
    provider: Provider, model: str, order: PictureOrder, pictures: Sequence[bytes]
) -> tuple[str, dict[str, Any], list[tuple[str, File]]]:
    """Where a picture is asked for, with which body, and with which files in a form where the `pictures` that
    are to be changed are sent so."""
    takes = provider.drawing_of(model)
    body: dict[str, Any] = {"model": model, "prompt": order.prompt, "n": 1, **takes.body}
    if order.size:
        body["size"] = order.size
    if order.quality:
        body["quality"] = order.quality
    if takes.partials:
        body |= {"stream": True, "partial_images": takes.partials}
    if pictures and takes.edits == "files":
        names = (f"picture-{number}.jpg" for number in range(1, len(pictures) + 1))
        files = [("image[]", (name, data, _JPEG)) for name, data in zip(names, pictures, strict=True)]
        return "/images/edits", body, files
    if pictures:
        body["image"] = [url_of(data) for data in pictures]
    return "/images/generations", body, []


class PictureParser:
    """The answer to a request for a picture, in bytes of any cut: one JSON object as OpenAI's "Images" API
    reference has it, or server-sent events of the same with pictures that show how far it is.

    Usage gets its cost by the `price` of a million tokens, sent and received, if there is one.

    `started`: some picture came. `finished`: the whole one did.
    """

    def __init__(self, price: tuple[float, float] | None = None) -> None:
        self.started = False
        self.finished = False
        self._price = price
        self._line = bytearray()
        self._whole = bytearray()  # the lines of an object that is no event
        self._framed = False

    def feed(self, chunk: bytes) -> Iterator[FoundPicture | Usage]:
        """What came with `chunk`."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._line += part
            line, self._line = self._line, bytearray()
            yield from self._read(bytes(line))
        self._line += rest
        if len(self._line) + len(self._whole) > _LONGEST_LINE_BYTES:
            raise ModelPictureUnusable(f"It has more than {MAX_MEGABYTES} MB.")

    def close(self) -> Iterator[FoundPicture | Usage]:
        """The connection has ended. Raises unless the whole picture had come."""
        yield from self._read(bytes(self._line))
        if self._whole and not self._framed:
            yield from self._items(bytes(self._whole))
        if not self.finished:
            raise ModelDisconnected() if self._framed else ModelGarbled("There is no picture in the answer.")

    def _read(self, line: bytes) -> Iterator[FoundPicture | Usage]:
        if line.startswith(b"data:"):
            self._framed = True
            if (data := line[5:].strip()) != b"[DONE]":
                yield from self._items(data)
        elif not self._framed and (self._whole or line.lstrip().startswith(b"{")):
            self._whole += line

    def _items(self, data: bytes) -> Iterator[FoundPicture | Usage]:
        try:
            event = from_json(data)
            if error := event.get("error"):
                raise StreamError(error)
            is_partial = str(event.get("type", "")).endswith("partial_image")
            for row in (event.get("data") or [event])[:1]:
                if error := row.get("error"):
                    raise StreamError(error)
                yield from self._pictures(row, is_partial)
            if usage := event.get("usage"):
                counted = self._counted(usage)
                if is_plausible(counted):
                    yield counted
        except (AttributeError, TypeError, ValueError, OverflowError):
            raise ModelGarbled("The answer is not one of a server that makes pictures.") from None

    def _pictures(self, row: dict[str, Any], is_partial: bool) -> Iterator[FoundPicture]:
        encoded, address = row.get("b64_json"), row.get("url")
        if not (encoded or address):
            return
        self.started = True
        self.finished = self.finished or not is_partial
        try:
            content = base64.b64decode(encoded, validate=True) if encoded else b""
        except ValueError:
            raise ModelPictureUnusable() from None
        yield FoundPicture(content, "" if encoded else str(address), is_partial)

    def _counted(self, usage: dict[str, Any]) -> Usage:
        sent, received = (int(usage.get(name) or 0) for name in ("input_tokens", "output_tokens"))
        total = int(usage.get("total_tokens") or sent + received)
        return Usage(prompt_tokens=sent, completion_tokens=received, total_tokens=total).priced(self._price)
