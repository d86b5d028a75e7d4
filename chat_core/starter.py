"""TurnStarter: from what a caller sent to a reply that is on its way."""

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from .backends import Backends
from .checks import check_ids, check_images, check_text
from .context import build_context, images_to_send
from .errors import (
    ImagesUnsupported,
    MessageEmpty,
    MessageTooLong,
    ShuttingDown,
    TooManyImages,
    TooManyReplies,
    UnknownModel,
)
from .images import MAX_IMAGES, read_image
from .limits import RateLimiter
from .messages import ChatMessage, Image, Sampling, Session
from .reply import Choice, Reply
from .roles import CUSTOM, Roles
from .settings import Settings
from .store import Messages, SessionStore, store_border
from .turns import LiveTurn, TurnLog
from .writer import TurnWriter


class TurnStarter:
    """Begins turns, until it is closed. `prompts` is the store that has the users' own prompts."""

    def __init__(
        self,
        settings: Settings,
        backends: Backends,
        roles: Roles,
        limiter: RateLimiter,
        *,
        store: SessionStore,
        prompts: SessionStore,
        turn_log: TurnLog,
        writer: TurnWriter,
    ) -> None:
        self._settings = settings
        self._backends = backends
        self._roles = roles
        self._limiter = limiter
        self._store = store
        self._prompts = prompts
        self._log = turn_log
        self._writer = writer
        self._starting: set[asyncio.Task[str]] = set()
        self._reading_images = asyncio.Lock()  # the largest takes some 600 MB while it is read
        self._closed = False

    def close(self) -> None:
        """Takes no new turns from now on."""
        self._closed = True

    async def settled(self) -> None:
        """Waits for the turns that are being begun."""
        await asyncio.gather(*self._starting, return_exceptions=True)

    async def start(
        self,
        user_id: str,
        session_id: str,
        message: str,
        role: str,
        model: str,
        *,
        sampling: Sampling | None,
        instead_of: str,
        again: bool,
        images: Sequence[bytes],
    ) -> str:
        """See `ChatService.start_turn`."""
        check_ids(user_id, session_id)
        check_text(message=message, role=role, model=model)
        check_images(images)
        async with store_border():
            session = await self._store.get(user_id, session_id)
            kept = await self._images_of(user_id, session_id, instead_of)
            choice = await self._choose(user_id, session, role, model, sampling)
        self._check_message(message, len(kept) + len(images))
        if images and choice.model not in self._backends.seeing_models:
            raise ImagesUnsupported(choice.model, list(self._backends.seeing_models))
        new = await self._read_images(images)  # may take its time, which is not the store's
        if self._closed:
            raise ShuttingDown()
        if len(self._writer.turns) + len(self._starting) >= self._settings.max_concurrent_replies:
            raise TooManyReplies(self._settings.max_concurrent_replies)
        urls = {image.id: url for image, url in new}
        claim = partial(self._log.claim, user_id, session_id, instead_of=instead_of, again=again, images=urls)
        pictures = (*kept, *(image for image, _ in new))
        # A task of the service's own: whoever asks may go away between the claim and the reply.
        start = asyncio.create_task(self._start(claim, user_id, session_id, message, choice, pictures))
        self._starting.add(start)
        start.add_done_callback(self._starting.discard)
        async with store_border():
            return await asyncio.shield(start)

    async def _start(
        self,
        claim: Callable[..., Awaitable[Messages]],
        user_id: str,
        session_id: str,
        message: str,
        choice: Choice,
        images: tuple[Image, ...],
    ) -> str:
        await self._limiter.check(user_id)
        turn = LiveTurn(uuid.uuid4().hex, user_id, session_id)
        asked = ChatMessage(
            id=f"{turn.id}-message",
            role="user",
            content=message,
            timestamp=time.time(),
            turn_id=turn.id,
            images=images,
        )
        history = await claim(asked, head=choice.head())
        reply = Reply(turn, choice)
        self._writer.add(turn)
        turn.reader = asyncio.create_task(self._answer(reply, turn, history.items, asked, choice))
        turn.reader.add_done_callback(lambda task: self._writer.end(turn, reply.end(task)))
        if self._closed:
            turn.cut("interrupted")
        return turn.id

    async def _answer(
        self,
        reply: Reply,
        turn: LiveTurn,
        history: list[ChatMessage],
        asked: ChatMessage,
        choice: Choice,
    ) -> None:
        """Shows the model what was said and reads its reply. Raises StoreUnavailable or ModelError."""
        prompt = choice.prompt
        max_messages, max_tokens = self._settings.context_messages, self._backends.context_tokens
        images: dict[str, str] = {}
        if choice.model in self._backends.seeing_models and any(
            message.images for message in (*history, asked)
        ):
            ids = images_to_send(prompt, history, asked, max_messages=max_messages, max_tokens=max_tokens)
            async with store_border():
                images = await self._store.images(turn.user_id, turn.session_id, ids)
        context = build_context(
            prompt, history, asked, max_messages=max_messages, max_tokens=max_tokens, images=images
        )
        await reply.read(self._backends.model, context)

    def _check_message(self, message: str, images: int) -> None:
        if not (images or re.search(r"\S", message)):
            raise MessageEmpty()
        if len(message) > self._settings.max_message_chars:
            raise MessageTooLong(len(message), self._settings.max_message_chars)
        if images > MAX_IMAGES:
            raise TooManyImages(images, MAX_IMAGES)

    async def _images_of(self, user_id: str, session_id: str, message_id: str) -> tuple[Image, ...]:
        if not message_id:
            return ()
        stored = await self._store.messages(user_id, session_id)
        return next((message.images for message in stored.items if message.id == message_id), ())

    async def _read_images(self, images: Sequence[bytes]) -> list[tuple[Image, str]]:
        read = []
        for data in images:
            async with self._reading_images:
                read.append(await asyncio.to_thread(read_image, data))
        return read

    async def _choose(
        self, user_id: str, session: Session, role: str, model: str, sampling: Sampling | None
    ) -> Choice:
        """What is wanted, and for the rest what the session had."""
        answering = self._roles.find(role) if role else self._roles.find_or_default(session.role)
        written = await self._prompts.custom_prompt(user_id) if answering is CUSTOM else ""
        return Choice(
            role=answering.key,
            prompt=written or answering.prompt,
            model=self.choose_model(model, session.model),
            sampling=sampling or session.sampling,
        )

    def choose_model(self, wanted: str, before: str) -> str:
        """The wanted model, or the one there was before, or the default. Raises UnknownModel."""
        if wanted and wanted not in self._backends.models:
            raise UnknownModel(wanted, list(self._backends.models))
        return wanted or (before if before in self._backends.models else self._backends.models[0])
