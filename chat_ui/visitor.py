"""Who asks, in which language, and how an error reaches them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gradio as gr

from chat_core import ChatError, Language

from .texts import choose_language, explain, say


class Visitor(NamedTuple):
    """Whoever is behind a request."""

    user_id: str
    language: Language
    minutes_west: int = 0  # of Greenwich, as browsers count time zones

    @classmethod
    def of(cls, request: gr.Request, claimed: str, minutes_west: object = 0) -> "Visitor":
        """The login where there is one, whatever the client claims; else the id it claims."""
        language = choose_language(request.headers.get("accept-language") or "")
        west = minutes_west if isinstance(minutes_west, int) and abs(minutes_west) < 24 * 60 else 0
        return cls(str(request.username) if request.username else claimed, language, west)

    @contextmanager
    def told(self) -> Iterator[None]:
        """What the core says went wrong inside reaches the visitor as a sentence."""
        try:
            yield
        except ChatError as error:
            raise gr.Error(
                explain(self.language, error),
                title=say(self.language, "error"),
                print_exception=False,
            ) from error
