"""Visitor: who asks, in which language, and how an error reaches them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gradio as gr

from chat_core import ChatError, Language, TurnError
from chat_core.validation import is_signed_in

from .address import address_of, is_at_the_machine
from .metrics import count_refusal
from .refusals import refer
from .texts import choose_language, error_text

_READING_SECONDS = 10.0


class Visitor(NamedTuple):
    """Whoever is behind a request."""

    user_id: str
    language: Language
    minutes_west: int = 0  # of Greenwich, as browsers count time zones
    address: str = ""
    is_operator: bool = False
    browser_id: str = ""  # what the browser keeps in place of a login's name

    @classmethod
    def of(cls, request: gr.Request, claimed: str = "", minutes_west: int = 0, chosen: str = "") -> "Visitor":
        """The login where there is one, whatever the client claims; else the id it claims, unless it is one
        of those who sign in. The language is the chosen one, or what the browser prefers."""
        language = choose_language(chosen or request.headers.get("accept-language") or "")
        west = minutes_west if abs(minutes_west) < 24 * 60 else 0
        if is_signed_in(claimed):
            claimed = ""
        user_id = request.username or getattr(request.state, "user", "") or claimed
        at_machine = is_at_the_machine(request.client, request.headers)
        return cls(user_id, language, west, address_of(request.client), at_machine, claimed)

    @property
    def kept_id(self) -> str:
        """What the browser is to keep: not the name of a login, which goes with the login."""
        return self.browser_id if is_signed_in(self.user_id) else self.user_id

    def error_text(self, error: ChatError | TurnError) -> str:
        """What went wrong, in words for this visitor."""
        return error_text(self.language, error, is_operator=self.is_operator)

    @contextmanager
    def errors_shown(self, words: Callable[[ChatError], str] | None = None) -> Iterator[None]:
        """A ChatError that is raised inside reaches the visitor as a sentence, which `words` makes of it."""
        try:
            yield
        except ChatError as error:
            count_refusal(error.code)
            refer(error)
            raise gr.Error(
                (words or self.error_text)(error),
                # Where it is known when trying again makes sense, the sentence stays until then.
                duration=float(error.facts.get("retry_after") or _READING_SECONDS),
                print_exception=False,
            ) from error
