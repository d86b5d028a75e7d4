"""What a caller may send. Endpoints pass on what came, and anything may come."""

from collections.abc import Sequence

from . import keys
from .errors import InvalidInput


def check_ids(user_id: str, session_id: str | None = None) -> None:
    """Raises InvalidInput for a malformed id; ids never hold what has a meaning in a Redis key."""
    check_text(user_id=user_id)
    if not keys.USER_ID.fullmatch(user_id):
        raise InvalidInput("user_id", "1 to 128 letters, digits or _ - . @")
    if session_id is not None:
        check_id("session_id", session_id)


def check_id(field: str, value: str) -> None:
    """Raises InvalidInput for what is not the id of a session, turn or message."""
    check_text(**{field: value})
    if not keys.SESSION_ID.fullmatch(value):
        raise InvalidInput(field, "1 to 64 letters, digits, _ or -")


def check_text(**values: object) -> None:
    """Raises InvalidInput for a value that is not text, or cannot be stored."""
    for field, value in values.items():
        if not isinstance(value, str):
            raise InvalidInput(field, "text")
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry and nothing can store
            raise InvalidInput(field, "valid Unicode text") from None


def check_images(images: Sequence[bytes]) -> None:
    """Raises InvalidInput for what is not a list of files' contents."""
    if not (isinstance(images, list | tuple) and all(isinstance(image, bytes) for image in images)):
        raise InvalidInput("images", "a list of files' contents")


def check_count(field: str, value: int) -> None:
    """Raises InvalidInput for what is not a natural number that Redis can count to."""
    if not (isinstance(value, int) and 0 <= value < 2**63):
        raise InvalidInput(field, "a whole number, 0 or more")
