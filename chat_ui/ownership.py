"""Ownership: where people log in, what one of them has under way is nobody else's.

Gradio 6.31 takes whoever names the hash of a session, the id of an event or the path of a file for its owner
(`routes.py`: `queue_data`, `simple_predict_get`, `cancel_event`, `heartbeat`, `get_upload_progress`, `file`).
"""

import json
import re
from collections import OrderedDict
from http import HTTPStatus
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .bodies import file_paths, is_in_upload_folder, read_body, real_path

_PREFIX = "/gradio_api/"
_EVENT = re.compile(r"call/.+/(?P<id>[^/]+)/?")
_HEARTBEAT = re.compile(r"heartbeat/(?P<id>[^/]+)/?")
_FILE = re.compile(r"file=(?P<path>.+)", re.DOTALL)
# Of a value in a stream; a quotation mark within a text has a backslash before it.
_PUBLISHED = re.compile(rb'"path":("(?:[^"\\]|\\.)+")')

# What clients make up has some thirty characters.
_LONGEST_ID = 128
# Files are deleted after half an hour, and nobody goes back to a session that has gone as many others later.
_MOST_KNOWN = 20_000


class Owners:
    """Whose something is: the users of each name, as far as it was one of the latest."""

    def __init__(self, most: int = _MOST_KNOWN) -> None:
        self._most = most
        self._users: OrderedDict[str, set[str]] = OrderedDict()

    def of(self, name: str) -> set[str]:
        if name not in self._users:
            return set()
        self._users.move_to_end(name)
        return self._users[name]

    def add(self, name: str, user: str) -> None:
        self._users.setdefault(name, set()).add(user)
        self._users.move_to_end(name)
        if len(self._users) > self._most:
            self._users.popitem(last=False)


class Ownership:
    """ASGI middleware behind LoginRequired: what is somebody else's does not exist for a user. Ids that
    clients make up belong to whom uses them first; a file belongs to all who uploaded it or were shown it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ids = Owners()
        self._files = Owners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or not path.startswith(_PREFIX):
            await self._app(scope, receive, send)
            return
        user, route = scope["state"]["user"], path.removeprefix(_PREFIX)
        body = b""
        if scope["method"] == "POST" and route.rstrip("/") != "upload":
            receive, body = await read_body(receive)
        if not self._may(user, scope, route, _parsed(body)):
            refusal = JSONResponse({"detail": "Not found"}, HTTPStatus.NOT_FOUND)
            await refusal(scope, receive, send)
            return

        async def note(message: Message) -> None:
            if message["type"] == "http.response.body":
                self._note(user, route, message.get("body", b""))
            await send(message)

        has_news = scope["method"] == "POST" or route.startswith("queue/data")
        await self._app(scope, receive, note if has_news else send)

    def _may(self, user: str, scope: Scope, route: str, body: Any) -> bool:
        """Whether nothing that the request names is somebody else's."""
        query = QueryParams(scope["query_string"])
        fields = body if isinstance(body, dict) else {}
        heartbeat, event, file = (pattern.fullmatch(route) for pattern in (_HEARTBEAT, _EVENT, _FILE))
        chosen = [query.get("session_hash"), query.get("upload_id"), fields.get("session_hash")]
        chosen += [heartbeat["id"]] if heartbeat else []
        given = [fields.get("event_id"), event["id"] if event else None]
        files = [file["path"]] if file else []
        return (
            all(self._claim(user, name) for name in chosen if isinstance(name, str))
            and all(self._is_nobody_elses(user, name) for name in given if isinstance(name, str))
            and all(
                isinstance(path, str) and self._may_read(user, path) for path in (*files, *file_paths(body))
            )
        )

    def _claim(self, user: str, name: str) -> bool:
        if len(name) > _LONGEST_ID or not self._is_nobody_elses(user, name):
            return False
        self._ids.add(name, user)
        return True

    def _is_nobody_elses(self, user: str, name: str) -> bool:
        return self._ids.of(name) <= {user}

    def _may_read(self, user: str, path: str) -> bool:
        """Gradio decides about files that nobody uploaded."""
        return not is_in_upload_folder(path) or user in self._files.of(real_path(path))

    def _note(self, user: str, route: str, answer: bytes) -> None:
        """Remembers what was made for the user: an event, files that they uploaded, files that they are
        shown."""
        if route.startswith("queue/data"):
            for found in _PUBLISHED.finditer(answer):
                self._files.add(real_path(json.loads(found[1])), user)
            return
        known = _parsed(answer) if len(answer) < _LONGEST_ANSWER else None
        if route.startswith("upload") and isinstance(known, list):
            for path in known:
                self._files.add(real_path(str(path)), user)
        elif isinstance(known, dict) and isinstance(event_id := known.get("event_id"), str):
            self._ids.add(event_id, user)


# The paths of a hundred files; what endpoints are asked for comes by streams.
_LONGEST_ANSWER = 100_000


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # Gradio will say so
        return None
