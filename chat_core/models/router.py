"""ModelRouter: asks the provider of a model, and other models in its place when that fails."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import NamedTuple

from ..context import PromptMessage
from ..errors import ContextTooLong, ModelError, ModelFiltered, ModelNotConfigured, ModelRequestRejected
from ..messages import Sampling
from ..providers import Capabilities, Drawing, Provider
from .base import AnsweredBy, ChatModel, StreamItem

log = logging.getLogger(__name__)

# What is wrong with the request is so at any other model too.
_OF_THE_REQUEST = (ContextTooLong, ModelFiltered, ModelRequestRejected)


class ModelOffer(NamedTuple):
    """A `model` of a provider that can be chosen by this `name`, and what it takes."""

    name: str
    provider: Provider
    model: str
    takes: Capabilities


class PictureOffer(NamedTuple):
    """A `model` of a provider that makes pictures, can be chosen by this `name`, and what it takes."""

    name: str
    provider: Provider
    model: str
    takes: Drawing


class ModelRouter:
    """A ChatModel over those of the providers, by their names. `find` gives the model of a name; those of
    `fallbacks` take over, in order, before the first piece of a reply."""

    def __init__(
        self,
        models: Mapping[str, ChatModel],
        find: Callable[[str], ModelOffer | None],
        fallbacks: Sequence[str] = (),
    ) -> None:
        self._models = models
        self._find = find
        self._fallbacks = fallbacks

    async def aclose(self) -> None:
        for model in self._models.values():
            await model.aclose()

    def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]:
        """As the model's own `stream`, whose every token would cost more if it went through another one."""
        offers = self._offers(model, messages)
        if len(offers) > 1:
            return self._with_fallbacks(offers, messages, sampling)
        return self._ask(offers[0], messages, sampling)

    def _offers(self, model: str, messages: Sequence[PromptMessage]) -> list[ModelOffer]:
        asked = self._find(model)
        if asked is None or asked.provider.name not in self._models:
            raise ModelNotConfigured()
        has_images = any(not isinstance(message["content"], str) for message in messages)
        others = [offer for offer in map(self._find, self._fallbacks) if offer and offer != asked]
        return [asked, *(other for other in others if other.takes.vision or not has_images)]

    def _ask(
        self, offer: ModelOffer, messages: Sequence[PromptMessage], sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]:
        return self._models[offer.provider.name].stream(messages, model=offer.model, sampling=sampling)

    async def _with_fallbacks(
        self, offers: Sequence[ModelOffer], messages: Sequence[PromptMessage], sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]:
        """Raises what the model that was asked for fails with, if none of the others answers."""
        first_failure: ModelError | None = None
        for offer in offers:
            begun = False
            try:
                async with aclosing(self._ask(offer, messages, sampling)) as items:
                    async for item in items:
                        if not begun and first_failure:
                            yield AnsweredBy(offer.name)
                        begun = True
                        yield item
                return
            except ModelError as error:
                if begun or isinstance(error, _OF_THE_REQUEST):
                    raise
                first_failure = first_failure or error
                log.warning("model %s failed before it answered: %s", offer.name, type(error).__name__)
        assert first_failure
        raise first_failure
