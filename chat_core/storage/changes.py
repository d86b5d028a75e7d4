"""SessionState and Change: a session as it was read, and an atomic change of what was read."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from ..errors import SessionBusy, SessionChanged, SessionUnreadable
from ..messages import ChatMessage, Session, StoredMessages, Summary, last_line_of
from . import keys
from .rows import index_of, parse_rows
from .scripts import Part, Script, ScriptCall

_COMMIT = Script(Path(__file__).parent / "commit.lua")
# How long the log of a turn that is not the last one any more stays for followers elsewhere that have not
# read its end yet.
_RELEASED_LOG_SECONDS = 60


class SessionState(NamedTuple):
    """A session as it was read: the fields of its head, and the rows of its latest messages, oldest first.
    `older` is how many rows stand before those that were read."""

    session_id: str
    head: Mapping[str, str]
    rows: Sequence[str]
    older: int = 0

    @property
    def open_turn(self) -> str:
        return self.head.get("open_turn", "")

    @property
    def last_turn(self) -> str:
        return self.head.get("last_turn", "")

    @property
    def session(self) -> Session:
        """Raises SessionUnreadable."""
        return session_of(self.session_id, self.head)

    @property
    def messages(self) -> StoredMessages:
        return self.messages_before(len(self.rows))

    def messages_before(self, index: int) -> StoredMessages:
        """The messages before the row of that index, with what of the summary holds without the others."""
        found = parse_rows(self.rows[:index], self.session_id, self.older)
        return found._replace(summary=self.summary_before(index))

    def summary_before(self, index: int) -> Summary | None:
        """The summary, unless it covers the row of that index or a later one."""
        summary = Summary.parse(self.head.get("summary"))
        if summary is None:
            return None
        covers = summary.through and index_of(self.rows[index:], summary.through) is not None
        return None if covers else summary


def session_of(session_id: str, head: Mapping[str, str], **facts: object) -> Session:
    """The session that a stored head tells of, with `facts` that are not stored in it. Raises
    SessionUnreadable."""
    try:
        return Session.model_validate({**head, "id": session_id, **facts})
    except ValidationError:
        raise SessionUnreadable() from None  # not from what tells the stored text


def require_last_turn(session: SessionState | Session, last_turn: str | None) -> None:
    """Raises SessionBusy if another turn than `last_turn` (None: any) runs, SessionChanged if another one was
    the last."""
    if last_turn is not None and last_turn != session.last_turn:
        raise SessionBusy(session.open_turn) if session.open_turn else SessionChanged()


class Change:
    """Commands that Redis runs in one step, if nothing has changed since `state` was read.

    Committing also notes the change: the revision grows, and all keys of the session expire together. With
    `reorder` the session becomes the user's latest one. Raises SessionUnreadable where nobody can tell.
    """

    def __init__(
        self, user_id: str, session_id: str, state: SessionState | None = None, *, reorder: bool = True
    ) -> None:
        self.user_id = user_id
        self.session_id = session_id
        self._reorder = reorder
        self._head = keys.session(user_id, session_id)
        self._messages = keys.messages(user_id, session_id)
        self._images = keys.images(user_id, session_id)
        self._logs: list[str] = []
        self._guards: list[tuple[Part, ...]] = []
        self._commands: list[tuple[Part, ...]] = []
        if state is not None:
            revision = state.head.get("revision", "")
            if revision and not revision.isdecimal():
                raise SessionUnreadable()  # what was read of it is not what is there
            self.require(revision, "HGET", self._head, "revision")

    def require(self, expected: Part, *command: Part) -> None:
        """Nothing is changed unless the command gets this reply; "" stands for none."""
        self._guards.append((expected, *command))

    def add(self, *command: Part) -> None:
        """Adds a command; its reply will be among those of the commit."""
        self._commands.append(command)

    def set_head(self, **fields: Part) -> None:
        """Sets fields of the session's head."""
        self.add("HSET", self._head, *(part for field in fields.items() for part in field))

    def add_cost(self, dollars: float) -> None:
        """The session has cost so much more."""
        self.add("HINCRBYFLOAT", self._head, "cost", f"{dollars:.10f}")

    def append(self, *messages: ChatMessage) -> None:
        """Appends messages, of which the last one is the latest then."""
        for message in messages:
            self.add("RPUSH", self._messages, message.to_json())
        if messages:
            self.set_latest(messages[-1])

    def set_latest(self, message: ChatMessage | None) -> None:
        """The head tells how the latest message ends, so that a list of sessions need not read any."""
        self.set_head(last_line=last_line_of(message) if message else "")

    def set_message(self, index: int, message: ChatMessage) -> None:
        """Puts the message in the place of the one at `index`; -1 is the last."""
        self.add("LSET", self._messages, index, message.to_json())

    def truncate(self, index: int) -> None:
        """Only the first `index` messages stay."""
        if index:
            self.add("LTRIM", self._messages, 0, index - 1)
        else:
            self.add("DEL", self._messages)

    def set_summary(self, summary: Summary | None) -> None:
        """The summary is this one from now on; None: there is none."""
        if summary:
            self.set_head(summary=summary.to_json())
        else:
            self.add("HDEL", self._head, "summary")

    def void_summary(self, state: SessionState, index: int) -> None:
        """What covers the row of that index, or a later one, tells what was not said any more."""
        if state.head.get("summary") and state.summary_before(index) is None:
            self.set_summary(None)

    def set_images(self, new: Mapping[str, str], gone: Collection[str] = ()) -> None:
        """Stores the data URLs of `new` images, by id, and removes those of other ids."""
        if new:
            self.add("HSET", self._images, *(part for image in new.items() for part in image))
            self.set_head(images="1")
        if gone:
            self.add("HDEL", self._images, *gone)

    def keep_log(self, turn_id: str) -> None:
        """The log of this turn expires together with the session."""
        self._logs.append(keys.log(self.user_id, turn_id))

    def release_log(self, turn_id: str) -> None:
        """The log of this turn, if there is one, has a minute left."""
        if turn_id:
            self.add("EXPIRE", keys.log(self.user_id, turn_id), _RELEASED_LOG_SECONDS)

    def call(self, *, now: float, ttl_seconds: int, max_messages: int) -> ScriptCall:
        """The call of the script that commits this, and drops the oldest messages above `max_messages`
        (0: none)."""
        user_id, session_id = self.user_id, self.session_id
        steps = [part for step in (*self._guards, *self._commands) for part in (len(step), *step)]
        return ScriptCall(
            _COMMIT,
            [
                self._head,
                keys.sessions(user_id),
                keys.pinned(user_id),
                self._messages,
                self._images,
                *self._logs,
            ],
            [
                session_id,
                repr(now) if self._reorder else "",
                ttl_seconds,
                max_messages,
                len(self._guards),
                *steps,
            ],
        )
