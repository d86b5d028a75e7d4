"""People who may log in: each with the password "secret-" and the name."""

from functools import cache

from chat_core.passwords import hash_password


def password(name: str) -> str:
    return f"secret-{name}"


@cache
def _pair(name: str) -> str:
    return f"{name}:{hash_password(password(name))}"


def auth_users(*names: str) -> str:
    """AUTH_USERS with these people."""
    return ",".join(map(_pair, names))
