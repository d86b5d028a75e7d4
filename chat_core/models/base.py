"""ChatModel: what every model looks like to the rest of the app."""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple, Protocol

from ..context import PromptMessage
from ..errors import ModelNotConfigured
from ..messages import FinishReason, Sampling, TextKind, Usage


class Piece(NamedTuple):
    """A few characters of the reply, or of the reasoning before it."""

    kind: TextKind
    text: str


class Finish(NamedTuple):
    """The reply is over, earlier than the model would have ended it."""

    reason: FinishReason


class AnsweredBy(NamedTuple):
    """Another model than the one that was asked gives the reply: this one."""

    model: str


class DrawnPicture(NamedTuple):
    """A picture as the provider has made it, the content of a file; or one that shows how far it is."""

    data: bytes
    is_partial: bool = False


StreamItem = Piece | Finish | AnsweredBy | Usage

_MOST_COUNTED = 1_000_000_000


def is_plausible(usage: Usage) -> bool:
    """Whether its numbers are some that a reply can have: a store could not add up others."""
    counted = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cost or 0
    return all(0 <= number <= _MOST_COUNTED for number in counted)


class ChatModel(Protocol):
    """Anything that answers. `stream` yields pieces as they come, a finish if the reply was cut and, if the
    provider counts tokens, the usage; before all that, which model answers if another one was asked. It
    raises ModelError for every failure and frees the connection when it
    is closed."""

    def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]: ...

    async def aclose(self) -> None: ...


class NoModel:
    """Stands where no model is set up: every question fails with ModelNotConfigured."""

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[StreamItem, None]:
        raise ModelNotConfigured()
        yield  # makes this a generator

    async def aclose(self) -> None:
        pass
