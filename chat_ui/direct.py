"""Direct calls: endpoints that do not stream, answered within the request that asks, without Gradio's queue.

Gradio's own route for it (`routes.py`: `predict`) would answer what is refused with status 500.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from chat_core import ChatError

from .login import logged_in_user
from .refusals import Refusal, status_of


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
