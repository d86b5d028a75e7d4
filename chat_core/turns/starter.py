"""TurnStarter: from what a caller sent to a reply that is on its way."""

import asyncio
import re
import time
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ..context import build_context, images_to_send
from ..errors import (
    ChatError,
    ImagesUnsupported,
    InvalidInput,
    MessageEmpty,
    MessageTooLong,
    NothingToContinue,
    PictureEditsUnsupported,
    PicturesUnavailable,
    ShuttingDown,
    TooManyImages,
    TooManyReplies,
    TooManyRepliesFromAddress,
    TooManyRepliesOfUser,
    UnknownModel,
    UnknownRole,
)
from ..images import MAX_IMAGES, file_of, read_image
from ..messages import ChatMessage, Image, Note, Sampling, Session, StoredMessages, TurnEnd, Voice
from ..models import ModelCatalog
from ..pictures import PictureOrder
from ..roles import Role, mentions
from ..storage import (
    RateLimiter,
    RoleStore,
    SessionState,
    SessionStore,
    TokenBudget,
    index_of,
    parse_rows,
    redis_errors_as_store_unavailable,
)
from ..validation import validate_ids, validate_images, validate_text
from ..variables import parse_variables
from .branch import store_branch
from .continuation import end_of_reply, request_to_continue
from .live import LiveTurn, Step
from .log import TurnLog
from .picture import LONGEST_SIDE, PictureReply
from .reply import Reply, ReplyOptions
from .report import Reporter
from .summarizer import Summarizer
from .titler import Titler
from .writer import TurnWriter

Started = TypeVar("Started")

# How many may reply to one message, side by side.
MAX_VOICES = 4


@dataclass(frozen=True)
class TurnRequest:
    """What a caller wants said and answered; see `ChatService.start_turn`."""

    user_id: str
    session_id: str
    message: str
    role: str = ""
    model: str = ""
    sampling: Sampling | None = None
    variables: Mapping[str, str] | None = None
    replaces: str = ""
    keep_version: bool = False
    images: Sequence[bytes] = ()
    last_turn: str | None = None
    address: str = ""
    voices: Sequence[str] = ()

    @property
    def replies(self) -> int:
        """How many are wanted."""
        return len(self.voices) or 1


class ContinuedTurn(NamedTuple):
    """A turn that goes on with a stored reply, and the position up to which that was there before."""

    turn_id: str
    position: int


@dataclass(frozen=True)
class TurnLimits:
    """The longest message, how many replies may run at once, in all and of one user or from one address
    other than the spared one, and what a model is shown of a history: so many messages and about so many
    tokens. 0 for no limit, except of the first two."""

    message_chars: int
    concurrent_replies: int
    replies_per_user: int
    replies_per_address: int
    spared_address: str
    context_messages: int
    context_tokens: int


class TurnStarter:
    """Begins turns, until it is closed. The replies of the one `beside` it count too."""

    def __init__(
        self,
        limits: TurnLimits,
        *,
        roles: RoleStore,
        models: ModelCatalog,
        limiter: RateLimiter,
        budget: TokenBudget,
        store: SessionStore,
        turn_log: TurnLog,
        writer: TurnWriter,
        summarizer: Summarizer,
        titler: Titler,
        report: Reporter,
        beside: "TurnStarter | None" = None,
    ) -> None:
        self._limits = limits
        self._roles = roles
        self._models = models
        self._limiter = limiter
        self._budget = budget
        self._store = store
        self._log = turn_log
        self._writer = writer
        self._summarizer = summarizer
        self._titler = titler
        self._report = report
        self._starting: dict[asyncio.Task[Any], TurnRequest] = {}
        self._reading_images = asyncio.Lock()  # the largest takes some 600 MB while it is read
        self._closed = False
        self._interrupts = False
        self._is_temporary = beside is not None
        self._all: list[TurnStarter] = beside._all if beside else []
        self._all.append(self)

    @property
    def is_closed(self) -> bool:
        """Whether no new turns are taken any more."""
        return self._closed

    def close(self) -> None:
        """Takes no new turns from now on; those that are being begun go on."""
        self._closed = True

    def interrupt(self) -> None:
        """Ends the turns that are being begun as soon as they have."""
        self._interrupts = True

    async def wait_for_starts(self) -> None:
        """Waits for the turns that are being begun."""
        await asyncio.gather(*self._starting, return_exceptions=True)

    async def start(self, request: TurnRequest) -> str:
        """Begins the turn; its id. Raises what `ChatService.start_turn` does."""
        validate_ids(request.user_id, request.session_id)
        validate_text(message=request.message, role=request.role, model=request.model)
        validate_images(request.images)
        if request.voices:
            _validate_voices(request.voices)
        if request.keep_version and not request.replaces:
            raise InvalidInput("keep_version", "given together with replaces")
        async with redis_errors_as_store_unavailable():
            # All rows where one of them is to be found, else those that the model is shown.
            limit = 0 if request.replaces else self._limits.context_messages
            state, notes = await self._store.read_with_notes(request.user_id, request.session_id, limit)
            options = await self._choose_options(request, state.session, notes)
            once = await self._choose_voices(request, options, state.session, notes)
        kept = _images_of(state.messages, request.replaces) if request.replaces else ()
        self._validate_message(request.message, len(kept) + len(request.images))
        if order := PictureOrder.of(request.message):
            once = [self._drawing(order, options, with_pictures=bool(kept or request.images))]
        elif request.images:
            self._require_vision(once or (options,))
        await self._admit(request)  # before the work, which reading pictures is
        new = await self._read_images(request.images)  # may take its time, which is not the store's
        return await self._begun(request, self._start(request, options, once, state, kept, new))

    async def continue_reply(self, request: TurnRequest) -> ContinuedTurn:
        """Begins the turn that goes on with the last reply of the session; of the request the rest does not
        matter. Raises what `ChatService.continue_reply` does."""
        validate_ids(request.user_id, request.session_id)
        async with redis_errors_as_store_unavailable():
            state, notes = await self._store.read_with_notes(
                request.user_id, request.session_id, self._rows_to_continue
            )
            options = await self._options_of_last_reply(request, state, notes)
        await self._admit(request)
        return await self._begun(request, self._continue(request, options, state))

    async def _admit(self, request: TurnRequest) -> None:
        """Raises what `_require_room` does, TokensUsedUp or RateLimited."""
        self._require_room(request)
        async with redis_errors_as_store_unavailable():
            await self._budget.check(request.user_id, request.address)
            for _ in range(request.replies):
                await self._limiter.check(request.user_id, request.address)

    async def _begun(self, request: TurnRequest, starting: Coroutine[Any, Any, Started]) -> Started:
        """What `starting` returns. It is a task of the service's own: whoever asks may go away between the
        claim and the reply."""
        try:
            self._require_room(request)
        except ChatError:
            starting.close()
            raise
        start = asyncio.create_task(starting)
        self._starting[start] = request
        start.add_done_callback(self._starting.pop)
        async with redis_errors_as_store_unavailable():
            return await asyncio.shield(start)

    def _require_vision(self, asked: Sequence[ReplyOptions]) -> None:
        """Raises ImagesUnsupported."""
        can_see = self._models.vision_models
        if blind := next((one.model for one in asked if one.model not in can_see), None):
            raise ImagesUnsupported(blind, list(can_see))

    def _drawing(self, order: PictureOrder, options: ReplyOptions, *, with_pictures: bool) -> ReplyOptions:
        """The options of a reply that is the picture. Raises MessageEmpty, PicturesUnavailable, UnknownModel,
        PictureEditsUnsupported, or InvalidInput for a size or quality that the model does not know."""
        offers = self._models.picture_offers
        offer = self._models.find_picture_model(order.model)
        if not offers:
            raise PicturesUnavailable()
        if not offer:
            raise UnknownModel(order.model, [one.name for one in offers])
        if not order.prompt:
            raise MessageEmpty()
        for field, wanted, known in (
            ("size", order.size, offer.takes.sizes),
            ("quality", order.quality, offer.takes.qualities),
        ):
            if wanted and wanted not in known:
                raise InvalidInput(field, f"one of {', '.join(known)}" if known else "left out")
        if with_pictures and not offer.takes.edits:
            able = [one.name for one in offers if one.takes.edits]
            raise PictureEditsUnsupported(offer.name, able)
        return options._replace(model=offer.name, picture=order._replace(model=offer.name))

    async def _start(
        self,
        request: TurnRequest,
        options: ReplyOptions,
        once: Sequence[ReplyOptions],
        state: SessionState,
        kept: tuple[Image, ...],
        new: Sequence[tuple[Image, str]],
    ) -> str:
        turn = LiveTurn(
            uuid.uuid4().hex,
            request.user_id,
            request.session_id,
            request.address,
            replies=request.replies,
        )
        began = time.time()
        turn_ids = [turn.id, *(uuid.uuid4().hex for _ in once[1:])]
        last_turn = request.last_turn
        if request.replaces and last_turn is None:
            last_turn = state.last_turn  # what follows the replaced message goes with it, unseen otherwise
        branch = await self._keep_replaced(request, state)
        asked = ChatMessage(
            id=f"{turn.id}-message",
            role="user",
            content=request.message,
            timestamp=time.time(),
            turn_id=turn.id,
            images=(*kept, *(image for image, _ in new)),
            branch=branch,
            voices=tuple(
                Voice(turn_id=turn_id, role=one.role, model=one.model)
                for turn_id, one in zip(turn_ids, once, strict=False)
            ),
        )
        try:
            history = await self._log.claim(
                request.user_id,
                request.session_id,
                asked,
                head=options.head(),
                replaces=request.replaces,
                keep_version=request.keep_version,
                last_turn=last_turn,
                images={image.id: url for image, url in new},
                state=state,
                limit=self._limits.context_messages,
            )
        except ChatError:
            if branch:
                await self._store.delete(request.user_id, branch)  # nothing was replaced
            raise
        turn.steps.append(Step("store claim", began, time.time()))
        self._run(turn, dict(zip(turn_ids, once or (options,), strict=True)), history, asked)
        said = history._replace(items=[*history.items, asked])
        turn.head, turn.said = {**state.head, **options.head()}, said.items
        self._titler.after(turn, said, options.model)
        self._summarizer.after(turn, said, options.model)
        return turn.id

    async def _keep_replaced(self, request: TurnRequest, state: SessionState) -> str:
        """The id of a branch that has all of the conversation, where more than one turn of it is replaced;
        else "". What is temporary is not kept."""
        place = index_of(state.rows, request.replaces) if request.replaces else None
        if place is None or self._is_temporary:
            return ""
        replaced = parse_rows(state.rows[place:], state.session_id).items
        if sum(message.role == "user" for message in replaced) <= 1:
            return ""
        return (await store_branch(self._store, request.user_id, state, len(state.rows))).id

    async def _continue(
        self, request: TurnRequest, options: ReplyOptions, state: SessionState
    ) -> ContinuedTurn:
        turn_id, began = uuid.uuid4().hex, time.time()
        known = await self._log.claim_continuation(
            request.user_id,
            request.session_id,
            turn_id,
            last_turn=request.last_turn,
            state=state,
            limit=self._rows_to_continue,
        )
        *said, reply = known.items
        turn = LiveTurn(turn_id, request.user_id, request.session_id, request.address, continued=reply)
        turn.steps.append(Step("store claim", began, time.time()))
        turn.head, turn.said = state.head, known.items
        position = turn.position
        shown = end_of_reply(reply, self._models.context_tokens(self._limits.context_tokens) // 2)
        self._run(turn, {turn_id: options}, known._replace(items=[*said, shown]), request_to_continue(reply))
        self._summarizer.after(turn, known._replace(items=said), options.model)
        return ContinuedTurn(turn_id, position)

    def _run(
        self,
        turn: LiveTurn,
        options: Mapping[str, ReplyOptions],
        history: StoredMessages,
        asked: ChatMessage,
    ) -> None:
        """The replies come from now on; of each one the `options`, by the id that it has for its turn."""
        self._writer.add(turn)
        ends: dict[int, TurnEnd] = {}
        replies: list[Reply] = []
        readers = []
        for voice, (turn_id, one) in enumerate(options.items()):
            if one.picture:
                picture = PictureReply(turn, one, voice, turn_id)
                replies.append(picture)
                readers.append(self._draw(picture, turn, asked, one.picture))
            else:
                replies.append(reply := Reply(turn, one, voice, turn_id))
                readers.append(self._answer(reply, turn, history, asked, one))
        turn.readers = [asyncio.create_task(reader) for reader in readers]

        def ended(voice: int, reader: asyncio.Task[None]) -> None:
            self._budget.spend(turn.user_id, turn.address, replies[voice].tokens(reader))
            ends[voice] = end = replies[voice].end(reader)
            model = replies[voice].model
            offer = self._models.find(model) or self._models.find_picture_model(model)
            report = replies[voice].report(end, offer.provider.name if offer else "")
            self._report(report)
            now = time.time()
            turn.steps.append(Step("model request", now - report.seconds, now, report._asdict()))
            if len(ends) < len(replies):
                turn.end_voice(voice, end)
                return
            self._writer.end(turn, TurnEnd.of_voices([ends[voice] for voice in range(len(replies))]))

        for voice, reader in enumerate(turn.readers):
            reader.add_done_callback(partial(ended, voice))
        if self._interrupts:
            turn.cancel("interrupted")

    async def _answer(
        self,
        reply: Reply,
        turn: LiveTurn,
        history: StoredMessages,
        asked: ChatMessage,
        options: ReplyOptions,
    ) -> None:
        """Shows the model what was said and reads its reply. Raises StoreUnavailable or ModelError."""
        summary = history.summary.text if history.summary and self._summarizer.is_on else ""
        limits: Any = {
            "max_messages": self._limits.context_messages,
            "max_tokens": self._models.context_tokens(self._limits.context_tokens),
            "summary": summary,
            "notes": options.notes,
        }
        images: dict[str, str] = {}
        if options.model in self._models.vision_models and any(m.images for m in (*history.items, asked)):
            ids = images_to_send(options.prompt, history.items, asked, **limits)
            async with redis_errors_as_store_unavailable():
                images = await self._store.images(turn.user_id, turn.session_id, ids)
        context = build_context(
            options.prompt, history.items, asked, older=history.older, images=images, **limits
        )
        if turn.continued:  # what was asked then is no message of the conversation
            sent = context.receipt.sent - 1
            context = context._replace(receipt=context.receipt.model_copy(update={"sent": sent}))
        await reply.read(self._models.model, context)

    async def _draw(
        self, reply: PictureReply, turn: LiveTurn, asked: ChatMessage, order: PictureOrder
    ) -> None:
        """Has the picture made, of those in the message if there are any. Raises StoreUnavailable or
        ModelError."""
        ids = [image.id for image in asked.images]
        async with redis_errors_as_store_unavailable():
            stored = await self._store.images(turn.user_id, turn.session_id, ids)
        # Of one that was imported there is the preview alone.
        shown = [file_of(stored.get(image.id, image.preview)) for image in asked.images]
        await reply.draw(self._models.draw(order, shown), order, self._read_picture)

    @property
    def _rows_to_continue(self) -> int:
        """The reply, beside what the model is shown of a history."""
        return self._limits.context_messages and self._limits.context_messages + 1

    def _require_room(self, request: TurnRequest) -> None:
        """Raises ShuttingDown, TooManyReplies, or the kind that says whose share is taken. So that nobody is
        shut out by those who have many, the last quarter of the places is for who has no reply running."""
        if self._closed:
            raise ShuttingDown()
        limits = self._limits
        running = [reply for one in self._all for reply in one._running()]
        of_user = sum(one.replies for one in running if one.user_id == request.user_id)
        is_counted = request.address not in ("", limits.spared_address)
        from_address = sum(one.replies for one in running if is_counted and one.address == request.address)
        more = request.replies - 1
        if 0 < limits.replies_per_user <= of_user + more:
            raise TooManyRepliesOfUser(limits.replies_per_user)
        if 0 < limits.replies_per_address <= from_address + more:
            raise TooManyRepliesFromAddress(limits.replies_per_address)
        kept = limits.concurrent_replies // 4 if of_user or from_address else 0
        if sum(one.replies for one in running) + more >= limits.concurrent_replies - kept:
            raise TooManyReplies(limits.concurrent_replies)

    def _running(self) -> list[LiveTurn | TurnRequest]:
        return [*self._writer.turns.values(), *self._starting.values()]

    def _validate_message(self, message: str, images: int) -> None:
        if not (images or re.search(r"\S", message)):
            raise MessageEmpty()
        if len(message) > self._limits.message_chars:
            raise MessageTooLong(len(message), self._limits.message_chars)
        if images > MAX_IMAGES:
            raise TooManyImages(images, MAX_IMAGES)

    async def _read_images(self, images: Sequence[bytes]) -> list[tuple[Image, str]]:
        read = []
        for data in images:
            async with self._reading_images:
                read.append(await read_image(data))
        return read

    async def _read_picture(self, data: bytes) -> tuple[Image, str]:
        async with self._reading_images:
            return await read_image(data, LONGEST_SIDE)

    async def _choose_options(
        self, request: TurnRequest, session: Session, notes: Sequence[Note]
    ) -> ReplyOptions:
        """What is wanted, and for the rest what the session had, or what another role brings along."""
        find = self._roles.find if request.role else self._roles.find_or_default
        role = await find(request.user_id, request.role or session.role)
        model, sampling, variables = session.model, session.sampling, session.variables
        if request.variables is not None:
            variables = parse_variables(request.variables)
        if role.key != session.role:
            model = role.model or model
            sampling = sampling if role.sampling == Sampling() else role.sampling
        return ReplyOptions(
            role=role.key,
            prompt=role.with_values(variables).prompt,
            model=self.choose_model(request.model, model),
            sampling=request.sampling or sampling,
            notes=_texts_for(role.key, notes),
            variables=variables,
        )

    async def _choose_voices(
        self, request: TurnRequest, options: ReplyOptions, session: Session, notes: Sequence[Note]
    ) -> list[ReplyOptions]:
        """Who is asked this once: those that are to reply side by side, or the one that the message names.
        Nobody, where that is just the conversation's role. Raises UnknownRole."""
        named = request.voices or re.findall(r"\A\s*@([^\s,:，：、]+)", request.message)
        if not named:
            return []
        roles = await self._roles.roles_for(request.user_id, [options.role, *named])
        if not request.voices:
            mentioned, _ = mentions(request.message, roles.called)
            return [await self._choose_once(request, roles[key], session, notes) for key in mentioned[:1]]
        voices = []
        for name in named:
            if name in roles:
                voices.append(await self._choose_once(request, roles[name], session, notes))
            elif self._models.find(name):
                voices.append(options._replace(model=self.choose_model(name, "")))
            else:
                raise UnknownRole(name, list(roles))
        return voices

    async def _choose_once(
        self, request: TurnRequest, role: Role, session: Session, notes: Sequence[Note]
    ) -> ReplyOptions:
        """What the role brings along comes before what is wanted in the conversation."""
        model = role.model if self._models.find(role.model) else request.model
        sampling = request.sampling if role.sampling == Sampling() else role.sampling
        wanted = replace(request, role=role.key, model=model, sampling=sampling)
        return await self._choose_options(wanted, session, notes)

    async def _options_of_last_reply(
        self, request: TurnRequest, state: SessionState, notes: Sequence[Note]
    ) -> ReplyOptions:
        """Who gave the last reply, and as the session has it for the rest. Raises NothingToContinue."""
        session, said = state.session, state.messages.items
        if not said or (said[-1].role == "user" and not state.open_turn):
            raise NothingToContinue()
        role = await self._roles.find_or_default(request.user_id, said[-1].role_key or session.role)
        return ReplyOptions(
            role=role.key,
            prompt=role.with_values(session.variables).prompt,
            model=self.choose_model("", said[-1].model or session.model),
            sampling=session.sampling,
            notes=_texts_for(role.key, notes),
        )

    def choose_model(self, wanted: str, before: str) -> str:
        """The wanted model, or the one there was before, or the default. Raises UnknownModel."""
        offer = self._models.find(wanted or before)
        if wanted and not offer:
            raise UnknownModel(wanted, list(self._models.names))
        return offer.name if offer else self._models.names[0]


def _validate_voices(voices: Sequence[str]) -> None:
    is_list = isinstance(voices, list | tuple) and all(isinstance(name, str) for name in voices)
    if not (is_list and 2 <= len({*voices}) == len(voices) <= MAX_VOICES):
        raise InvalidInput("roles", f"a list of 2 to {MAX_VOICES} roles or models, each of them once")
    validate_text(**{f"roles.{number}": name for number, name in enumerate(voices, 1)})


def _texts_for(role: str, notes: Sequence[Note]) -> tuple[str, ...]:
    return tuple(note.text for note in notes if note.role == role)


def _images_of(stored: StoredMessages, message_id: str) -> tuple[Image, ...]:
    return next((message.images for message in stored.items if message.id == message_id), ())
