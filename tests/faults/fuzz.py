"""Calls that no client sends: every listener and every endpoint, with whatever Hypothesis thinks of.

A stranger calls, over HTTP, and knows the id of somebody's conversation, but not who they are.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.running import RunningApp

Json = dict[str, Any]

STRANGER = "u_stranger-" + "s" * 24
SECRET = "What only the owner of the conversation may read."
# What must not be in a log or a refusal.
KEY = "sk-secret-of-the-owner"
MOST_SECONDS = 1.0

_RISKY = ("", " ", "\x00", "\ud800", "a\x00b", "../../etc/passwd", "{x}", "u:1}", "9" * 400, "x" * 200_000)
_NESTED = 300
_ADDRESSES = ("example.org", "[::1]:80", "a:b:c", "[", "名前", "http://[x", "x" * 5000, "a b", "")


@dataclass
class Call:
    """A request, and which of the app's functions it means."""

    path: str
    body: Any
    raw: bytes | None = None
    headers: Json = field(default_factory=dict)
    method: str = "POST"

    @property
    def content(self) -> bytes:
        return json.dumps(self.body).encode() if self.raw is None else self.raw


class Owner:
    """Somebody who has a conversation, and asks for it now and then; with a `user_id`, the stranger."""

    def __init__(self, http: httpx2.Client, user_id: str = "") -> None:
        self._http = http
        started = self._call("start_chat", user_id=user_id)
        self.user_id, self.session_id = started["user_id"], started["session_id"]
        self._call("chat", message=SECRET if not user_id else "Hello")
        self.before = self.history()

    def history(self) -> Json:
        return self._call("history")

    def is_served(self) -> bool:
        """Whether the conversation is as it was, and came at once."""
        began = time.monotonic()
        return self.history() == self.before and time.monotonic() - began <= MOST_SECONDS

    def gets_a_reply(self) -> bool:
        """Whether a first message is answered at once."""
        began = time.monotonic()
        started = self._call("start_chat")
        conversation = {"user_id": started["user_id"], "session_id": started["session_id"]}
        return "Hello" in self._call("chat", message="Hello", **conversation) and (
            time.monotonic() - began <= MOST_SECONDS
        )

    def _call(self, endpoint: str, **values: str) -> Any:
        if hasattr(self, "session_id") and endpoint != "start_chat":
            values = {"user_id": self.user_id, "session_id": self.session_id, **values}
        event_id = self._http.post(f"call/v2/{endpoint}", json=values).json()["event_id"]
        lines = self._http.get(f"call/{endpoint}/{event_id}").text.splitlines()
        found = [line for line in lines if line.startswith("data: ") and line != "data: null"]
        return json.loads(found[-1].removeprefix("data: "))[0]


class Target:
    """What there is to be called, and with what a client would call it."""

    def __init__(self, http: httpx2.Client, app: RunningApp, owner: Owner) -> None:
        self._config: Json = http.get(f"{app.url}/config").json()
        self._endpoints: Json = http.get("info").json()["named_endpoints"]
        self._types = {component["id"]: component["type"] for component in self._config["components"]}
        self._owner = owner
        self._own = Owner(http, STRANGER)

    @cached_property
    def ids(self) -> st.SearchStrategy[Any]:
        known = (STRANGER, self._own.session_id, self._owner.session_id, "", "no-such-id", "assistant")
        return st.integers(0, 7).flatmap(lambda chance: st.sampled_from(known if chance else _RISKY))

    @cached_property
    def values(self) -> st.SearchStrategy[Any]:
        """JSON, surrogates, NUL and ids included."""
        leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | self.ids
        keys = st.sampled_from(("user_id", "session_id", "text", "files", "path", "index", "value", "x"))
        return st.recursive(
            leaves,
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
            max_leaves=8,
        ) | st.just(_NESTED).map(_nested)

    @cached_property
    def calls(self) -> st.SearchStrategy[Call]:
        return st.one_of(
            self._by_name(),
            self._by_parameters("call/v2"),
            self._by_parameters("run"),
            self._by_index(),
            self._by_index(),
            self._odd(),
            self._nowhere(),
        )

    def _by_name(self) -> st.SearchStrategy[Call]:
        def call(name: str) -> st.SearchStrategy[Call]:
            count = len(self._endpoints[name]["parameters"])
            usual = st.tuples(*[self._mostly(self.ids)] * count).map(list)
            data = usual | st.lists(self.values, max_size=8)
            return st.builds(lambda data: Call(f"call{name}", {"data": data}), data)

        return st.sampled_from(sorted(self._endpoints)).flatmap(call)

    def _by_parameters(self, path: str) -> st.SearchStrategy[Call]:
        def call(name: str) -> st.SearchStrategy[Call]:
            names = [parameter["parameter_name"] for parameter in self._endpoints[name]["parameters"]]
            usual = st.fixed_dictionaries({name: self._mostly(self.ids) for name in names})
            odd = st.dictionaries(st.sampled_from([*names, "x"]), self.values, max_size=4)
            return st.builds(lambda body: Call(f"{path}{name}", body), usual | odd)

        return st.sampled_from(sorted(self._endpoints)).flatmap(call)

    def _by_index(self) -> st.SearchStrategy[Call]:
        def call(listener: Json) -> st.SearchStrategy[Call]:
            usual = [self._mostly(self._usual(self._types[place])) for place in listener["inputs"]]
            data = st.tuples(*usual).map(list)
            session = st.just(uuid4().hex)
            return st.builds(
                _joined,
                data=st.one_of(data, data, data, st.lists(self.values, max_size=9), self.values),
                event_data=self._events() | self.values,
                fn_index=st.just(listener["id"]) | st.integers(-1, 400) | self.values,
                trigger_id=st.none() | st.integers(-1, 200) | self.values,
                session_hash=st.one_of(session, session, session, self.values),
            ) | st.builds(
                _joined,
                data=data,
                event_data=self._events() | self.values,
                fn_index=st.just(listener["id"]),
                trigger_id=st.sampled_from([target[0] for target in listener["targets"]] or [None]),
                session_hash=session,
            )

        return st.sampled_from(self._config["dependencies"]).flatmap(call)

    def _mostly(self, usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.integers(0, 15).flatmap(lambda chance: usual if chance else self.values)

    def _usual(self, kind: str) -> st.SearchStrategy[Any]:
        """What a component of that type has as its value."""
        match kind:
            case "browserstate":
                ids = {"user_id": st.just(STRANGER) | self.ids, "session_id": self.ids}
                return st.fixed_dictionaries(ids)
            case "json":
                count = self._mostly(st.integers(0, 50))
                tab = {"session_id": self.ids, "turn_id": self.ids, "window": count, "fingerprint": self.ids}
                return st.fixed_dictionaries({}, optional={**tab, "temporary": st.booleans()})
            case "multimodaltextbox":
                path = st.sampled_from(("/etc/passwd", "http://127.0.0.1:1/x.png", "x")) | self.values
                files = st.lists(st.fixed_dictionaries({"path": path}) | self.values, max_size=2)
                return st.fixed_dictionaries({"text": st.just("Hello") | self.ids, "files": files})
            case "number":
                return st.none() | st.floats(0, 2) | st.integers()
            case _:
                return self.ids

    def _events(self) -> st.SearchStrategy[Any]:
        index = st.integers(-2, 3) | st.lists(st.integers(-2, 3), max_size=2) | self.values
        fields = {"session_id": self.ids, "title": self.ids, "pinned": st.booleans(), "index": index}
        value = st.just({"text": "Hello"}) | self.ids | st.just("a 1") | st.just("retry") | self.values
        return st.fixed_dictionaries({}, optional={**fields, "value": value, "liked": st.booleans()})

    def _odd(self) -> st.SearchStrategy[Call]:
        """Requests that are no calls, or hardly."""
        path = st.sampled_from(
            (
                "queue/join",
                "call/chat",
                "call/v2/chat",
                "call/none",
                "call/send",
                "run/chat",
                "cancel",
                "reset",
                "upload",
            )
        )
        body = st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("session_hash", "fn_index", "event_id", "data"), self.values)
        )
        kinds = st.sampled_from(("application/json", "text/plain", "multipart/form-data; boundary=x", ""))
        raw = st.binary(max_size=40) | self.values.map(lambda value: json.dumps(value).encode())
        headers = st.builds(lambda kind: {"content-type": kind}, kinds)
        return st.builds(Call, path, body | self.values) | st.builds(
            Call, path, st.none(), raw=raw, headers=headers
        )

    def _nowhere(self) -> st.SearchStrategy[Call]:
        """Of addresses that are none, by the request's line or its headers."""
        folders = (
            "../assets/",
            "../static/",
            "file=",
            "call/chat/",
            "queue/data?session_hash=",
        )
        names = (st.text(max_size=20) | self.ids).map(lambda name: quote(name, errors="surrogatepass"))
        paths = st.builds("".join, st.tuples(st.sampled_from(folders), names))
        headers = st.dictionaries(
            st.sampled_from(("x-forwarded-host", "x-gradio-server", "x-forwarded-proto", "range", "cookie")),
            st.sampled_from(_ADDRESSES).map(str.encode),
            max_size=2,
        )
        known = st.sampled_from(("../config", "info", "../theme.css", "../healthz"))
        return st.builds(lambda path, headers: Call(path, None, b"", headers, "GET"), paths | known, headers)


def _joined(**body: Any) -> Call:
    return Call("queue/join", body)


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


class Fuzzer:
    """Sends calls and looks at what comes back, and at what is logged."""

    def __init__(self, app: RunningApp, http: httpx2.Client, owner: Owner) -> None:
        self._app = app
        self._http = http
        self._owner = owner
        self._seen = len(app.lines)
        self.statuses: Counter[str] = Counter()

    def send(self, call: Call) -> None:
        """Raises AssertionError if the app does not deal with it as it should."""
        headers = {"content-type": "application/json", **call.headers}
        answer = self._http.request(call.method, call.path, content=call.content, headers=headers)
        self.statuses[f"{answer.status_code}"] += 1
        if answer.status_code == 200:
            for line in self._told(call, answer):
                self._check_told(line)
        else:
            assert 400 <= answer.status_code < 500, answer.text
            assert _is_sentence(answer.text), answer.text
            self._check_text(answer.text)
        self._check_log()

    def _told(self, call: Call, answer: httpx2.Response) -> Iterator[str]:
        if call.path == "queue/join":
            session = json.loads(call.content)["session_hash"]
            yield from self._stream(f"queue/data?session_hash={session}")
        elif call.path.startswith("call/"):
            name = call.path.rpartition("/")[2]
            yield from self._stream(f"call/{name}/{answer.json()['event_id']}")
        else:
            self._check_text(answer.text)

    def _stream(self, path: str) -> Iterator[str]:
        with self._http.stream("GET", path) as stream:
            assert stream.status_code == 200
            kind = ""
            for line in stream.iter_lines():
                kind = line if line.startswith("event: ") else kind
                if line.startswith("data: "):
                    yield f"{kind} {line}"

    def _check_told(self, line: str) -> None:
        self._check_text(line, refusal=False)
        told = json.loads(line.partition("data: ")[2])
        failure = told if line.startswith("event: error") else None
        if isinstance(told, dict) and told.get("success") is False:
            failure = told["output"]
        if failure is not None:
            self.statuses["refused later"] += 1
            assert isinstance(failure["error"], str), line
            assert failure["error"], line
            for blamed in ("inside the app", "store does not answer"):
                assert blamed not in failure["error"], line
            self._check_text(line)

    def _check_text(self, text: str, *, refusal: bool = True) -> None:
        for hidden in (SECRET, self._owner.user_id, KEY, *([STRANGER] if refusal else [])):
            assert hidden not in text, text[:500]

    def _check_log(self) -> None:
        seen, self._seen = self._seen, len(self._app.lines)
        new = "".join(self._app.lines[seen : self._seen])
        assert "Traceback" not in new, new
        for hidden in (SECRET, self._owner.user_id, self._owner.session_id, STRANGER, KEY):
            assert hidden not in new, new


def _is_sentence(text: str) -> bool:
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, TypeError):
        detail = text
    return isinstance(detail, str) and bool(re.search(r"\w\w", detail))


def fuzz(app: RunningApp, calls: int) -> Counter[str]:
    """So many calls, always the same; how they were answered. Raises AssertionError."""
    with httpx2.Client(base_url=f"{app.url}/gradio_api/", timeout=10) as http:
        owner = Owner(http)
        fuzzer, target = Fuzzer(app, http, owner), Target(http, app, owner)

        @settings(
            max_examples=calls,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.calls)
        def send(call: Call) -> None:
            fuzzer.send(call)
            if sum(fuzzer.statuses.values()) % 100 == 0:
                assert owner.is_served()

        send()
        assert owner.is_served()
        assert owner.gets_a_reply()
        assert not re.search(r"Traceback", app.log)
    return fuzzer.statuses
