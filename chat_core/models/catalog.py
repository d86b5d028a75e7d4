"""ModelCatalog: the models that can be chosen, and the opened one that answers."""

import asyncio
import logging
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from ..errors import ModelError, ModelNotConfigured
from ..messages import Usage
from ..pictures import PictureOrder
from ..providers import Provider, known_providers
from . import llama
from .base import ChatModel, DrawnPicture, NoModel
from .openai import OpenAIChatModel
from .repetition import RepetitionGuard
from .router import ModelOffer, ModelRouter, PictureOffer
from .transport import HttpClient

log = logging.getLogger(__name__)

_EMBEDDED = "embedded"
_ASK_EVERY_SECONDS = 10.0
# What providers list beside the models that chat.
_NO_CHAT = re.compile(
    r"(?i)embed|whisper|tts|audio|realtime|transcri|speech|dall-e|image|moderation|rerank|davinci|babbage|sora"
)


class CatalogOptions(NamedTuple):
    """The `providers`, the default one first; the name of the model that is asked where none is chosen, and
    of those that take over, in order, when one fails; which models cannot be sent images; the name of the one
    that makes pictures where none is chosen ("": the first that is known, "off": none); and how long (in
    seconds) a provider may be silent before and within a reply. With `is_embedded` the model of
    `embedded_file`, or the one that comes along, answers, and what serves models on this machine is looked
    for."""

    providers: tuple[Provider, ...]
    default_model: str = ""
    fallback_models: tuple[str, ...] = ()
    text_only_models: tuple[str, ...] = ()
    picture_model: str = ""
    first_token_seconds: float = 120
    stall_seconds: float = 60
    is_embedded: bool = False
    embedded_file: Path | None = None


class ModelCatalog:
    """The models of all providers. A `model` that is given answers in their place, and is not closed."""

    def __init__(self, options: CatalogOptions, model: ChatModel | None = None) -> None:
        self._options = options
        self._given = model is not None
        self._llama = llama.EmbeddedLlama(options.embedded_file)
        self._models: dict[str, ChatModel] = {}
        self._discovered: dict[str, tuple[str, ...]] = {}
        self._offers: dict[str, ModelOffer] = {}
        self._discovery = asyncio.Lock()
        self._asked_at = -math.inf
        providers = options.providers
        if self.is_embedded:
            names = (self._llama.model or "none",)
            providers = (Provider(name=_EMBEDDED, title="", icon="", models=names, vision=False),)
        self._providers = {provider.name: provider for provider in providers}
        self._renew_offers()
        may_draw = not self._given and options.picture_model != "off"
        self.picture_offers = _picture_offers(providers, options.picture_model) if may_draw else ()
        router = ModelRouter(self._models, self.find, options.fallback_models)
        self.model: ChatModel = model or router

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded model answers, or would if it could be started."""
        return self._options.is_embedded and not self._given

    @property
    def is_ready(self) -> bool:
        """Whether there is a model to ask."""
        if self._given:
            return not isinstance(self.model, NoModel)
        return any(offer.provider.name in self._models for offer in self.offers)

    @property
    def offers(self) -> tuple[ModelOffer, ...]:
        """The models that can be chosen, the default one first, the others by provider."""
        return tuple(self._offers.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of those."""
        return tuple(self._offers)

    @property
    def vision_models(self) -> tuple[str, ...]:
        """The names of those that can be sent images."""
        return tuple(offer.name for offer in self.offers if offer.takes.vision)

    @property
    def unnamed(self) -> tuple[str, ...]:
        """The names of the providers whose models nobody has named, so that they are asked for them."""
        return tuple(provider.name for provider in self._providers.values() if not provider.models)

    def find(self, name: str) -> ModelOffer | None:
        """The model that is chosen by this name, its own one or `provider/model`."""
        return self._offers.get(name) or next((one for one in self.offers if name in _names(one)), None)

    def find_picture_model(self, name: str) -> PictureOffer | None:
        """The model that makes pictures and is chosen by this name; without one the default."""
        if not name:
            return next(iter(self.picture_offers), None)
        return next((one for one in self.picture_offers if name in (one.name, *_names(one))), None)

    def draw(
        self, order: PictureOrder, pictures: Sequence[bytes]
    ) -> AsyncGenerator[DrawnPicture | Usage, None]:
        """The picture that is ordered, as the model's own `draw`. Raises ModelNotConfigured."""
        offer = self.find_picture_model(order.model)
        model = self._models.get(offer.provider.name) if offer else None
        if offer is None or not isinstance(model, OpenAIChatModel):
            raise ModelNotConfigured()
        return model.draw(order, pictures, model=offer.model)

    def context_tokens(self, configured: int) -> int:
        """The budget of one request in tokens, 0 for no limit: what is `configured`, within what the
        embedded model can hold."""
        if not self.is_embedded:
            return configured
        return min(configured or llama.CONTEXT_TOKENS, llama.CONTEXT_TOKENS)

    async def open(self, stack: AsyncExitStack) -> None:
        """Opens what answers; `stack` later closes it. What cannot start is logged, and the app goes on with
        a model that fails with ModelNotConfigured. The providers' lists of models are asked for beside it."""
        if self._given:
            return
        if self.is_embedded:
            await self._start_embedded(stack)
        else:
            await self._connect(self._providers.values(), stack)
        discovery = asyncio.create_task(self.discover())
        stack.callback(discovery.cancel)

    async def _start_embedded(self, stack: AsyncExitStack) -> None:
        try:
            base_url = await self._llama.start()
        except ModelNotConfigured as error:
            log.warning("%s", error)
        else:
            stack.push_async_callback(self._llama.stop)
            stack.callback(asyncio.create_task(self._llama.keep_running()).cancel)
            key = SecretStr(self._llama.api_key)
            embedded = self._providers[_EMBEDDED].updated(base_url=base_url, api_key=key)
            await self._connect([embedded], stack)
            self._models[_EMBEDDED] = RepetitionGuard(self._models[_EMBEDDED])
        # None of them has a model to offer until it has told of one.
        local = {name: row for name, row in known_providers().items() if row.local}
        self._providers |= local
        await self._connect(local.values(), stack)

    async def _connect(self, providers: Iterable[Provider], stack: AsyncExitStack) -> None:
        models = await asyncio.to_thread(self._made, list(providers))
        for name, model in models.items():
            stack.push_async_callback(model.aclose)
            self._models[name] = model

    def _made(self, providers: Iterable[Provider]) -> dict[str, OpenAIChatModel]:
        client = HttpClient()  # one for all: the certificates are loaded with it
        return {
            provider.name: OpenAIChatModel(
                api_key=provider.api_key.get_secret_value(),
                base_url=provider.base_url,
                provider=provider,
                first_token_seconds=self._options.first_token_seconds,
                stall_seconds=self._options.stall_seconds,
                http_client=client,
            )
            for provider in providers
        }

    async def discover(self) -> None:
        """Asks the providers whose models nobody has named which ones they have, at most every few seconds.
        One that does not tell keeps those that it told of before."""
        async with self._discovery:
            now = asyncio.get_running_loop().time()
            if now < self._asked_at + _ASK_EVERY_SECONDS:
                return
            await asyncio.gather(*map(self._ask_for_models, self.unnamed))
            self._renew_offers()
            self._asked_at = now

    async def _ask_for_models(self, name: str) -> None:
        model = self._models.get(name)
        if not isinstance(model, OpenAIChatModel):
            return
        try:
            found = await model.list_models()
        except ModelError as error:
            log.debug("%s tells no models: %s", name, type(error).__name__)
        else:
            self._discovered[name] = tuple(one for one in found if not _NO_CHAT.search(one))

    def _renew_offers(self) -> None:
        pairs = [
            (provider, model)
            for provider in self._providers.values()
            for model in dict.fromkeys(provider.models or self._discovered.get(provider.name, ()))
        ]
        pairs = pairs or [(provider, "none") for provider in self._providers.values()][:1]
        count = Counter(model for _, model in pairs)
        offers = [self._offer(provider, model, alone=count[model] == 1) for provider, model in pairs]
        default = self._options.default_model
        offers.sort(key=lambda offer: default not in _names(offer))
        self._offers = {offer.name: offer for offer in offers}

    def _offer(self, provider: Provider, model: str, *, alone: bool) -> ModelOffer:
        offer = ModelOffer(model, provider, model, provider.capabilities(model))
        if any(name in self._options.text_only_models for name in _names(offer)):
            offer = offer._replace(takes=offer.takes.model_copy(update={"vision": False}))
        return offer if alone else offer._replace(name=f"{provider.name}/{model}")


def _picture_offers(providers: Sequence[Provider], default: str) -> tuple[PictureOffer, ...]:
    """The models that make pictures, the default one first; one that is not known is the first provider's, or
    that provider's whose name it begins with."""
    pairs = [(provider, model) for provider in providers for model in provider.picture_models]
    count = Counter(model for _, model in pairs)
    offers = [
        PictureOffer(
            model if count[model] == 1 else f"{provider.name}/{model}",
            provider,
            model,
            provider.drawing_of(model),
        )
        for provider, model in pairs
    ]
    if default and all(default not in _names(offer) for offer in offers):
        name, _, model = default.partition("/")
        provider = next((one for one in providers if model and one.name == name), None)
        provider, model = (provider, model) if provider else (providers[0], default)
        offers.append(PictureOffer(default, provider, model, provider.drawing_of(model)))
    offers.sort(key=lambda offer: bool(default) and default not in _names(offer))
    return tuple(offers)


def _names(offer: ModelOffer | PictureOffer) -> tuple[str, str]:
    return offer.model, f"{offer.provider.name}/{offer.model}"
