"""The command line: `python -m chat_ui.cli "Why is the sky blue?"` asks a running app, here or elsewhere.

Without a message it is a chat, line by line; what is piped in is sent with the message, or as it. The
conversation goes on from call to call until `--new`. Ctrl+C stops the reply, and keeps what there is of it.
"""

import argparse
import getpass
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradio_client import Client
from gradio_client.exceptions import AppError, AuthenticationError

_URL = "http://127.0.0.1:7860"
_STOPPED = 130  # as shells count a program that Ctrl+C has ended


class Conversation(NamedTuple):
    """Whose it is, and which one."""

    user_id: str
    session_id: str


class Memory:
    """A file that knows which conversation goes on at each address. Its ids open them, so nobody else reads
    it."""

    def __init__(self, file: Path, url: str) -> None:
        self._file = file
        self._url = url

    def recall(self) -> Conversation | None:
        """The conversation at this address, if one is known."""
        found = self._all().get(self._url)
        return Conversation(*found) if found else None

    def keep(self, conversation: Conversation) -> None:
        """This one goes on from now on."""
        kept = self._all() | {self._url: conversation}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(kept, file)

    def _all(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return {}


class Chat:
    """A conversation with the app behind `client`."""

    def __init__(self, client: Client, memory: Memory, options: argparse.Namespace) -> None:
        self._client = client
        self._memory = memory
        self._options = options
        known = None if options.new else memory.recall()
        self._conversation = known if known and self._is_there(known) else self._begin(known)

    def _is_there(self, known: Conversation) -> bool:
        try:
            self._client.predict(*known, 1, api_name="/history")
        except AppError:
            return False
        return True

    def _begin(self, known: Conversation | None = None) -> Conversation:
        user_id = known.user_id if known else ""
        begun = self._client.predict(user_id, self._options.role, api_name="/start_chat")
        conversation = Conversation(begun["user_id"], begun["session_id"])
        self._memory.keep(conversation)
        return conversation

    def say(self, message: str) -> bool:
        """Sends the message and prints the reply as it comes; whether it came to its end. Raises AppError."""
        options = self._options
        job = self._client.submit(*self._conversation, message, options.role, options.model, api_name="/chat")
        printed = 0
        try:
            for text in job:
                print(text[printed:], end="", flush=True)
                printed = len(text)
            job.result()
        except KeyboardInterrupt:
            self._client.predict(*self._conversation, api_name="/stop")
            return False
        finally:
            print(flush=True)
        return True


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 for what went wrong, 130 where Ctrl+C stopped the reply."""
    options = _options(arguments)
    try:
        auth = (options.user, _password(options.user)) if options.user else None
        client = Client(options.url, auth=auth, verbose=False)
        chat = Chat(client, Memory(_memory_file(), options.url), options)
        message = _message(options.message)
        if message:
            return 0 if chat.say(message) else _STOPPED
        _converse(chat)
    except (AppError, AuthenticationError, ValueError, OSError) as error:
        print(f"{options.url}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _STOPPED
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chat_ui.cli", description="Chat with a running app.")
    parser.add_argument("message", nargs="*", help="what to say; without it, a chat line by line")
    parser.add_argument("--url", default=_URL, help=f"the app's address, or owner/name of a Space ({_URL})")
    parser.add_argument("--role", default="", help="the key of the role that answers")
    parser.add_argument("--model", default="", help="the model that answers")
    parser.add_argument("--new", action="store_true", help="begin a new conversation")
    parser.add_argument("--user", default="", help="the name to log in with; the password is CHAT_PASSWORD")
    return parser.parse_args(arguments)


def _password(user: str) -> str:
    return os.environ.get("CHAT_PASSWORD") or getpass.getpass(f"Password of {user}: ")


def _memory_file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "role-chat.json"


def _message(words: Sequence[str]) -> str:
    piped = "" if sys.stdin.isatty() else sys.stdin.read().strip()
    return "\n\n".join(part for part in (" ".join(words), piped) if part)


def _converse(chat: Chat) -> None:
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            return
        if line:
            try:
                chat.say(line)
            except AppError as error:
                print(error, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
