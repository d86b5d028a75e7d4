"""Ids of users."""

import secrets


def new_user_id() -> str:
    """An id nobody can guess: 192 random bits."""
    return f"u_{secrets.token_urlsafe(24)}"
