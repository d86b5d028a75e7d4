"""What requests carry, read ahead of the app, and the files that they name."""

import os
from collections.abc import Iterator
from typing import Any

from gradio.utils import get_upload_folder
from starlette.types import Message, Receive


async def read_body(receive: Receive, most: int | None = None) -> tuple[Receive, bytes]:
    """The body, and what tells it to the app again; no more of it than is needed to know that it has more
    bytes than `most`."""
    parts: list[bytes] = []
    size = 0
    message: Message = {"more_body": True}
    while message.get("more_body") and (most is None or size <= most):
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    body = b"".join(parts)
    if message["type"] != "http.disconnect":
        message = {"type": "http.request", "body": body}
    return received_first(message, receive), body


def received_first(message: Message, receive: Receive) -> Receive:
    """What tells the app the message, and then what comes."""
    first = [message]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again


def file_paths(value: Any) -> Iterator[Any]:
    """The paths of all files in values that are sent to Gradio, of whatever type they are."""
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield value["path"]
            values += value.values()
        elif isinstance(value, list):
            values += value


def real_path(path: str) -> str:
    """The path that tells whether two are the same file."""
    try:
        return os.path.realpath(path)
    except ValueError:  # no file can have this name
        return path


def is_in_upload_folder(path: str) -> bool:
    """Whether a file of that name would be among those that clients have uploaded."""
    return real_path(path).startswith(os.path.join(os.path.realpath(get_upload_folder()), ""))
