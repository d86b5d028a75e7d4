"""ModelCatalog: the models that can be chosen, and the opened one that answers."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from ..errors import ModelNotConfigured
from . import llama
from .base import ChatModel, NoModel
from .openai import OpenAIChatModel
from .repetition import RepetitionGuard

log = logging.getLogger(__name__)


class ProviderConfig(NamedTuple):
    """An OpenAI-compatible provider: where it is, the names of its models, the default one first, which of
    them cannot be sent images, and how long (in seconds) it may be silent before and within a reply.
    With `is_embedded` it is the model of `embedded_file`, or the one that comes along, in this process."""

    base_url: str
    api_key: str
    models: tuple[str, ...]
    text_only_models: tuple[str, ...] = ()
    first_token_seconds: float = 120
    stall_seconds: float = 60
    is_embedded: bool = False
    embedded_file: Path | None = None


class ModelCatalog:
    """The models of a provider. A `model` that is given answers in their place, and is not closed."""

    def __init__(self, provider: ProviderConfig, model: ChatModel | None = None) -> None:
        self._provider = provider
        self._given = model is not None
        self._llama = llama.EmbeddedLlama(provider.embedded_file)
        self.model: ChatModel = model or NoModel()

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded model answers, or would if it could be started."""
        return self._provider.is_embedded and not self._given

    @property
    def is_ready(self) -> bool:
        """Whether there is a model to ask."""
        return not isinstance(self.model, NoModel)

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names, the default first."""
        return (self._llama.model or "none",) if self.is_embedded else self._provider.models

    @property
    def vision_models(self) -> tuple[str, ...]:
        """Those of them that can be sent images."""
        if self.is_embedded:
            return ()
        return tuple(name for name in self.names if name not in self._provider.text_only_models)

    def context_tokens(self, configured: int) -> int:
        """The budget of one request in tokens, 0 for no limit: what is `configured`, within what the
        embedded model can hold."""
        if not self.is_embedded:
            return configured
        return min(configured or llama.CONTEXT_TOKENS, llama.CONTEXT_TOKENS)

    async def open(self, stack: AsyncExitStack) -> None:
        """Opens the model; `stack` later closes it. What cannot start is logged, and the app goes on with a
        model that fails with ModelNotConfigured."""
        if self._given:
            return
        base_url, api_key = self._provider.base_url, self._provider.api_key
        if self.is_embedded:
            try:
                base_url = await asyncio.to_thread(self._llama.start)
            except ModelNotConfigured as error:
                log.warning("%s", error)
                return
            api_key = self._llama.api_key
            stack.push_async_callback(asyncio.to_thread, self._llama.stop)
        model = await asyncio.to_thread(
            OpenAIChatModel,
            api_key=api_key,
            base_url=base_url,
            first_token_seconds=self._provider.first_token_seconds,
            stall_seconds=self._provider.stall_seconds,
        )
        stack.push_async_callback(model.aclose)
        self.model = RepetitionGuard(model) if self.is_embedded else model
