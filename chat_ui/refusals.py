"""Refusals: what is answered to a request that is not passed on to Gradio, as a sentence for its reader."""

import logging
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import Scope

from chat_core import Language

from .texts import choose_language, t

log = logging.getLogger(__name__)


class Refusal(Exception):
    """A request is answered with this status and the text of that key. `headers` go with the answer."""

    def __init__(
        self, status: HTTPStatus, key: str, *, headers: dict[str, str] | None = None, **facts: object
    ) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.facts = facts
        self.headers = headers

    def answer(self, scope: Scope) -> JSONResponse:
        """The response, in the language of whoever sent the request."""
        log.debug("Refused a request: %s", self.key)
        sentence = t(reader_language(Headers(scope=scope)), self.key, **self.facts)
        body = {"detail": sentence, "code": self.key.removeprefix("error.")}
        return JSONResponse(body, self.status, self.headers)


def malformed(field: str, expected: str) -> Refusal:
    """What InvalidInput is to the core."""
    return Refusal(HTTPStatus.BAD_REQUEST, "error.invalid_input", field=field, expected=expected)


def reader_language(headers: Headers) -> Language:
    """The language that was chosen on the page (language.js), or what the browser prefers."""
    chosen = cookie_parser(headers.get("cookie", "")).get("language")
    return choose_language(chosen or headers.get("accept-language", ""))
