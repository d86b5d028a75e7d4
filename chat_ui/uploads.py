"""Uploads: files that clients have sent, as a request names them. A request may name any path."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chat_core.errors import ImageUnreadable, ImportRejected, InvalidInput, TooManyImages
from chat_core.images import MAX_IMAGES

from .bodies import is_in_upload_folder


async def uploaded_images(files: Any) -> list[bytes]:
    """The pictures of a message. Raises InvalidInput (TooManyImages, ImageUnreadable)."""
    if not isinstance(files or [], list):
        raise InvalidInput("images", "a list of files")
    if len(files or []) > MAX_IMAGES:  # before they are read
        raise TooManyImages(len(files), MAX_IMAGES)
    return [await _read(file, ImageUnreadable()) for file in files or []]


async def uploaded_file(file: Any) -> bytes:
    """A file to import. Raises ImportRejected."""
    return await _read(file, ImportRejected("file", "a file that was uploaded"))


async def _read(file: Any, refusal: InvalidInput) -> bytes:
    try:
        return await asyncio.to_thread(_read_uploaded, file["path"])
    except (OSError, KeyError, TypeError, ValueError):  # uploads are deleted after half an hour
        raise refusal from None


async def remove_uploads(files: Iterable[str]) -> None:
    """Removes files that were used. Nothing happens to those that are gone."""
    for file in files:
        await asyncio.to_thread(Path(file).unlink, missing_ok=True)


def _read_uploaded(path: str) -> bytes:
    if not is_in_upload_folder(path):
        raise ValueError
    return Path(path).read_bytes()
