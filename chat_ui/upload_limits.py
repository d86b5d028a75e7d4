"""Upload limits: which files the app takes, and how many from one address and in all.

Gradio 6.31 takes any number of files of any kind (`routes.py`: `upload_file`) and deletes them after a while
(`chat_ui/__init__.py` says when). A household sends a few dozen in an hour.
"""

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_core.images import MAX_IMAGES

from .address import address_of
from .refusals import Refusal

_PATH = "/gradio_api/upload"
_HOUR = 3600.0
_FILES_PER_HOUR = 300
_BYTES_PER_HOUR = 300_000_000
_BYTES_PER_REQUEST = 10_500_000 * MAX_IMAGES
# Once half of it is there, an address has an eighth of its share: a few of them must not fill it for all.
_BYTES_IN_ALL = 1_000_000_000

# What is taken, by how it begins: pictures that can be decoded, and what can be imported.
_KINDS = (
    rb"\x89PNG\r\n\x1a\n",
    rb"\xff\xd8\xff",  # JPEG
    rb"RIFF....WEBP",
    rb"GIF8[79]a",
    rb"(\xef\xbb\xbf)?\s*[{\[]",  # JSON
    rb"PK\x03\x04",  # an archive of conversations
    rb"(\xef\xbb\xbf)?\s*(#[^\n]*\n\s*)*(default\s*=|\[)",  # TOML
    rb'(?i:(\xef\xbb\xbf)?"?(act|prompt)"?\s*,)',  # a table of prompts
)
_BEGINNING = re.compile(b"|".join(_KINDS), re.DOTALL)
_BYTES_LOOKED_AT = 512


class UploadLimits:
    """ASGI middleware that takes pictures and files to import, as far as nobody sends too many."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._hour = 0.0
        self._files: Counter[str] = Counter()  # of each address, in this hour
        self._bytes: Counter[str] = Counter()
        self._kept: dict[str, int] = {}  # bytes of the files that may still be there

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", "")).rstrip("/")
        if scope.get("method") != "POST" or path != _PATH:
            await self._app(scope, receive, send)
            return
        address = address_of(scope.get("client"))
        answer = _Answer()
        try:
            self._admit(address, Headers(scope=scope).get("content-length", ""))
            await self._app(scope, receive, answer.keep)
            await self._take(address, answer.paths())
        except Refusal as refusal:
            await refusal.answer(scope)(scope, receive, send)
            return
        for message in answer.messages:
            await send(message)

    def _admit(self, address: str, length: str) -> None:
        """Counts so many bytes before they are read. Raises Refusal."""
        if time.monotonic() - self._hour > _HOUR:
            self._hour = time.monotonic()
            self._files.clear()
            self._bytes.clear()
        size = int(length) if length.isdecimal() and len(length) < 20 else _BYTES_PER_REQUEST + 1
        if size > _BYTES_PER_REQUEST:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "upload_too_large")
        is_filling = self._would_have_more(size, _BYTES_IN_ALL // 2)
        share = _BYTES_PER_HOUR // 8 if is_filling else _BYTES_PER_HOUR
        has_had_its_share = self._files[address] >= _FILES_PER_HOUR or self._bytes[address] + size > share
        if has_had_its_share or self._would_have_more(size, _BYTES_IN_ALL):
            raise _too_many()
        self._bytes[address] += size

    def _would_have_more(self, size: int, most: int) -> bool:
        """Whether with so many bytes more than `most` were kept, without those of files that were deleted."""
        if sum(self._kept.values()) + size > most:
            self._kept = {path: size for path, size in self._kept.items() if os.path.exists(path)}
        return sum(self._kept.values()) + size > most

    async def _take(self, address: str, paths: list[str]) -> None:
        """Keeps the files of one request, or none of them. Raises Refusal."""
        self._files[address] += len(paths)
        too_many = len(paths) > MAX_IMAGES
        if too_many or not await asyncio.to_thread(_are_taken, paths):
            await asyncio.to_thread(_remove, paths)
            if too_many:
                raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "upload_too_large")
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "upload_type")
        self._kept |= await asyncio.to_thread(_sizes, paths)


class _Answer:
    """What Gradio answers, which is not sent before it has been looked at."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def keep(self, message: Message) -> None:
        self.messages.append(message)

    def paths(self) -> list[str]:
        """Of the files that were stored. Raises Refusal if Gradio refused them."""
        status = HTTPStatus(self.messages[0]["status"])
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise Refusal(status, "upload_too_large")
        if status != HTTPStatus.OK:
            raise Refusal(status, "upload_malformed")
        return list(json.loads(b"".join(message.get("body", b"") for message in self.messages)))


def _too_many() -> Refusal:
    headers = {"retry-after": f"{_HOUR / 6:.0f}"}
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_uploads", headers=headers)


def _are_taken(paths: Iterable[str]) -> bool:
    """Whether all are of a kind that the app takes; whether they are whole is seen when they are used."""
    return all(_BEGINNING.match(_beginning(path)) for path in paths)


def _beginning(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_BYTES_LOOKED_AT)


def _sizes(paths: Iterable[str]) -> dict[str, int]:
    return {path: os.path.getsize(path) for path in paths}


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        Path(path).unlink(missing_ok=True)
