"""A scripted OpenAI-compatible server on loopback: real HTTP, no model.

In a test, say what comes next and look at what was asked:

    async with FakeOpenAI() as server:
        server.answers.append(stream(text("Hel"), gate, text("lo"), finish(), DONE))
        ...  # talk to server.base_url; gate.set() lets the second piece out
        (request,) = server.requests

In a process of its own, `python -m tests.fake_openai --port 0 --rate 30` prints its base URL and echoes;
a keyword like `[[cut]]` in the user's latest message selects another script, see `KEYWORDS`.
"""

import argparse
import asyncio
import base64
import email.policy
import gzip
import itertools
import json
import re
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from enum import Enum
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Any, Self, cast

import PIL.Image
from anyio.from_thread import start_blocking_portal


class Ending(Enum):
    """Ways to end a response before its end."""

    CUT = "close the connection"
    RESET = "break the connection so that the client's system reports an error"
    STALL = "send nothing more until the client closes the connection"


CUT, RESET, STALL = Ending

Step = bytes | float | asyncio.Event | Ending
"""Bytes are sent as they are, a number is a pause in seconds, an event is waited for."""


@dataclass(frozen=True)
class Answer:
    """One response: the head (none for status 0), then `steps` in order. Without `chunked` the body ends
    with the connection."""

    steps: Iterable[Step]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    chunked: bool = True


# Steps of a stream


def event(data: Mapping[str, Any] | str) -> bytes:
    """A server-sent event."""
    return f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)}\n\n".encode()


def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
    """A chat completion chunk with one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return event({"id": "fake", "object": "chat.completion.chunk", "model": "fake", "choices": [choice]})


def text(piece: str) -> bytes:
    return chunk({"content": piece})


def reasoning(piece: str, key: str = "reasoning_content") -> bytes:
    return chunk({key: piece})


def finish(reason: str = "stop") -> bytes:
    return chunk({}, reason)


def usage(prompt_tokens: int, completion_tokens: int) -> bytes:
    total = prompt_tokens + completion_tokens
    counts = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}
    return event({"id": "fake", "object": "chat.completion.chunk", "choices": [], "usage": counts})


DONE = event("[DONE]")
KEEP_ALIVE = b": keep-alive\n\n"


def failure(message: str, **facts: Any) -> bytes:
    """An error object where a chunk was expected."""
    return event({"error": {"message": message, **facts}})


def paced(steps: Iterable[Step], rate: float) -> Iterator[Step]:
    """The same with a pause after each step, `rate` steps a second."""
    for step in steps:
        yield step
        yield 1 / rate


# Answers


def stream(*steps: Step, chunked: bool = True) -> Answer:
    return Answer(steps, chunked=chunked)


def reply(*pieces: str) -> Answer:
    """A whole reply without fault."""
    return stream(*map(text, pieces), finish(), usage(7, len(pieces)), DONE)


def gzipped(*steps: bytes) -> Answer:
    """The same, compressed as a whole, whether or not the client asked for it."""
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    return Answer([gzip.compress(b"".join(steps))], headers=headers)


def page(body: str, status: int = 200, content_type: str = "text/html", retry_after: str = "") -> Answer:
    """Something that is not a stream at all."""
    headers = {"content-type": content_type} | ({"retry-after": retry_after} if retry_after else {})
    return Answer([body.encode()], status, headers)


def as_json(data: Any, status: int = 200, retry_after: str = "") -> Answer:
    return page(json.dumps(data), status, "application/json", retry_after)


def error(status: int, message: str = "", *, retry_after: str = "", **facts: Any) -> Answer:
    """An error in OpenAI's form."""
    message = message or HTTPStatus(status).phrase
    return as_json({"error": {"message": message, **facts}}, status, retry_after)


# Pictures


def picture_file(side: int = 64, colour: str = "teal") -> bytes:
    """A PNG of one colour."""
    file = BytesIO()
    PIL.Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def drawn(data: bytes | None = None, **facts: Any) -> Answer:
    """A picture in base64, with the tokens that it took."""
    encoded = base64.b64encode(picture_file() if data is None else data).decode()
    counts = {"input_tokens": 7, "output_tokens": 272, "total_tokens": 279}
    return as_json({"created": 1, "data": [{"b64_json": encoded}], "usage": counts, **facts})


def drawn_at(url: str) -> Answer:
    """A picture that lies elsewhere."""
    return as_json({"created": 1, "data": [{"url": url}]})


def picture_event(data: bytes, *, is_partial: bool = False, kind: str = "image_generation") -> bytes:
    """A picture in a stream: the whole one, or one that shows how far it is."""
    name = f"{kind}.{'partial_image' if is_partial else 'completed'}"
    counts = {} if is_partial else {"usage": {"input_tokens": 7, "output_tokens": 272, "total_tokens": 279}}
    row = {"type": name, "b64_json": base64.b64encode(data).decode(), **counts}
    return f"event: {name}\n".encode() + event(row)


# The server


@dataclass
class Request:
    """What the client sent on its `connection` (they are counted from 1), and what became of it: whether
    the response was `answered` to its end, and the event that the client has closed the connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: int
    answered: bool = False
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def said(self) -> str:
        """The text of the user's latest message, or what is to be drawn."""
        if "prompt" in self.body:
            return str(self.body["prompt"])
        asked = [message["content"] for message in self.body["messages"] if message["role"] == "user"]
        return text_of(asked[-1]) if asked else ""


def text_of(content: str | list[dict[str, Any]]) -> str:
    """A message's text: its content, or the text parts of that."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


class FakeOpenAI:
    """The server, while it is entered. Each chat completion, or picture, takes the next of `answers`; when
    there is none, the one that `otherwise` makes. What lies in `files` is at its path. All that was asked is
    in `requests`, oldest first; `asked` is set
    when there is something. With `tls` it is spoken to by https."""

    def __init__(
        self,
        otherwise: Callable[[Request], Answer] | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[Request] = []
        self.files: dict[str, Answer] = {}
        self.models = as_json({"object": "list", "data": [{"id": "fake", "object": "model"}]})
        self.asked = asyncio.Event()
        self.otherwise = otherwise or answer
        self.port = port
        self.tls = tls
        self._connections: dict[asyncio.Task[Any], int] = {}
        self._numbers = itertools.count(1)

    @property
    def base_url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def is_over(self, request: Request) -> bool:
        """Whether nothing of it is under way: it was answered to its end, or its connection is closed."""
        return request.answered or request.connection not in list(self._connections.values())

    def let_out(self, gate: asyncio.Event) -> None:
        """Sets the event from another thread, see `in_thread`."""
        self._server.get_loop().call_soon_threadsafe(gate.set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast(asyncio.Task[Any], asyncio.current_task())
        self._connections[task] = next(self._numbers)
        head = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        try:
            while not writer.is_closing():
                request = await _request(await head, reader, self._connections[task])
                self.requests.append(request)
                self.asked.set()
                # The next head is read while this one is answered: that is how a closing is noticed.
                head = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
                head.add_done_callback(partial(_watch, request, task))
                await _answer(writer, request, self._choose(request))
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone, or the server goes
        finally:
            head.cancel()
            writer.close()
            del self._connections[task]

    def _choose(self, request: Request) -> Answer:
        if request.method == "POST" and _ASKED.match(request.path):
            return self.answers.popleft() if self.answers else self.otherwise(request)
        if request.path in self.files:
            return self.files[request.path]
        if request.path == "/v1/models":
            return self.models
        if request.path == "/requests":  # for tests that run this server in another process
            seen = [
                {"body": r.body, "answered": r.answered, "closed": r.closed.is_set()} for r in self.requests
            ]
            return as_json([row for row in seen if row["body"]])
        return error(404, f"Unknown request URL: {request.method} {request.path}")


# At OpenAI, and at a deployment of Azure's.
_ASKED = re.compile(r"/(v1|openai/deployments/\w+)/(chat/completions|images/(generations|edits))(\?|$)")


async def _request(head: bytes, reader: asyncio.StreamReader, connection: int) -> Request:
    first, *lines = head.decode().strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    is_form = headers.get("content-type", "").startswith("multipart/")
    parsed = _form(headers["content-type"], body) if is_form else json.loads(body) if body else None
    return Request(method, path, headers, parsed, connection)


def _form(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a form; of files with the same name the list of their contents, in base64."""
    message = BytesParser(policy=email.policy.HTTP).parsebytes(
        f"content-type: {content_type}\r\n\r\n".encode() + body
    )
    fields: dict[str, Any] = {}
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename():
            fields.setdefault(name, []).append(base64.b64encode(content).decode())
        else:
            fields[name] = content.decode()
    return fields


def _watch(request: Request, connection: asyncio.Task[Any], head: asyncio.Task[bytes]) -> None:
    if not head.cancelled() and head.exception():
        request.closed.set()
        connection.cancel()


def _head(answer: Answer) -> bytes:
    framing = "transfer-encoding: chunked" if answer.chunked else "connection: close"
    headers = [f"{name}: {value}" for name, value in answer.headers.items()]
    status = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"
    return "\r\n".join([status, framing, *headers, "\r\n"]).encode()


async def _answer(writer: asyncio.StreamWriter, request: Request, answer: Answer) -> None:
    if answer.status:
        writer.write(_head(answer))
    for step in answer.steps:
        match step:
            case b"":
                pass  # an empty chunk would be the last one
            case bytes():
                writer.write(b"%x\r\n%b\r\n" % (len(step), step) if answer.chunked else step)
                await writer.drain()
            case asyncio.Event():
                await step.wait()
            case Ending.STALL:
                await asyncio.Event().wait()  # until _watch cancels
            case Ending.CUT | Ending.RESET:
                if step is RESET:  # a socket that lingers for no time at all is reset
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.close()
                return
            case _:
                await asyncio.sleep(step)
    request.answered = True
    if answer.chunked:
        writer.write(b"0\r\n\r\n")
    else:
        writer.close()


@contextmanager
def in_thread() -> Iterator[FakeOpenAI]:
    """The server in a thread of its own, for tests that are not asynchronous."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(FakeOpenAI()) as server:
        yield server


# On its own


KEYWORDS: dict[str, Callable[[list[Step]], Answer]] = {
    "cut": lambda words: stream(*words[:3], CUT),
    "reset": lambda words: stream(*words[:3], RESET),
    "stall": lambda words: stream(*words[:3], STALL),
    "mute": lambda words: stream(STALL),
    "garbage": lambda words: stream(*words[:3], event("{oops")),
    "endless": lambda words: stream(*words[:3], b"data: ", *[b"x" * 2**16] * 256),
    "bomb": lambda words: gzipped(*cast(list[bytes], words[:3]), b"\n" * 2**24),
    "failure": lambda words: stream(*words[:3], failure("The model is overloaded.")),
    "silent": lambda words: stream(finish(), DONE),
    "html": lambda words: page("<!doctype html><title>Login</title>"),
    "context": lambda words: error(400, "It is too long.", code="context_length_exceeded"),
    "429": lambda words: error(429, retry_after="30"),
    "reason": lambda words: stream(*map(reasoning, ["Let ", "me ", "think."]), *words, finish(), DONE),
    "long": lambda words: stream(*words * 200, finish(), DONE),
    "slow": lambda words: stream(*paced(words, 2), finish(), DONE),
}


def echo(said: str, rate: float = 0) -> Answer:
    """The words "You said:" and what was said, `rate` a second (0: at once), unless a keyword in it calls
    for something else. A number is a status: `[[401]]`, `[[500]]`."""
    words: list[Step] = [text(word) for word in re.findall(r"\S+\s*", f"You said: {said}")]
    found = re.search(r"\[\[(\w+)\]\]", said)
    keyword = found[1] if found else ""
    if keyword in KEYWORDS:
        answer = KEYWORDS[keyword](words)
    elif keyword.isdecimal():
        answer = error(int(keyword))
    else:
        answer = stream(*words, finish(), usage(7, len(words)), DONE)
    return replace(answer, steps=paced(answer.steps, rate)) if rate else answer


DRAWINGS: dict[str, Callable[[bytes], Answer]] = {
    "slow": lambda data: stream(2.0, picture_event(data)),
    "stall": lambda data: stream(STALL),
    "partial": lambda data: stream(picture_event(picture_file(colour="grey"), is_partial=True), STALL),
    "policy": lambda data: error(400, "Your request was rejected.", code="moderation_blocked"),
    "noise": lambda data: drawn(b"no picture"),
}


def draw(said: str) -> Answer:
    """A picture, unless a keyword in what is to be drawn calls for something else, as in `echo`."""
    found = re.search(r"\[\[(\w+)\]\]", said)
    keyword = found[1] if found else ""
    if keyword.isdecimal():
        return error(int(keyword))
    return DRAWINGS.get(keyword, drawn)(picture_file(colour="red" if "red" in said else "teal"))


def answer(request: Request, rate: float = 0) -> Answer:
    """What the server says on its own: it echoes, and draws."""
    return draw(request.said) if "/images/" in request.path else echo(request.said, rate)


async def main() -> None:
    arguments = argparse.ArgumentParser(description="An OpenAI-compatible server that echoes.")
    arguments.add_argument("--port", type=int, default=0, help="0: any free one")
    arguments.add_argument("--rate", type=float, default=0, help="words per second, 0: at once")
    options = arguments.parse_args()
    async with FakeOpenAI(lambda request: answer(request, options.rate), options.port) as server:
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
