"""Backends: the Redis and the model that the settings call for, the embedded servers among them."""

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from copy import copy
from typing import Any, Literal

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from .embedded import llama
from .errors import ModelNotConfigured, StoreUnavailable
from .llm import ChatModel, NoModel, OpenAIChatModel
from .settings import Settings

log = logging.getLogger(__name__)

Notice = Literal["embedded_model", "no_model", "nothing_kept"]


class Backends:
    """What a service stands on. Building it opens nothing; `open` starts and `stack` later closes what
    was not given. `notices` then says what a person should know about them."""

    def __init__(self, settings: Settings, redis: Redis | None, model: ChatModel | None) -> None:
        self._settings = settings
        self._own_redis = redis is None
        self._own_model = model is None
        self._llama = llama.EmbeddedLlama(settings.embedded_model)
        self.redis: Redis = redis if redis is not None else _connect(settings)
        self.model: ChatModel = model or NoModel()
        self.notices: tuple[Notice, ...] = ()
        self._is_open = False

    def in_memory(self) -> "Backends":
        """The same model, once it is open, over a store in this process's memory."""
        twin = copy(self)
        twin.redis = _memory()
        twin.notices = ()
        return twin

    @property
    def _embeds_model(self) -> bool:
        return self._own_model and self._settings.embeds_model

    @property
    def models(self) -> tuple[str, ...]:
        """The models' names, the default first."""
        if self._embeds_model:
            return (self._llama.model or "none",)
        return self._settings.models

    @property
    def seeing_models(self) -> tuple[str, ...]:
        """Those of them that can be sent images."""
        if self._embeds_model:
            return ()
        return tuple(model for model in self.models if model not in self._settings.text_only_models)

    @property
    def context_tokens(self) -> int:
        """The budget of one request in tokens, 0 for no limit."""
        wanted = self._settings.context_tokens
        if not self._embeds_model:
            return wanted
        return min(wanted or llama.CONTEXT_TOKENS, llama.CONTEXT_TOKENS)

    async def open(self, stack: AsyncExitStack) -> None:
        """Starts what is missing. What cannot start is logged and noticed, and the app goes on."""
        if self._is_open:  # the twin of what was opened before
            stack.push_async_callback(self.redis.aclose)
            return
        self._is_open = True
        if self._own_redis:
            await self._start_store(stack)
            stack.push_async_callback(self.redis.aclose)
        if self._own_model:
            await self._start_model(stack)

    async def _start_store(self, stack: AsyncExitStack) -> None:
        address = _store_address(self._settings)
        if address == "memory://":
            self.notices += ("nothing_kept",)
        if address:
            return
        valkey = _embedded_valkey(self._settings)
        try:
            await asyncio.to_thread(valkey.start)
        except StoreUnavailable as error:
            log.error("%s", error)
        else:
            stack.push_async_callback(asyncio.to_thread, valkey.stop)

    async def _start_model(self, stack: AsyncExitStack) -> None:
        settings = self._settings
        base_url, api_key = settings.openai_base_url, settings.openai_api_key.get_secret_value()
        if settings.embeds_model:
            try:
                base_url = await asyncio.to_thread(self._llama.start)
            except ModelNotConfigured as error:
                log.warning("%s", error)
                self.notices += ("no_model",)
                return
            api_key = self._llama.api_key
            self.notices += ("embedded_model",)
            stack.push_async_callback(asyncio.to_thread, self._llama.stop)
        model = OpenAIChatModel(
            api_key=api_key,
            base_url=base_url,
            first_token_seconds=settings.first_token_seconds,
            stall_seconds=settings.stall_seconds,
        )
        stack.push_async_callback(model.aclose)
        self.model = model


def _store_address(settings: Settings) -> str:
    """REDIS_URL or its like; else empty, for the embedded server, or memory:// where there is none."""
    return settings.redis_address or ("memory://" if sys.platform == "win32" else "")


def _embedded_valkey(settings: Settings) -> Any:
    from .embedded.valkey import EmbeddedValkey  # needs a system with unix sockets

    return EmbeddedValkey(settings.data_dir)


def _memory() -> Redis:
    from fakeredis import FakeAsyncRedis, FakeServer  # nobody needs it before

    return FakeAsyncRedis(server=FakeServer(), decode_responses=True)


def _connect(settings: Settings) -> Redis:
    """A client that connects when it is first used."""
    address = _store_address(settings)
    if address == "memory://":
        return _memory()
    if not address:
        address = f"unix://{_embedded_valkey(settings).socket}"
    return Redis.from_url(
        address,
        decode_responses=True,
        max_connections=2000,
        health_check_interval=30,
        # One more try, not the library's ten: a person waits for the word that the store is away.
        socket_timeout=4,
        retry=Retry(ConstantBackoff(0.2), 1),
    )
