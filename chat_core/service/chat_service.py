"""ChatService: what a user interface calls; built, started and shut down here."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Literal, NamedTuple, Self

from redis.asyncio import Redis

from ..models import CatalogOptions, ChatModel, ModelCatalog, ModelOffer, PictureOffer
from ..roles import load_roles
from ..settings import Settings
from ..storage import (
    NoteStore,
    RateLimiter,
    RoleStore,
    SessionStore,
    ShareStore,
    StoreConnection,
    StoreTrouble,
    TokenBudget,
)
from ..tasks import cancelled
from ..turns import (
    LiveTurn,
    MemoryOptions,
    Reporter,
    Step,
    Summarizer,
    TitleOptions,
    Titler,
    TurnLimits,
    TurnLog,
    TurnReport,
    TurnStarter,
    TurnWriter,
    log_report,
)
from .archives import Archives
from .completions import Completions
from .conversations import Conversations
from .logins import Logins
from .processes import Processes
from .shares import Shares

log = logging.getLogger(__name__)

Notice = Literal["embedded_model", "no_model", "nothing_kept", "until_restart"]

_TEMPORARY_SECONDS = 3600
_SHUTDOWN_SECONDS = 4.0


class HealthReport(NamedTuple):
    """Why the store cannot be used, if it cannot be, and whether there is a model to ask."""

    store_trouble: StoreTrouble | None
    model: bool

    @property
    def store(self) -> bool:
        """Whether it can be written to."""
        return self.store_trouble is None


class ChatService(Conversations, Shares, Archives, Completions):
    """Chats of users with models. Use it as an async context manager: building it opens nothing,
    entering it starts what the settings call for, leaving it saves what runs and closes what it opened.
    `main` is for the `temporary` twin of a service alone.

    `logins` are those of AUTH_USERS, and belong to no chat; nor do `processes`, those that share the store.

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
        self.roles = load_roles(settings.roles_file, settings.built_in_roles)
        self.is_temporary = main is not None
        self._temporary: ChatService | None = None
        if main is not None:
            self._connection = StoreConnection()
            self._models, self._limiter, self._budget = main._models, main._limiter, main._budget
            self._roles, self._notes = main._roles, main._notes
            self.logins, self.processes = main.logins, main.processes
            ttl_seconds = _TEMPORARY_SECONDS
        else:
            self._connection = StoreConnection(settings.store_address, settings.data_dir, redis)
            self._models = ModelCatalog(_catalog_options(settings), model)
            ttl_seconds = settings.session_ttl_seconds
            self._limiter = RateLimiter(
                self._connection.redis,
                settings.rate_limit,
                settings.rate_limit_address,
                spared=settings.spared("rate_limit_address"),
            )
            self._budget = TokenBudget(
                self._connection.redis, settings.daily_tokens, settings.daily_tokens_address
            )
            self._roles = RoleStore(self._connection.redis, self.roles, ttl_seconds=ttl_seconds)
            self._notes = NoteStore(self._connection.redis, ttl_seconds=ttl_seconds)
            self.logins = Logins(settings.logins, self._connection.redis, signs_in=settings.signs_in)
            self.processes = Processes(self._connection.redis, can_be_shared=self._connection.can_be_shared)
        self._store = SessionStore(
            self._connection.redis, max_messages=settings.max_stored_messages, ttl_seconds=ttl_seconds
        )
        self._shares = ShareStore(self._connection.redis)
        self._log = TurnLog(self._connection.redis, self._store, lease_seconds=lease_seconds)
        self._writer = TurnWriter(self._log, on_saved=self._saved if main is None else main._saved)
        self._summarizer = Summarizer(self._memory_options(), self._store, self._models)
        self._titler = Titler(self._title_options(), self._store, self._models)
        self._starter = TurnStarter(
            _limits(settings),
            roles=self._roles,
            models=self._models,
            limiter=self._limiter,
            budget=self._budget,
            store=self._store,
            turn_log=self._log,
            writer=self._writer,
            summarizer=self._summarizer,
            titler=self._titler,
            report=self._reported if main is None else main._reported,
            beside=main._starter if main else None,
        )
        self._reporters: list[Reporter] = [log_report]
        self._tracers: list[Callable[[Sequence[Step]], None]] = []
        self._open = AsyncExitStack()
        self._drained_by: float | None = None

    def _memory_options(self) -> MemoryOptions:
        settings = self.settings
        default = "off" if self._models.is_embedded else "on"
        return MemoryOptions(
            is_on=(settings.memory or default) == "on" and not self.is_temporary,
            model=settings.memory_model,
            context_messages=settings.context_messages,
            context_tokens=settings.context_tokens,
        )

    def _title_options(self) -> TitleOptions:
        chosen = self.settings.title_model
        is_on = chosen != "off" and bool(chosen or not self._models.is_embedded) and not self.is_temporary
        return TitleOptions(is_on, chosen)

    @property
    def models(self) -> tuple[str, ...]:
        """The models a caller may choose from, the default first."""
        return self._models.names

    @property
    def model_offers(self) -> tuple[ModelOffer, ...]:
        """The same with their providers and what they take."""
        return self._models.offers

    @property
    def picture_offers(self) -> tuple[PictureOffer, ...]:
        """The models that make pictures, the default first, and what they take."""
        return self._models.picture_offers

    @property
    def finds_models(self) -> bool:
        """Whether there are providers, or may be some on this machine, whose models nobody has named."""
        return self._models.is_embedded or bool(self._models.unnamed)

    async def refresh_models(self) -> None:
        """Asks the providers whose models nobody has named which ones they have now, at most every few
        seconds. Nothing is raised when one does not tell."""
        await self._models.discover()

    @property
    def vision_models(self) -> tuple[str, ...]:
        """The models that can be sent images."""
        return self._models.vision_models

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a person should know about where this chat runs; complete once the service is open."""
        notices: list[Notice] = []
        if not self._connection.is_lasting:
            notices.append("nothing_kept")
        elif self.settings.data_may_vanish and not self.settings.redis_address:
            notices.append("until_restart")
        if self._models.is_embedded:
            notices.append("embedded_model" if self._models.is_ready else "no_model")
        return tuple(notices)

    @property
    def temporary(self) -> "ChatService":
        """The same service, with the same users, over this process's memory: what is said there is never
        stored, and forgotten an hour after its last change."""
        if self._temporary is None:
            raise RuntimeError("the service is not open")
        return self._temporary

    @property
    def is_closed(self) -> bool:
        """Whether no new turns are taken any more, because the service is drained."""
        return self._starter.is_closed

    def on_turn(self, reporter: Reporter) -> None:
        """Lets `reporter` hear of every reply that ends, also of those in temporary chats."""
        self._reporters.append(reporter)

    def _reported(self, report: TurnReport) -> None:
        for reporter in self._reporters:
            reporter(report)

    def on_saved(self, tracer: Callable[[Sequence[Step]], None]) -> None:
        """Lets `tracer` hear of every turn that is saved: of the steps that it took."""
        self._tracers.append(tracer)

    def _saved(self, turn: LiveTurn) -> None:
        for tracer in self._tracers:
            tracer(turn.steps)

    @property
    def running_turns(self) -> int:
        """How many turns this process is writing."""
        return len(self._writer.turns) + (self._temporary.running_turns if self._temporary else 0)

    @property
    def followers(self) -> int:
        """How many follow a turn in this process."""
        return self._followers + (self._temporary.followers if self._temporary else 0)

    @property
    def store_seconds(self) -> float:
        """How long the store took to answer when it was looked at last; infinite if it did not."""
        return self._connection.seconds

    async def health(self) -> HealthReport:
        """Writes to the store, within two seconds; the model is not called, for that may cost money."""
        return HealthReport(await self._connection.trouble(), self._models.is_ready)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._connection.open(stack)
            stack.push_async_callback(cancelled, asyncio.create_task(self._connection.watch()))
            if not self.is_temporary:
                await self._models.open(stack)
            stack.push_async_callback(cancelled, asyncio.create_task(self._writer.run()))
            if not self.is_temporary:
                self._temporary = ChatService(self.settings, main=self)
                await stack.enter_async_context(self._temporary)
            stack.push_async_callback(self.drain)
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def finish_turns(self, seconds: float) -> None:
        """Takes no new turns, and waits until the running ones have ended, for no longer than that."""
        self._starter.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._temporary:
                    await self._temporary.finish_turns(seconds)
                await self._starter.wait_for_starts()
                await self._writer.wait_until_saved()

    async def drain(self) -> None:
        """Takes no new turns and saves the running ones as interrupted. Leaving the service does that too;
        a server does it before, while its followers can still be told. What a store that does not answer
        has not taken by the first call's deadline is lost."""
        self._starter.close()
        self._starter.interrupt()
        await asyncio.gather(self._summarizer.close(), self._titler.close())
        if self._temporary:
            await self._temporary.drain()
        for turn in self._writer.turns.values():
            turn.cancel("interrupted")
        if is_first := self._drained_by is None:
            self._drained_by = asyncio.get_running_loop().time() + _SHUTDOWN_SECONDS
        try:
            async with asyncio.timeout_at(self._drained_by):
                await self._starter.wait_for_starts()
                await self._writer.wait_until_saved()
                await self._budget.close()
        except TimeoutError:
            if is_first:
                log.error("%d replies could not be saved before the end", len(self._writer.turns))


def _catalog_options(settings: Settings) -> CatalogOptions:
    return CatalogOptions(
        providers=settings.providers,
        default_model=settings.default_model,
        fallback_models=settings.fallback_models,
        text_only_models=settings.text_only_models,
        picture_model=settings.image_model,
        first_token_seconds=settings.first_token_seconds,
        stall_seconds=settings.stall_seconds,
        is_embedded=settings.embeds_model,
        embedded_file=settings.embedded_model,
    )


def _limits(settings: Settings) -> TurnLimits:
    return TurnLimits(
        message_chars=settings.max_message_chars,
        concurrent_replies=settings.max_concurrent_replies,
        replies_per_user=settings.max_replies_per_user,
        replies_per_address=settings.max_replies_per_address,
        spared_address=settings.spared("max_replies_per_address"),
        context_messages=settings.context_messages,
        context_tokens=settings.context_tokens,
    )
