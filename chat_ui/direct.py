"""Direct calls: endpoints that do not stream, answered within the request that asks, without Gradio's queue.

Gradio's own route for it (`routes.py`: `predict`) would answer what is refused with status 500.
"""

import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from chat_core import ChatError
from chat_core.slices import next_slice

from .login import logged_in_user
from .refusals import Refusal, status_of


def add_direct_calls(app: FastAPI, demo: gr.Blocks) -> None:
    """The route "/gradio_api/run/NAME" for the endpoints of `demo` that answer once. What is sent has been
    checked: it names one of them, and is an object with its parameters (see calls.py)."""
    functions: dict[str, Callable[..., Any]] = {
        str(listener.api_name): listener.fn
        for listener in demo.fns.values()
        if listener.fn and listener.api_visibility == "public" and not inspect.isasyncgenfunction(listener.fn)
    }

    # One route, for every request is compared with all that there are.
    @app.post("/gradio_api/run/{name}")
    async def run(name: str, request: Request) -> Response:
        return await _answer(functions[name], request)


async def _answer(function: Callable[..., Any], request: Request) -> Response:
    given = await request.json()
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.annotation is gr.Request:
            given[name] = gr.Request(request, username=logged_in_user(request))
    try:
        answer = await function(**given)
        await next_slice()  # it may be as long as a conversation
        return JSONResponse({"data": [answer]})
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
