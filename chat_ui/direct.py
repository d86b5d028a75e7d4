"""Direct calls: endpoints that do not stream, answered within the request that asks, without Gradio's queue.

Gradio's own route for it (`routes.py`: `predict`) would answer what is refused with status 500.
"""

import inspect
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from chat_core import ChatError
from chat_core import errors as core

from .login import logged_in_user
from .refusals import Refusal

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


def add_direct_calls(app: FastAPI, demo: gr.Blocks) -> None:
    """Routes "/gradio_api/run/NAME" for the endpoints of `demo` that answer once. What is sent has been
    checked, and is an object with the endpoint's parameters (see calls.py)."""
    for listener in demo.fns.values():
        function = listener.fn
        if function and listener.api_visibility == "public" and not inspect.isasyncgenfunction(function):
            path = f"/gradio_api/run/{listener.api_name}"
            app.add_api_route(path, partial(_answer, function), methods=["POST"])


async def _answer(function: Callable[..., Any], request: Request) -> Response:
    given = await request.json()
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.annotation is gr.Request:
            given[name] = gr.Request(request, username=logged_in_user(request))
    try:
        return JSONResponse({"data": [await function(**given)]})
    except gr.Error as error:
        cause = error.__cause__
        if not isinstance(cause, ChatError):
            raise
        wait = cause.facts.get("retry_after")
        headers = {"retry-after": f"{float(wait):.0f}"} if wait else None
        facts = {name: value for name, value in cause.facts.items() if name != "key"}
        return Refusal(status_of(cause), f"error.{cause.code}", headers=headers, **facts).answer(
            request.scope
        )
