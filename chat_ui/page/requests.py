"""PageRequest: what a listener of the page is sent, parsed and validated once. It is untrusted input."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import gradio as gr
from pydantic import BaseModel, ConfigDict, ValidationError

from chat_core import Sampling
from chat_core.errors import InvalidInput

from ..visitor import Visitor
from . import view
from .layout import Components
from .tab import TabState

# The value of each input by its component, as Gradio hands over a set of inputs.
Values = Mapping[Any, Any]

Model = TypeVar("Model", bound=BaseModel)


class Identity(BaseModel):
    """What the browser keeps: the visitor's id, the conversation that was open last, its time zone in minutes
    west of Greenwich, and the language that was chosen on the page, or ""."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    user_id: str = ""
    session_id: str = ""
    minutes_west: int = 0
    language: str = ""


class Draft(NamedTuple):
    """What the box holds: a text, and the paths of files that were uploaded."""

    text: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageRequest:
    """Who asks, what their tab shows, and what they have chosen and written. What is not among a listener's
    inputs has its default."""

    visitor: Visitor
    identity: Identity
    tab: TabState
    draft: Draft
    role: str
    model: str
    temperature: object
    max_tokens: object
    prompt: str
    query: str
    file: bytes

    def errors_shown(self) -> AbstractContextManager[None]:
        """As `Visitor.errors_shown`, with seconds that the page counts down."""
        return self.visitor.errors_shown(
            lambda language, error: view.error_html(language, error, time.time())
        )

    @property
    def sampling(self) -> Sampling:
        """Raises InvalidInput."""
        return Sampling.of(self.temperature, self.max_tokens)


class RequestParser:
    """Parses what the listeners of these components are sent."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def parse(self, values: Values, request: gr.Request) -> PageRequest:
        """Raises gr.Error, in the visitor's language, for values that no page sends."""
        c = self._components
        with Visitor.of(request).errors_shown():
            identity = _validated(Identity, values.get(c.identity), "identity")
            return PageRequest(
                visitor=Visitor.of(request, identity.user_id, identity.minutes_west, identity.language),
                identity=identity,
                tab=_validated(TabState, values.get(c.tab), "tab"),
                draft=_draft(values.get(c.box) or {}),
                role=_text("role", values.get(c.role)),
                model=_text("model", values.get(c.model)),
                temperature=values.get(c.temperature),
                max_tokens=values.get(c.length),
                prompt=_text("prompt", values.get(c.prompt)),
                query=_text("query", values.get(c.search)),
                file=values.get(c.import_file) or b"",
            )


def _validated(model: type[Model], value: Any, field: str) -> Model:
    try:
        return model.model_validate(value if value is not None else {})
    except ValidationError:
        raise InvalidInput(field, "what the page keeps") from None


def _draft(box: Any) -> Draft:
    try:
        return Draft(box.get("text") or "", tuple(str(file["path"]) for file in box.get("files") or ()))
    except (AttributeError, KeyError, TypeError):
        raise InvalidInput("message", "a text and files") from None


def _text(field: str, value: Any) -> str:
    if not isinstance(value or "", str):
        raise InvalidInput(field, "text")
    return value or ""
