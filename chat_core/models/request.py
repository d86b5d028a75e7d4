"""ModelRequest: what a model is sent, by what it takes and by what it has refused."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..context import PromptMessage
from ..messages import Sampling
from ..providers import Capabilities, Provider


class _Concession(NamedTuple):
    """A refusal that names this is answered by another value of a capability, in place of the one it has."""

    named: re.Pattern[str]
    capability: str
    value: object
    instead: object


_CONCESSIONS = (
    _Concession(re.compile("stream_options|include_usage"), "usage", True, False),
    _Concession(re.compile("temperature"), "temperature", True, False),
    _Concession(re.compile(r"\bmax_tokens"), "length", "max_tokens", "max_completion_tokens"),
    _Concession(re.compile(r"\bmax_completion_tokens"), "length", "max_completion_tokens", "max_tokens"),
    _Concession(re.compile("(?i)system|developer"), "system", True, False),
    _Concession(re.compile(r"(?i)\bstream(ing)?\b"), "stream", True, False),
)
# That something is refused for what it is, not for its value.
_REFUSED = re.compile(
    r"(?i)unsupported|unknown|unrecognized|unexpected|forbidden|not enabled|\bextra\b"
    r"|(not|n't)( be| allow| currently)? (support|permit|allow|recogni)"
)


class ModelRequest:
    """Requests to the `model` of a provider. What one of them is refused for, later ones go without."""

    def __init__(self, provider: Provider, model: str) -> None:
        self._provider = provider
        self.model = model
        self._takes: Capabilities = provider.capabilities(model)
        self._conceded: set[_Concession] = set()

    @property
    def price(self) -> tuple[float, float] | None:
        """What a million tokens cost, see Capabilities."""
        return self._takes.price

    def body(self, messages: Sequence[PromptMessage], sampling: Sampling) -> dict[str, Any]:
        """The body of a request for the reply to `messages`."""
        takes, provider = self._takes, self._provider
        temperature = provider.default_temperature if sampling.temperature is None else sampling.temperature
        length = sampling.max_tokens or provider.default_max_tokens
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages if takes.system else _without_system(messages),
            "stream": takes.stream,
        }
        if takes.stream and takes.usage:
            body["stream_options"] = {"include_usage": True}
        if takes.temperature and temperature is not None:
            body["temperature"] = temperature
        if length:
            body[takes.length] = length
        return body | takes.body | takes.efforts.get(sampling.effort, {})

    def concede(self, refusal: str) -> bool:
        """Whether the next request is another one, because `refusal` names what this one had too much. Each
        thing is given up once."""
        if not _REFUSED.search(refusal):
            return False
        for concession in _CONCESSIONS:
            if (
                concession not in self._conceded
                and getattr(self._takes, concession.capability) == concession.value
                and concession.named.search(refusal)
            ):
                self._conceded.add(concession)
                update = {concession.capability: concession.instead}
                self._takes = self._takes.model_copy(update=update)
                return True
        return False


def _without_system(messages: Sequence[PromptMessage]) -> list[PromptMessage]:
    """The same with the prompt at the head of the user's first message."""
    prompts = [message for message in messages if message["role"] == "system"]
    others = [message for message in messages if message["role"] != "system"]
    if not prompts or not others:
        return others
    prompt, first = str(prompts[0]["content"]), others[0]
    content = first["content"]
    if isinstance(content, str):
        content = f"{prompt}\n\n{content}"
    else:
        content = [{"type": "text", "text": prompt}, *content]
    return [{"role": first["role"], "content": content}, *others[1:]]
