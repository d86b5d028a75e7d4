"""Who asks, in which language, and how an error reaches them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import gradio as gr

from chat_core import ChatError, Language

from .texts import choose_language, explain

_READING_SECONDS = 10.0


class Visitor(NamedTuple):
    """Whoever is behind a request."""

    user_id: str
    language: Language
    minutes_west: int = 0  # of Greenwich, as browsers count time zones

    @classmethod
    def of(
        cls, request: gr.Request, claimed: str, minutes_west: object = 0, chosen: object = ""
    ) -> "Visitor":
        """The login where there is one, whatever the client claims; else the id it claims. The language is
        the chosen one, or what the browser prefers."""
        language = choose_language(str(chosen or request.headers.get("accept-language") or ""))
        west = minutes_west if isinstance(minutes_west, int) and abs(minutes_west) < 24 * 60 else 0
        return cls(str(request.username) if request.username else claimed, language, west)

    @contextmanager
    def told(self, explain: Callable[[Language, ChatError], str] = explain) -> Iterator[None]:
        """What the core says went wrong inside reaches the visitor as a sentence."""
        try:
            yield
        except ChatError as error:
            raise gr.Error(
                explain(self.language, error),
                # Where it is known when trying again makes sense, the sentence stays until then.
                duration=float(error.facts.get("retry_after") or _READING_SECONDS),
                print_exception=False,
            ) from error
