"""Calls: what a request to Gradio has to look like before Gradio sees it.

Gradio 6.31 looks for functions, sessions and parameters where a request says they are, and fails with a
traceback and status 500, or in the middle of a stream, when they are not there (`routes.py`: `queue_join`,
`simple_predict_post`, `queue_data_helper`; `blocks.py`: `validate_inputs`, which logs what was sent). So it
does with an address that cannot be one (`route_utils.py`: `get_request_origin`) or a file's
(`routes.py`: `static_resource`).
"""

import inspect
import json
import os
import re
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

import gradio as gr
import httpx
from gradio.block_function import BlockFunction
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .bodies import file_paths, is_in_upload_folder, read_body, received_first
from .refusals import Refusal, malformed

_PREFIX = "/gradio_api/"
_NAMED = re.compile(r"call/(?P<v2>v2/)?(?P<name>[^/]+)")
_DIRECT = re.compile(r"run/(?P<name>[^/]+)")
_ANSWER = re.compile(r"call/(v2/)?(?P<name>[^/]+)/(?P<event_id>[^/]+)")

# What no file system has a name for.
_NO_NAME = re.compile(rb"[\0-\x1f\x7f]|[^/]{256}")

# Of whom an address may come besides the request itself, and what stands before it there.
_ADDRESSES = {"x-forwarded-host": "http://", "x-gradio-server": ""}

# What clients make up has some thirty characters.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]


class Form(BaseModel):
    """What a request holds; Gradio looks at nothing else of it, or ignores it."""

    model_config = ConfigDict(strict=True)


class NamedCall(Form):
    """A call of an endpoint by its name, with its values in their order."""

    data: list[Any]
    session_hash: Name | None = None
    oauth_token: str | None = None


class IndexedCall(NamedCall):
    """A call of a listener or an endpoint by its index, as Gradio's page and its client send it."""

    session_hash: Name
    fn_index: int
    trigger_id: int | None = None
    event_id: str | None = None
    event_data: Any = None
    batched: Literal[False] | None = None
    simple_format: bool = False


class Cancel(Form):
    """The end of a call, as whoever sent it asks for it."""

    session_hash: Name
    fn_index: int
    event_id: Name


class Reset(Form):
    """What clients send beside Cancel; it changes nothing."""

    event_id: Name


_NAME = "1 to 128 letters, digits, _ or -"
_EXPECTED = {
    "session_hash": _NAME,
    "event_id": _NAME,
    "fn_index": "a whole number",
    "trigger_id": "a whole number",
    "data": "a list of values",
}

Parsed = TypeVar("Parsed")


class PossibleAddresses:
    """ASGI middleware that refuses, with a sentence, requests for what cannot be there, and those that claim
    to come by an address that cannot be one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                _check_address(scope)
            except Refusal as refusal:
                await refusal.answer(scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class WellFormedCalls:
    """ASGI middleware that refuses, with a sentence, calls of what does not exist and calls that no client
    sends. A body may have `most_bytes`."""

    def __init__(self, app: ASGIApp, demo: gr.Blocks, *, most_bytes: int) -> None:
        self._app = app
        self._demo = demo
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", "")).rstrip("/")
        if scope["type"] == "http" and path.startswith(_PREFIX):
            try:
                receive = await self._checked(scope, receive, path.removeprefix(_PREFIX))
            except Refusal as refusal:
                await refusal.answer(scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, route: str) -> Receive:
        """What the app is to receive. Raises Refusal."""
        if scope["method"] == "GET":
            self._check_stream(scope, route)
        if scope["method"] != "POST" or route == "upload":
            return receive
        if not Headers(scope=scope).get("content-type", "").lower().startswith("application/json"):
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "json_needed")
        receive, body = await read_body(receive, self._most_bytes)
        if len(body) > self._most_bytes:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "call_too_large")
        checked = self._check_call(route, body)
        return (
            receive if checked is body else received_first({"type": "http.request", "body": checked}, receive)
        )

    def _check_stream(self, scope: Scope, route: str) -> None:
        """One that does not exist would break off where it begins."""
        if answer := _ANSWER.fullmatch(route):
            if not self._is_under_way(answer["event_id"]):
                raise _not_found("the call")
        elif route == "queue/data":
            session = QueryParams(scope["query_string"]).get("session_hash")
            if session not in self._demo._queue.pending_messages_per_session:
                raise _not_found("session_hash")

    def _is_under_way(self, event_id: str) -> bool:
        queue = self._demo._queue
        unfinished = queue.pending_event_ids_session.values()
        return event_id in queue.event_ids_to_events or any(event_id in ids for ids in unfinished)

    def _check_call(self, route: str, body: bytes) -> bytes:
        """The body that the app is to have: that of a call by name holds a list of all values."""
        if route == "queue/join":
            call = _parsed(_INDEXED_CALL, body)
            _check_values(call.data, self._listener(call.fn_index))
            self._check_files([call.data, call.event_data])
        elif route == "cancel":
            _parsed(_CANCEL, body)
        elif route == "reset":
            _parsed(_RESET, body)
        elif direct := _DIRECT.fullmatch(route):
            return self._by_name(body, self._endpoint(direct["name"]))
        elif named := _NAMED.fullmatch(route):
            endpoint = self._endpoint(named["name"])
            if named["v2"]:
                parameters = _parsed(_PARAMETERS, body)
                _check_parameters(parameters, endpoint)
                self._check_files(parameters)
                data = [
                    parameters.get(parameter.name, parameter.default) for parameter in _parameters(endpoint)
                ]
                return json.dumps({"data": data}).encode()
            counted = _parsed(_NAMED_CALL, body)
            left_out = _defaults(_parameters(endpoint)[len(counted.data) :])
            counted.data += left_out
            _check_values(counted.data, endpoint)
            self._check_files(counted.data)
            return counted.model_dump_json(exclude_unset=True).encode() if left_out else body
        return body

    def _by_name(self, body: bytes, endpoint: BlockFunction) -> bytes:
        """The parameters of a direct call by their names; they may have been given in their order."""
        if inspect.isasyncgenfunction(endpoint.fn):
            raise Refusal(HTTPStatus.NOT_FOUND, "streams_only", name=endpoint.api_name)
        parameters = _parsed(_PARAMETERS, body)
        if isinstance(parameters.get("data"), list):
            names = [parameter.name for parameter in _parameters(endpoint)]
            if len(parameters["data"]) > len(names):
                raise malformed("data", f"a list of {len(names)} values")
            parameters = dict(zip(names, parameters["data"], strict=False))
        _check_parameters(parameters, endpoint)
        self._check_files(parameters)
        parameters.pop("oauth_token", None)
        return json.dumps(parameters).encode()

    def _listener(self, index: int) -> BlockFunction:
        function = self._demo.fns.get(index)
        if function is None or function.fn is None:  # without one it is a script of the page's
            raise _not_found("fn_index")
        return function

    def _endpoint(self, name: str) -> BlockFunction:
        for function in self._demo.fns.values():
            if (function.api_name, function.api_visibility) == (name, "public"):
                return function
        raise _not_found("the endpoint")

    def _check_files(self, value: Any) -> None:
        """A file that is named has to be one that was uploaded, and not long ago."""
        for path in file_paths(value):
            if not (isinstance(path, str) and is_in_upload_folder(path)):
                raise malformed("path", "that of a file that was uploaded")
            if not os.path.isfile(path):
                raise Refusal(HTTPStatus.NOT_FOUND, "file_gone")


def _check_address(scope: Scope) -> None:
    if _NO_NAME.search(scope["path"].encode()):
        raise _not_found("the address")
    headers = Headers(scope=scope)
    for name, before in _ADDRESSES.items():
        first = headers.get(name, "").partition(",")[0].strip()
        if not _is_address(before + first):
            raise malformed(name, "an address")


@lru_cache(maxsize=100)
def _is_address(text: str) -> bool:
    try:
        httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return True


_INDEXED_CALL, _NAMED_CALL = TypeAdapter(IndexedCall), TypeAdapter(NamedCall)
_CANCEL, _RESET = TypeAdapter(Cancel), TypeAdapter(Reset)
_PARAMETERS = TypeAdapter(dict[str, Any])


def _parsed(form: TypeAdapter[Parsed], body: bytes) -> Parsed:
    try:
        return form.validate_json(body)
    except ValidationError as error:
        place = error.errors(include_input=False, include_url=False)[0]["loc"]
    field = str(place[0]) if place else "the request's body"
    raise malformed(field, _EXPECTED.get(field, "valid, or left out") if place else "a JSON object in UTF-8")


def _check_values(data: list[Any], function: BlockFunction) -> None:
    if len(data) != len(function.inputs):
        raise malformed("data", f"a list of {len(function.inputs)} values")
    for component, value in zip(function.inputs, data, strict=True):
        model = getattr(component, "data_model", None)
        if model and value is not None:
            try:
                model.model_validate(value, context={"validate_meta": True})
            except ValidationError:
                raise malformed("data", f"what a {component.get_block_name()} sends") from None


@cache
def _parameters(function: BlockFunction) -> list[inspect.Parameter]:
    assert function.fn is not None
    named = inspect.signature(function.fn).parameters.values()
    return [parameter for parameter in named if parameter.annotation is not gr.Request]


def _defaults(parameters: list[inspect.Parameter]) -> list[Any]:
    """Their values when they are left out; none if one of them must not be."""
    values = [parameter.default for parameter in parameters]
    return [] if inspect.Parameter.empty in values else values


def _check_parameters(given: dict[str, Any], function: BlockFunction) -> None:
    """Those of a call by their names."""
    parameters = _parameters(function)
    if unknown := given.keys() - {parameter.name for parameter in parameters} - {"oauth_token"}:
        names = ", ".join(parameter.name for parameter in parameters) or "none"
        raise malformed(f"{len(unknown)} parameter(s)", f"among those that there are: {names}")
    for parameter in parameters:
        if parameter.name not in given and parameter.default is parameter.empty:
            raise malformed(parameter.name, "given")


def _not_found(what: str) -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, "error.invalid_input", field=what, expected="one that there is")


async def refuse_query(request: Request, error: Exception) -> Response:
    """Answers a request whose address lacks something or holds what it should not. FastAPI itself would
    repeat it."""
    return malformed("the address", "complete and valid").answer(request.scope)
