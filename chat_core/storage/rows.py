"""The rows of a session's list of messages: JSON, of which some may be unreadable."""

import logging
from collections.abc import Iterable
from contextlib import suppress

from pydantic import ValidationError

from ..messages import ChatMessage, StoredMessages

log = logging.getLogger(__name__)


def parse_rows(rows: Iterable[str], session_id: str, older: int = 0) -> StoredMessages:
    """Stored rows as messages; what cannot be read is counted, logged and left out. `older` is how many
    rows stand before these."""
    items: list[ChatMessage] = []
    unreadable = 0
    for row in rows:
        try:
            items.append(ChatMessage.model_validate_json(row))
        except ValidationError:
            unreadable += 1
    if unreadable:
        log.warning("session %.8s…: %d stored messages cannot be read", session_id, unreadable)
    return StoredMessages(items, unreadable, older)


def index_of(rows: Iterable[str], message_id: str) -> int | None:
    """The index of the row that holds the message of that id."""
    for index, row in enumerate(rows):
        if message_id not in row:  # to parse them all would take a while
            continue
        with suppress(ValidationError):
            if ChatMessage.model_validate_json(row).id == message_id:
                return index
    return None
