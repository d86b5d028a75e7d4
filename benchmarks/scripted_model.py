"""The model of the benchmarks: an OpenAI-compatible server in a process of its own that says what the message
asks for, token by token at a given pace, and remembers when it sent each.

    python -m benchmarks.scripted_model        # prints its base URL

A message asks with `[[key=17 tokens=300 rate=30 …]]`, see `Script`. Raw asyncio, because the
machine's few cores belong to the servers that are measured.
"""

import asyncio
import json
import re
import time
from array import array
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

Json = dict[str, Any]

SOME_WORDS = (
    "time year people way day man thing woman life child world school state family student group country"
)
WORDS = SOME_WORDS.split()
LINES_OF_CODE = 320


@dataclass(frozen=True)
class Script:
    """A reply of `tokens` words of about five characters: the first of them, and so many `ahead`, without
    delay, then `rate` a second (0: all at once). With `code` it is 320 lines of code instead, a line
    a token. The `key` is told in its first and last words, so that they are found in whatever
    a page shows."""

    key: int
    tokens: int = 1
    rate: float = 0
    ahead: int = 0
    code: bool = False

    @classmethod
    def asked(cls, message: str) -> "Script":
        """The one that a message asks for, or one token."""
        found = re.findall(r"\[\[(.*?)\]\]", message)
        given = dict(pair.split("=") for pair in found[-1].split()) if found else {}
        key, tokens, ahead, code = (int(given.get(name, 0)) for name in ("key", "tokens", "ahead", "code"))
        return cls(key, tokens or 1, float(given.get("rate", 0)), ahead, bool(code))

    @property
    def message(self) -> str:
        """What a person says to get it."""
        return f"[[{' '.join(f'{name}={+value}' for name, value in asdict(self).items())}]]"

    @property
    def beginning(self) -> str:
        """The first token."""
        return f"Reply {self.key}."

    @property
    def ending(self) -> str:
        """The last token, if there are several."""
        return f"\n\nEnd {self.key}."

    @cached_property
    def pieces(self) -> list[str]:
        """The tokens."""
        if self.code:
            block = ["\n\n```python\n", *map(_line_of_code, range(LINES_OF_CODE)), "```"]
            return [self.beginning, *block, self.ending]
        return [self.beginning, *map(_word, range(1, self.tokens - 1)), self.ending][: self.tokens]

    @cached_property
    def text(self) -> str:
        """The whole reply."""
        return "".join(self.pieces)

    @cached_property
    def ends(self) -> list[int]:
        """How many characters there are up to the end of each token."""
        return list(accumulate(map(len, self.pieces)))


def _word(number: int) -> str:
    before = "\n\n" if number % 90 == 0 else " "
    after = "." if number % 15 == 14 else ""
    return before + WORDS[number % len(WORDS)] + after


def _line_of_code(number: int) -> str:
    if number % 4 == 0:
        return f"def step_{number}(values: list[int], limit: int = {number}) -> int:\n"
    return f'    values.append(sum(values[:{number}]) % limit)  # "{WORDS[number % len(WORDS)]}"\n'


class ModelServer:
    """The server. `sent[key]` are the monotonic times at which the tokens of that reply were sent: the clock
    is the machine's, so that other processes may subtract them from theirs."""

    def __init__(self) -> None:
        self.sent: dict[int, array[float]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                path = head.split(" ", 2)[1]
                if found := re.fullmatch(r"/sent/(\d+)", path):
                    _write_json(writer, list(self.sent.get(int(found[1]), ())))
                elif path.endswith("/chat/completions"):
                    await self._answer(writer, json.loads(body))
                else:
                    _write_json(writer, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, request: Json) -> None:
        script = Script.asked(_latest(request["messages"]))
        sent = self.sent[script.key] = array("d")
        writer.write(_STREAM)
        start = time.monotonic()
        for number, piece in enumerate(script.pieces):
            due = start + max(0, number - script.ahead) / script.rate if script.rate else 0.0
            if (seconds := due - time.monotonic()) > 0:
                await asyncio.sleep(seconds)
                if writer.is_closing():
                    return
            writer.write(_chunk({"content": piece}))
            sent.append(time.monotonic())
        writer.write(_chunk({}, "stop"))
        if (request.get("stream_options") or {}).get("include_usage"):
            writer.write(_event({**_CHUNK, "choices": [], "usage": _usage(len(script.pieces))}))
        writer.write(_framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()


def _latest(messages: list[Json]) -> str:
    """The text of the user's latest message."""
    content = [message["content"] for message in messages if message["role"] == "user"][-1]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_CHUNK = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}


def _chunk(delta: Json, finish_reason: str | None = None) -> bytes:
    return _event({**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def _event(data: Json) -> bytes:
    return _framed(b"data: " + json.dumps(data).encode() + b"\n\n")


def _framed(data: bytes) -> bytes:
    """A chunk of the response, as HTTP/1.1 frames it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _usage(tokens: int) -> Json:
    return {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}


def _write_json(writer: asyncio.StreamWriter, data: object) -> None:
    body = json.dumps(data).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def main() -> None:
    server = await asyncio.start_server(ModelServer().serve, "127.0.0.1", limit=2**24)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
