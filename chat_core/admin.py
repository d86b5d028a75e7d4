"""What an operator asks of the store that the settings name: `python -m chat_core.admin`, while the app runs
or not.

A user's id opens what is stored under it, so lists show its beginning; commands take as much of it as is
needed to tell it from others.
"""

import argparse
import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from .errors import ChatError, ConfigError, SessionNotFound, SessionUnreadable
from .exchange import ConversationExport
from .legacy import LegacyConversation, legacy_conversations
from .messages import Usage
from .roles import load_roles
from .settings import Settings
from .storage import (
    Backup,
    Census,
    SessionStore,
    StoreConnection,
    connect,
    redis_errors_as_store_unavailable,
)
from .store_address import StoreAddress

_SHOWN = 12
Table = list[tuple[str, ...]]


class Used(NamedTuple):
    """What so many stored replies took; the cost is known of `priced` of them."""

    replies: int = 0
    tokens: int = 0
    cost: float = 0.0
    priced: int = 0

    def plus(self, usage: Usage | None) -> "Used":
        """With one more reply."""
        tokens = usage.total_tokens if usage else 0
        cost = usage.cost if usage else None
        return Used(
            self.replies + 1, self.tokens + tokens, self.cost + (cost or 0), self.priced + (cost is not None)
        )


class Admin:
    """The commands, each a method that gives the lines to print."""

    def __init__(self, store: SessionStore, census: Census, backup: Backup, default_role: str) -> None:
        self._store = store
        self._census = census
        self._backup = backup
        self._default_role = default_role

    async def users(self) -> Table:
        """Each user with sessions, messages, size and the last change, the largest first."""
        rows: list[tuple[int, tuple[str, ...]]] = []
        for user_id, names in (await self._census.keys()).items():
            sessions = await self._store.sessions(user_id)
            size = await self._census.bytes(names)
            messages = sum(session.messages for session in sessions)
            last = max((session.updated_at for session in sessions), default=0.0)
            facts = (shortened(user_id), str(len(sessions)), str(messages), f"{size / 1024:.0f}", _day(last))
            rows.append((size, facts))
        rows.sort(reverse=True)
        total = sum(size for size, _ in rows)
        head = ("user", "sessions", "messages", "KiB", "last change")
        return [head, *(row for _, row in rows), ("all", "", "", f"{total / 1024:.0f}", "")]

    async def usage(self, sessions: bool) -> Table:
        """Replies, tokens and cost of each user on each day, or of each of their `sessions`, as the stored
        replies tell."""
        used: dict[tuple[str, str], Used] = defaultdict(Used)
        for user_id in await self._census.keys():
            user = shortened(user_id)
            for session in await self._store.sessions(user_id):
                for message in (await self._store.messages(user_id, session.id)).items:
                    replies = message.versions if message.role == "user" else (message,)
                    for reply in replies:
                        place = (user, session.id[:_SHOWN]) if sessions else (_day(reply.timestamp), user)
                        used[place] = used[place].plus(reply.usage)
        rows = [
            (*place, str(one.replies), str(one.tokens), f"{one.cost:.4f}" if one.priced else "unknown")
            for place, one in sorted(used.items())
        ]
        head = ("user", "session") if sessions else ("day", "user")
        return [(*head, "replies", "tokens", "US dollars"), *rows]

    async def broken(self) -> Table:
        """Sessions whose head, or some of whose rows, cannot be read."""
        rows: Table = []
        for user_id, names in (await self._census.keys()).items():
            for session_id in _session_ids(names):
                try:
                    _, stored = await self._store.get_with_messages(user_id, session_id)
                except SessionUnreadable:
                    rows.append((shortened(user_id), session_id, "the head"))
                else:
                    if stored.unreadable:
                        rows.append((shortened(user_id), session_id, f"{stored.unreadable} rows"))
        return [("user", "session", "what cannot be read"), *rows]

    async def export(self, user: str, directory: Path) -> Table:
        """Writes a user's conversations, each as the file that the page's export gives."""
        user_id, _ = await self._user(user)
        files: dict[str, str] = {}
        for session in await self._store.sessions(user_id):
            stored = await self._store.messages(user_id, session.id)
            exported = ConversationExport.of(
                stored.items, title=session.title, role=session.role, model=session.model
            )
            files[f"{session.id}.json"] = exported.to_json()
        await asyncio.to_thread(_write, directory, files)
        return [(f"{len(files)} conversations written to {directory}",)]

    async def delete(self, user: str) -> Table:
        """Removes everything that is stored of a user."""
        user_id, names = await self._user(user)
        count = await self._census.delete(names)
        return [(f"{shortened(user_id)}: {count} keys removed",)]

    async def backup(self, file: Path) -> Table:
        """Writes everything that is stored of users into a file."""
        return [(f"{await self._backup.write(file)} keys written to {file}",)]

    async def restore(self, file: Path) -> Table:
        """Puts back what is in such a file, in the place of what has the same keys now."""
        return [(f"{await self._backup.restore(file)} keys put back",)]

    async def import_legacy(self, address: str) -> Table:
        """Stores the conversations of a Redis that the tutorial's app has written; those that are here
        already stay as they are."""
        source = connect(StoreAddress(address))
        counts: Counter[str] = Counter()
        try:
            async for found in legacy_conversations(source):
                counts[await self._take(found)] += 1
        finally:
            await source.aclose()
        return [tuple(f"{counts[what]} {what}" for what in ("imported", "here already", "not readable"))]

    async def _take(self, found: LegacyConversation) -> str:
        user_id, session_id, said = found
        if said is None:
            return "not readable"
        try:
            await self._store.get(user_id, session_id)
        except SessionNotFound:
            head = {"title": said.title, "role": self._default_role}
            await self._store.create(user_id, session_id, head, said.messages)
            return "imported"
        return "here already"

    async def _user(self, beginning: str) -> tuple[str, list[str]]:
        known = await self._census.keys()
        if beginning in known:
            return beginning, known[beginning]
        found = [user_id for user_id in known if user_id.startswith(beginning)]
        if len(found) != 1:
            raise ConfigError([f"{len(found)} users have an id that begins with {beginning!r}"])
        return found[0], known[found[0]]


def shortened(user_id: str) -> str:
    """As much of a user's id as may be shown."""
    return user_id if len(user_id) <= _SHOWN else f"{user_id[:_SHOWN]}…"


def _session_ids(names: Sequence[str]) -> list[str]:
    ids = (name.partition("}:session:")[2] for name in names)
    return sorted({session_id for session_id in ids if session_id and ":" not in session_id})


def _write(directory: Path, files: Mapping[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")


def _day(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}" if timestamp else ""


async def run(arguments: argparse.Namespace, settings: Settings) -> Table:
    """Runs one command on the store of these settings. Raises ChatError."""
    connection = StoreConnection(settings.store_address, settings.data_dir)
    async with AsyncExitStack() as stack:
        await connection.open(stack)
        store = SessionStore(
            connection.redis,
            max_messages=settings.max_stored_messages,
            ttl_seconds=settings.session_ttl_seconds,
        )
        roles = load_roles(settings.roles_file, settings.built_in_roles)
        raw = connect(connection.address, decode=False)
        stack.push_async_callback(raw.aclose)
        admin = Admin(store, Census(connection.redis), Backup(raw), roles.default)
        async with redis_errors_as_store_unavailable(None):
            taken = {name: value for name, value in vars(arguments).items() if name not in ("command", "yes")}
            table: Table = await getattr(admin, arguments.command)(**taken)
            return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what a command has to say; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chat_core.admin", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("users", help="who has how much, the largest first")
    usage = commands.add_parser("usage", help="replies, tokens and cost of each user on each day")
    usage.add_argument("--sessions", action="store_true", help="of each conversation instead")
    commands.add_parser("broken", help="what cannot be read")
    export = commands.add_parser("export", help="a user's conversations as files")
    export.add_argument("user")
    export.add_argument("directory", type=Path)
    delete = commands.add_parser("delete", help="remove everything of a user")
    delete.add_argument("user")
    delete.add_argument("--yes", action="store_true", required=True, help="it cannot be undone")
    legacy = commands.add_parser("import_legacy", help="the conversations of the tutorial's app")
    legacy.add_argument("address", help="of its Redis, like redis://127.0.0.1:6379/0")
    files = {"backup": "everything, into a file", "restore": "what is in such a file, put back"}
    for command, what in files.items():
        commands.add_parser(command, help=what).add_argument("file", type=Path)
    try:
        table = asyncio.run(run(parser.parse_args(arguments), Settings.load()))
    except (ChatError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
