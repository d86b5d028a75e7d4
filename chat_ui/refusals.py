"""Refusals: what is answered to a request that is not passed on to Gradio, as a sentence for its reader."""

import logging
import secrets
import time
from collections import Counter
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import Scope

from chat_core import ChatError, Language
from chat_core import errors as core

from .metrics import count_refusal
from .texts import choose_language, joined, t

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
        code = self.key.removeprefix("error.")
        if self.status == HTTPStatus.TOO_MANY_REQUESTS and not self.key.startswith("error."):
            count_refusal(self.key)
        language = reader_language(Headers(scope=scope))
        sentences = [t(language, self.key, **self.facts)]
        body = {"code": code}
        reference = self.facts.get("reference")
        if self.status in _TOLD_WITH_REFERENCE:
            reference = reference or _new_reference(code, self.status)
        if reference:
            sentences.append(t(language, "reference", reference=reference))
            body["reference"] = str(reference)
        return JSONResponse({"detail": joined(language, sentences), **body}, self.status, self.headers)


def refer(error: ChatError) -> None:
    """Gives the error a reference that the log has too, unless it says by itself what is wrong: with a value
    that a program has sent, or that something is not there, which is to look the same whyever it is not."""
    status = status_of(error)
    if status in _TOLD_WITH_REFERENCE or isinstance(error, _TOO_LARGE):
        error.facts["reference"] = _new_reference(error.code, status)


def _new_reference(code: str, status: HTTPStatus) -> str:
    reference = secrets.token_hex(4)
    level = logging.WARNING if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    minute = int(time.monotonic() // 60)
    if minute not in _lines:
        _lines.clear()
    _lines[minute] += 1
    if _lines[minute] <= _LINES_A_MINUTE:
        log.log(level, "request %s was refused: %s", reference, code)
    return reference


# A flood of requests must not fill the log.
_LINES_A_MINUTE = 100
_lines: Counter[int] = Counter()  # by the minute


_TOLD_WITH_REFERENCE = (
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_TOO_LARGE = (core.MessageTooLong, core.ImageTooLarge, core.TooManyImages)


# The statuses of errors, of which the first that fits counts; any other is a failure of the app.
_STATUSES: dict[type[ChatError], HTTPStatus] = {
    core.InvalidInput: HTTPStatus.BAD_REQUEST,
    core.SessionNotFound: HTTPStatus.NOT_FOUND,
    core.TurnNotFound: HTTPStatus.NOT_FOUND,
    core.MessageNotFound: HTTPStatus.NOT_FOUND,
    core.NoteNotFound: HTTPStatus.NOT_FOUND,
    core.ShareNotFound: HTTPStatus.NOT_FOUND,
    core.SessionBusy: HTTPStatus.CONFLICT,
    core.SessionChanged: HTTPStatus.CONFLICT,
    core.NothingToContinue: HTTPStatus.CONFLICT,
    core.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    core.TooManyReplies: HTTPStatus.TOO_MANY_REQUESTS,
    core.TokensUsedUp: HTTPStatus.TOO_MANY_REQUESTS,
    core.ShuttingDown: HTTPStatus.SERVICE_UNAVAILABLE,
    core.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: ChatError) -> HTTPStatus:
    """The HTTP status of an answer that tells of this error."""
    found = (status for kind, status in _STATUSES.items() if isinstance(error, kind))
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def malformed(field: str, expected: str) -> Refusal:
    """What InvalidInput is to the core."""
    return Refusal(HTTPStatus.BAD_REQUEST, "error.invalid_input", field=field, expected=expected)


def reader_language(headers: Headers) -> Language:
    """The language that was chosen on the page (language.js), or what the browser prefers."""
    chosen = cookie_parser(headers.get("cookie", "")).get("language")
    return choose_language(chosen or headers.get("accept-language", ""))
