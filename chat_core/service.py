"""ChatService: what a turn is, from the claim to the end. The one door to everything in this package."""

import asyncio
import logging
import math
import secrets
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from itertools import pairwise
from typing import NamedTuple, Self, get_args

from redis.asyncio import Redis
from redis.exceptions import RedisError

from .backends import Backends, Notice
from .checks import check_count, check_id, check_ids, check_text
from .errors import (
    InvalidInput,
    MessageNotFound,
    TurnNotFound,
)
from .images import file_of
from .limits import RateLimiter
from .llm import ChatModel, NoModel
from .messages import ChatMessage, Feedback, Sampling, Session, TurnEnd, TurnEvent
from .portable import Portable, read_portable
from .roles import CUSTOM, PROMPT_CHARS, Role, Roles, load_roles
from .settings import Settings
from .starter import TurnStarter
from .store import PATIENCE_SECONDS, Messages, SessionStore, store_border
from .turns import TITLE_CHARS, LiveTurn, TurnLog
from .writer import TurnWriter

log = logging.getLogger(__name__)


class Stopped(NamedTuple):
    """What a stop did: whether it cut a reply, which turn, and how many characters of text are kept."""

    stopped: bool
    turn_id: str
    characters: int


class Health(NamedTuple):
    """Whether the store answers, and whether there is a model to ask."""

    store: bool
    model: bool


_TEMPORARY_SECONDS = 3600
_STOP_SECONDS = 5.0


class ChatService:
    """Chats of users with models. Use it as an async context manager: building it opens nothing,
    entering it starts what the settings call for, leaving it saves what runs and closes what it opened.
    `main` is for the `temporary` twin of a service alone.

    Every method that takes a `user_id` raises InvalidInput for malformed ids and StoreUnavailable when
    Redis does not answer; those that take a `session_id` raise SessionNotFound for one that is not this
    user's.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        redis: Redis | None = None,
        model: ChatModel | None = None,
        lease_seconds: float = 5.0,
        main: "ChatService | None" = None,
    ) -> None:
        self.settings = settings
        self.roles: Roles = load_roles(settings.roles_file)
        self._main = main or self
        self._temporary: ChatService | None = None
        self._backends: Backends = main._backends.in_memory() if main else Backends(settings, redis, model)
        self._store = SessionStore(
            self._backends.redis,
            max_messages=settings.max_stored_messages,
            ttl_seconds=_TEMPORARY_SECONDS if main else math.ceil(settings.session_ttl_days * 24 * 3600),
        )
        self._log = TurnLog(self._backends.redis, self._store, lease_seconds=lease_seconds)
        self._writer = TurnWriter(self._log)
        self._limiter: RateLimiter = (
            main._limiter if main else RateLimiter(self._backends.redis, settings.rate_limit)
        )
        self._starter = TurnStarter(
            settings,
            self._backends,
            self.roles,
            self._limiter,
            store=self._store,
            prompts=self._main._store,
            turn_log=self._log,
            writer=self._writer,
        )
        self._open = AsyncExitStack()

    @property
    def models(self) -> tuple[str, ...]:
        """The models a caller may choose from, the default first."""
        return self._backends.models

    @property
    def seeing_models(self) -> tuple[str, ...]:
        """The models that can be sent images."""
        return self._backends.seeing_models

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a person should know about where this chat runs."""
        return self._backends.notices

    @property
    def choosable_roles(self) -> tuple[Role, ...]:
        """Everybody's roles, and last the one that each user writes."""
        return (*self.roles.values(), CUSTOM)

    @property
    def temporary(self) -> "ChatService":
        """The same service, with the same users, over this process's memory: what is said there is never
        stored, and forgotten an hour after its last change."""
        if self._temporary is None:
            raise RuntimeError("the service is not open")
        return self._temporary

    # Life

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._backends.open(stack)
            stack.push_async_callback(_cancelled, asyncio.create_task(self._writer.run()))
            if self._main is self:
                self._temporary = ChatService(self.settings, main=self)
                await stack.enter_async_context(self._temporary)
            stack.push_async_callback(self.drain)
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def drain(self) -> None:
        """Takes no new turns and saves the running ones as interrupted. Leaving the service does that too;
        a server does it before, while its followers can still be told."""
        self._starter.close()
        if self._temporary:
            await self._temporary.drain()
        for turn in self._writer.turns.values():
            turn.cut("interrupted")
        try:
            async with asyncio.timeout(_SHUTDOWN_SECONDS):
                await self._starter.settled()
                await self._writer.idle()
        except TimeoutError:
            log.error("%d replies could not be saved before the end", len(self._writer.turns))

    # Sessions

    @store_border()
    async def start_session(self, user_id: str = "", role: str = "") -> tuple[str, Session]:
        """A new, empty session: (user id, session). An empty `user_id` gets a new unguessable one.

        Raises UnknownRole.
        """
        user_id = new_user_id() if user_id == "" else user_id
        check_ids(user_id)
        check_text(role=role)
        if self._main is not self:
            await self._store.forget_expired()
        session = await self._store.create(user_id, uuid.uuid4().hex, self.roles.find(role).key)
        return user_id, session

    @store_border()
    async def session(self, user_id: str, session_id: str) -> Session:
        """The session's head, after closing a turn whose process has died."""
        check_ids(user_id, session_id)
        await self._log.recover(user_id, session_id)
        return await self._store.get(user_id, session_id)

    @store_border()
    async def sessions(self, user_id: str, query: str = "") -> list[Session]:
        """The user's sessions, the one changed last first; with a `query` those whose title or messages
        contain it."""
        check_ids(user_id)
        check_text(query=query)
        return await self._store.sessions(user_id, query.strip())

    @store_border()
    async def history(self, user_id: str, session_id: str, limit: int = 0) -> Messages:
        """The latest `limit` stored messages, oldest first (0: all). A running reply is not among them:
        follow it. Raises InvalidInput for a negative limit."""
        check_count("limit", limit)
        await self.session(user_id, session_id)
        return await self._store.messages(user_id, session_id, limit)

    @store_border()
    async def clear(self, user_id: str, session_id: str) -> int:
        """Stops what runs, removes the session's messages; how many there were."""
        await self.stop(user_id, session_id)
        return await self._store.clear(user_id, session_id)

    @store_border()
    async def rename(self, user_id: str, session_id: str, title: str) -> Session:
        """The session under its new title, white space tidied. Raises InvalidInput."""
        check_text(title=title)
        title = " ".join(title.split())
        if not 1 <= len(title) <= TITLE_CHARS:
            raise InvalidInput("title", f"1 to {TITLE_CHARS} characters")
        await self.session(user_id, session_id)
        await self._store.update(user_id, session_id, title=title)
        return await self._store.get(user_id, session_id)

    @store_border()
    async def pin(self, user_id: str, session_id: str, pinned: bool = True) -> None:
        """Keeps the session for ever, or no longer so."""
        await self.session(user_id, session_id)
        await self._store.pin(user_id, session_id, pinned)

    @store_border()
    async def delete(self, user_id: str, session_id: str) -> None:
        """Stops what runs and removes the session with everything in it."""
        await self.stop(user_id, session_id)
        await self._store.delete(user_id, session_id)

    @store_border()
    async def export(self, user_id: str, session_id: str) -> Portable:
        """What was said, to be kept elsewhere. A running reply is not part of it."""
        session = await self.session(user_id, session_id)
        stored = await self._store.messages(user_id, session_id)
        return Portable(
            format="role-chat",
            version=1,
            title=session.title,
            role=session.role,
            model=session.model,
            exported_at=time.time(),
            messages=tuple(stored.items),
        )

    @store_border()
    async def import_session(self, user_id: str, data: bytes | str) -> Session:
        """A new session of what was exported, by whomever; a role or model that is not there gives way to
        the default. Counts as a message, whether it is refused or not, because reading it is the work.

        Raises ImportRejected or RateLimited; then nothing is stored.
        """
        check_ids(user_id)
        await self._limiter.check(user_id)
        limit = self.settings.max_message_chars
        # In a thread: the largest file takes a moment, in which others' replies go on.
        found = await asyncio.to_thread(read_portable, data, max_message_chars=limit, now=time.time())
        head = {
            "title": found.title,
            "role": self.roles.find_or_default(found.role).key,
            "model": found.model and self._starter.choose_model("", found.model),
        }
        return await self._store.add(user_id, uuid.uuid4().hex, head, found.messages)

    # The user's own role

    @store_border()
    async def custom_prompt(self, user_id: str) -> str:
        """The prompt that the user wrote for the role "custom"; "" if none."""
        check_ids(user_id)
        return await self._store.custom_prompt(user_id)

    @store_border()
    async def write_custom_prompt(self, user_id: str, prompt: str) -> str:
        """Keeps the prompt of the user's own role, without white space around it, and returns it; an empty
        one removes it. Raises InvalidInput."""
        check_ids(user_id)
        check_text(prompt=prompt)
        prompt = prompt.strip()
        if len(prompt) > PROMPT_CHARS:
            raise InvalidInput("prompt", f"at most {PROMPT_CHARS} characters")
        await self._store.set_custom_prompt(user_id, prompt)
        return prompt

    # Turns

    async def start_turn(
        self,
        user_id: str,
        session_id: str,
        message: str,
        role: str = "",
        model: str = "",
        *,
        sampling: Sampling | None = None,
        instead_of: str = "",
        again: bool = False,
        images: Sequence[bytes] = (),
    ) -> str:
        """Stores the user's message and begins the reply; the turn's id. The reply goes on whoever
        follows it or not. What is given of `role`, `model` and `sampling` stays with the session from this
        turn on. `instead_of` is the id of an earlier message of the user's whose place this one takes, with
        all that followed, and whose images it keeps; `again` keeps the reply to it as another version.
        `images` are files' contents; with images the message may be empty.

        Raises InvalidInput (MessageEmpty, MessageTooLong, UnknownRole, UnknownModel, ImageUnreadable,
        ImageTooLarge, TooManyImages, ImagesUnsupported), RateLimited, MessageNotFound, SessionBusy,
        TooManyReplies or ShuttingDown; then nothing is stored.
        """
        return await self._starter.start(
            user_id,
            session_id,
            message,
            role,
            model,
            sampling=sampling,
            instead_of=instead_of,
            again=again,
            images=images,
        )

    @store_border()
    async def try_again(
        self,
        user_id: str,
        session_id: str,
        role: str = "",
        model: str = "",
        *,
        sampling: Sampling | None = None,
    ) -> str:
        """Begins another reply to the user's latest message; the turn's id. The reply it has is kept as
        another version. Raises what `start_turn` does, and TurnNotFound when nothing was said."""
        asked = await self._latest_question(user_id, session_id)
        return await self.start_turn(
            user_id,
            session_id,
            asked.content,
            role,
            model,
            sampling=sampling,
            instead_of=asked.id,
            again=True,
        )

    @store_border()
    async def undo(self, user_id: str, session_id: str) -> tuple[str, list[bytes]]:
        """Stops what runs and removes the user's latest message with its reply; the message's text and its
        images, as `start_turn` takes them. Raises TurnNotFound when nothing was said."""
        await self.stop(user_id, session_id)
        asked = await self._latest_question(user_id, session_id)
        images = await self._store.images(user_id, session_id, [image.id for image in asked.images])
        await self._store.truncate(user_id, session_id, asked.id)
        return asked.content, [file_of(url) for url in images.values()]

    @store_border()
    async def rate(self, user_id: str, session_id: str, message_id: str, feedback: str) -> None:
        """Notes what the user thinks of a reply. Raises MessageNotFound."""
        if feedback not in get_args(Feedback):
            raise InvalidInput("feedback", "like, dislike or empty")
        stored = (await self.history(user_id, session_id)).items
        reply = next((m for m in stored if m.id == message_id and m.role == "assistant"), None)
        check_text(message_id=message_id)
        rated = {message_id: reply.model_copy(update={"feedback": feedback})} if reply else {}
        if not rated or not await self._store.replace(user_id, session_id, rated):
            raise MessageNotFound()

    @store_border()
    async def show_version(self, user_id: str, session_id: str, message_id: str, number: int) -> None:
        """Puts the version `number` (from 1, oldest first) in the place of the reply to the user's message
        of that id. Raises MessageNotFound, also when there is no such version."""
        stored = (await self.history(user_id, session_id)).items
        for asked, reply in pairwise(stored):
            if asked.id == message_id and reply.role == "assistant":
                versions = sorted((*asked.earlier, reply), key=lambda version: version.timestamp)
                if not 1 <= number <= len(versions):
                    break
                chosen = versions.pop(number - 1)
                changes = {asked.id: asked.model_copy(update={"earlier": tuple(versions)}), reply.id: chosen}
                if await self._store.replace(user_id, session_id, changes):
                    return
        raise MessageNotFound()

    async def _latest_question(self, user_id: str, session_id: str) -> ChatMessage:
        stored = (await self.history(user_id, session_id)).items
        asked = next((message for message in reversed(stored) if message.role == "user"), None)
        if asked is None:
            raise TurnNotFound()
        return asked

    async def follow(
        self, user_id: str, session_id: str, turn_id: str = "", after: int = 0
    ) -> AsyncGenerator[TurnEvent, None]:
        """The events of a turn after the position `after` (the last one seen): pieces of the reply as
        they come, then its TurnEnd. Without a `turn_id`, of the session's last turn. Any number of
        followers may come and go. Raises TurnNotFound when there is none."""
        check_ids(user_id, session_id)
        check_text(turn_id=turn_id)
        check_count("after", after)
        async with store_border(None):
            live = self._live(user_id, session_id, turn_id)
            if live is not None:
                events = live.follow(after)
            else:
                session = await self.session(user_id, session_id)
                turn_id = turn_id or session.last_turn
                if not turn_id:
                    raise TurnNotFound()
                check_id("turn_id", turn_id)
                events = self._log.follow(user_id, session_id, turn_id, after)
            async with aclosing(events):
                async for event in events:
                    yield event

    @store_border(PATIENCE_SECONDS + _STOP_SECONDS)
    async def stop(self, user_id: str, session_id: str) -> Stopped:
        """Stops the session's running reply, wherever it runs, and waits until what there is of it is
        stored. Stopping nothing is no error."""
        check_ids(user_id, session_id)
        live = self._live(user_id, session_id)
        if live is not None:
            live.cut("stopped")
            turn_id = live.id
        else:
            await self.session(user_id, session_id)
            turn_id = await self._log.running(user_id, session_id)
            if not turn_id:
                return Stopped(False, "", 0)
            await self._log.request_stop(user_id, turn_id)
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(_STOP_SECONDS),
                aclosing(self.follow(user_id, session_id, turn_id)) as events,
            ):
                async for event in events:
                    if isinstance(event, TurnEnd):
                        kept = len(event.message.content) if event.message else 0
                        return Stopped(event.status == "stopped", turn_id, kept)
        return Stopped(False, turn_id, 0)

    def _live(self, user_id: str, session_id: str, turn_id: str = "") -> LiveTurn | None:
        """The turn, or any of the session, if it runs in this process: then Redis need not be asked."""
        for turn in self._writer.turns.values():
            if (turn.user_id, turn.session_id) == (user_id, session_id) and turn_id in ("", turn.id):
                return turn
        return None

    # Health

    async def health(self) -> Health:
        """Asks the store for a sign of life; the model is not called, for that may cost money."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                store = bool(await self._backends.redis.ping())
        except (RedisError, TimeoutError):
            store = False
        return Health(store=store, model=not isinstance(self._backends.model, NoModel))


_SHUTDOWN_SECONDS = 5.0
_HEALTH_SECONDS = 2.0


def new_user_id() -> str:
    """An id nobody can guess: 192 random bits."""
    return f"u_{secrets.token_urlsafe(24)}"


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
