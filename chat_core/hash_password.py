"""`python -m chat_core.hash_password NAME` asks for a password and prints what to put into AUTH_USERS."""

import sys
from getpass import getpass

from .passwords import hash_password
from .validation import USER_ID

_FEWEST_CHARACTERS = 8


def main(arguments: list[str]) -> str:
    """The line to print. Exits with a sentence where there is none."""
    if len(arguments) != 1 or not USER_ID.fullmatch(arguments[0]):
        sys.exit("Say whose password it is, in letters, digits and _ - . @: chat_core.hash_password NAME")
    password = _read_password()
    if len(password) < _FEWEST_CHARACTERS:
        sys.exit(f"A password has at least {_FEWEST_CHARACTERS} characters.")
    return f"{arguments[0]}:{hash_password(password)}"


def _read_password() -> str:
    """Typed twice and not shown, or one line of what is piped in."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("Password: ")
    if getpass("Once more: ") != password:
        sys.exit("These were two different passwords.")
    return password


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]) + "\n")
