"""Validation of caller input.

Every function raises InvalidInput for a value that cannot be used. Endpoints and handlers pass values on
unchecked, so a value may be of any type.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import InvalidInput

# What has a meaning in the name of a Redis key (`{`, `}`, `:`) is in neither.
USER_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}")
# What the ids of those begin with whom a provider has named: nobody can claim one.
SIGNED_IN = "oidc_"
SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def validate_ids(user_id: str, *session_ids: str) -> None:
    """The id of a user and, where one is passed on, of a session."""
    validate_text(user_id=user_id)
    if not USER_ID.fullmatch(user_id):
        raise InvalidInput("user_id", "1 to 128 letters, digits or _ - . @")
    for session_id in session_ids:
        validate_id("session_id", session_id)


def is_signed_in(user_id: object) -> bool:
    """Whether it is the id of somebody whom a provider has named."""
    return isinstance(user_id, str) and user_id.startswith(SIGNED_IN)


def validate_id(field: str, value: str) -> None:
    """The id of a session, a turn or a message."""
    validate_text(**{field: value})
    if not SESSION_ID.fullmatch(value):
        raise InvalidInput(field, "1 to 64 letters, digits, _ or -")


def validate_text(**values: object) -> None:
    """Text that can be stored, under the names of its fields."""
    for field, value in values.items():
        if not isinstance(value, str):
            raise InvalidInput(field, "text")
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry and nothing can store
            raise InvalidInput(field, "valid Unicode text") from None


def validate_images(images: Sequence[bytes]) -> None:
    """A list of files' contents."""
    if not (isinstance(images, list | tuple) and all(isinstance(image, bytes) for image in images)):
        raise InvalidInput("images", "a list of files' contents")


def validate_count(field: str, value: int) -> None:
    """A natural number that Redis can count to."""
    if not (isinstance(value, int) and 0 <= value < 2**63):
        raise InvalidInput(field, "a whole number, 0 or more")


def expected_instead(detail: Mapping[str, Any]) -> str:
    """What one of pydantic's errors says should be there, after "must be"."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "present"
        case "extra_forbidden":
            return "left out"
        case "string_too_short":
            return "some text"
        case "string_too_long":
            return f"at most {context['max_length']} characters"
        case "too_long":
            return f"a list of at most {context['max_length']}"
    message: str = detail["msg"].split(" or instance of ")[0].removeprefix("Input should be ")
    return message.replace("tuple", "list").replace("dictionary", "object")
