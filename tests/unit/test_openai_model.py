"""OpenAIChatModel over real HTTP: what it yields, and which ModelError each failure becomes."""

import asyncio
import gzip
import itertools
import json
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, nullcontext, suppress
from email.utils import formatdate
from functools import partial

import httpx2
import openai
import pytest
import trustme

from chat_core.errors import (
    ContextTooLong,
    ModelAddressWrong,
    ModelAuthFailed,
    ModelDisconnected,
    ModelError,
    ModelGarbled,
    ModelNotConfigured,
    ModelNotFound,
    ModelQuotaExhausted,
    ModelRateLimited,
    ModelRequestRejected,
    ModelServerFailed,
    ModelStalled,
    ModelTimedOut,
    ModelUnreachable,
)
from chat_core.messages import Sampling, Usage
from chat_core.models import Finish, NoModel, OpenAIChatModel, Piece, StreamItem
from chat_core.models.transport import SLICE_BYTES, HttpClient
from tests.fake_openai import (
    CUT,
    DONE,
    KEEP_ALIVE,
    KEYWORDS,
    RESET,
    STALL,
    Answer,
    FakeOpenAI,
    as_json,
    chunk,
    error,
    event,
    failure,
    finish,
    gzipped,
    in_thread,
    paced,
    page,
    reasoning,
    reply,
    stream,
    text,
    usage,
)

KEY = "a-key-of-no-known-form"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "你好"}]
SAMPLING = Sampling()
HEL = Piece("text", "Hel")

MakeModel = Callable[..., OpenAIChatModel]


AUTHORITY = trustme.CA()
TLS = ssl.create_default_context()
AUTHORITY.configure_trust(TLS)


@pytest.fixture
async def make_model(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeModel]:
    """OpenAIChatModel(**options), by default of `server` and without retries."""
    # Every client would read all the certificates anew, which takes longer than most of these tests.
    monkeypatch.setattr("chat_core.models.openai.HttpClient", partial(HttpClient, verify=TLS))
    async with AsyncExitStack() as stack:

        def make(**options) -> OpenAIChatModel:
            defaults = {"api_key": KEY, "base_url": server.base_url, "max_retries": 0}
            model = OpenAIChatModel(**defaults | options)
            stack.push_async_callback(model.aclose)
            return model

        yield make


async def read(
    model: OpenAIChatModel, got: list | None = None, received: asyncio.Event | None = None
) -> list[StreamItem]:
    """The whole reply; `got` keeps what came before a failure, `received` is set when something came."""
    got = [] if got is None else got
    async with aclosing(model.stream(MESSAGES, model="gpt-test", sampling=SAMPLING)) as items:
        async for item in items:
            got.append(item)
            if received:
                received.set()
    return got


async def failed(model: OpenAIChatModel) -> tuple[ModelError, list[StreamItem]]:
    """The error that the reply ends with, and what came before it."""
    got: list[StreamItem] = []
    with pytest.raises(ModelError) as caught:
        await read(model, got)
    return caught.value, got


def over(monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
    """Lets every model made from now on talk to a function instead of a network."""
    client = partial(HttpClient, transport=httpx2.MockTransport(answer))
    monkeypatch.setattr("chat_core.models.openai.HttpClient", client)


class Body(httpx2.AsyncByteStream):
    """A response's body that comes in exactly these pieces; an exception among them is raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


# What is asked


async def test_the_request_asks_for_a_stream_with_usage(server, make_model):
    await read(make_model())
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.body == {
        "model": "gpt-test",
        "messages": MESSAGES,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("sampling", "asked"),
    [
        (Sampling(temperature=0), {"temperature": 0}),
        (Sampling(max_tokens=5), {"max_tokens": 5}),
        (Sampling(temperature=1.5, max_tokens=7), {"temperature": 1.5, "max_tokens": 7}),
    ],
    ids=["temperature", "length", "both"],
)
async def test_the_sampling_is_asked_for_where_it_is_chosen(server, make_model, sampling, asked):
    async with aclosing(make_model().stream(MESSAGES, model="gpt-test", sampling=sampling)) as items:
        assert [item async for item in items]
    body = server.requests[0].body
    assert {name: body[name] for name in body if name in ("temperature", "max_tokens")} == asked


async def test_openai_itself_is_told_the_length_by_its_new_name(make_model, monkeypatch):
    bodies = []
    over(monkeypatch, lambda request: bodies.append(request.read()) or httpx2.Response(401))
    stream_of_all = make_model(base_url=None).stream(MESSAGES, model="o9", sampling=Sampling(max_tokens=5))
    with pytest.raises(ModelError):
        await anext(stream_of_all)
    assert b'"max_completion_tokens":5' in bodies[0]
    assert b'"max_tokens"' not in bodies[0]


async def test_a_message_in_parts_is_sent_in_parts(server, make_model):
    picture = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "Look!"}, picture]}]
    async with aclosing(make_model().stream(messages, model="gpt-test", sampling=SAMPLING)) as items:
        said = [item.text async for item in items if isinstance(item, Piece)]
    assert "".join(said) == "You said: Look!"
    assert server.requests[0].body["messages"] == messages


async def test_a_server_without_keys_gets_a_placeholder(server, make_model):
    await read(make_model(api_key=""))
    assert server.requests[0].headers["authorization"] == "Bearer none"


async def test_a_server_on_this_machine_is_not_asked_through_a_proxy(server, make_model, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers.append(reply("Hel"))
    assert HEL in await read(make_model())


@pytest.mark.parametrize(
    ("scheme", "asked"),
    [
        ("http", ("POST", "http://provider.example/v1/chat/completions")),
        ("https", ("CONNECT", "provider.example:443")),
    ],
)
@pytest.mark.parametrize("variable", ["{}_PROXY", "ALL_PROXY"])
@pytest.mark.filterwarnings("ignore:BasicAuth is", "ignore:The 'proxy_auth'")  # so the SDK uses aiohttp
async def test_any_other_server_is_asked_through_the_proxy(
    server, make_model, monkeypatch, scheme, asked, variable
):
    monkeypatch.setenv(variable.format(scheme.upper()), f"http://me:word@127.0.0.1:{server.port}")
    await failed(make_model(base_url=f"{scheme}://provider.example/v1"))
    (request,) = server.requests
    assert (request.method, request.path) == asked
    assert request.headers["proxy-authorization"] == "Basic bWU6d29yZA=="


async def test_the_proxy_may_speak_socks(make_model, monkeypatch):
    async def socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(3) == b"\x05\x01\x00"
        writer.write(b"\x05\x00")
        assert await reader.readexactly(5 + 16 + 2) == b"\x05\x01\x00\x03\x10provider.example\x00\x50"
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + text("Hel") + DONE)
        writer.close()

    async with await asyncio.start_server(socks, "127.0.0.1", 0) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        assert await read(make_model(base_url="http://provider.example/v1")) == [HEL]


async def test_no_model_says_that_none_is_set_up():
    with pytest.raises(ModelNotConfigured):
        await anext(NoModel().stream(MESSAGES, model="none", sampling=SAMPLING))


# What is yielded


async def test_text_comes_piece_by_piece_and_then_the_usage(server, make_model):
    server.answers.append(stream(text("Hel"), text("lo"), finish(), usage(7, 2), DONE))
    assert await read(make_model()) == [
        HEL,
        Piece("text", "lo"),
        Usage(prompt_tokens=7, completion_tokens=2, total_tokens=9),
    ]


async def test_a_piece_is_yielded_before_the_next_one_is_sent(server, make_model):
    gate = asyncio.Event()
    server.answers.append(stream(text("Hel"), gate, text("lo"), finish(), DONE))
    async with aclosing(make_model().stream(MESSAGES, model="gpt-test", sampling=SAMPLING)) as items:
        assert await anext(items) == HEL
        gate.set()
        assert await anext(items) == Piece("text", "lo")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_reasoning_is_told_from_text(server, make_model, key):
    server.answers.append(stream(reasoning("Hm.", key), text("Hel"), finish(), DONE))
    assert await read(make_model()) == [Piece("reasoning", "Hm."), HEL]


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param(chunk({"role": "assistant", "content": ""}), id="role"),
        pytest.param(chunk({"content": None, "reasoning_content": None}), id="nulls"),
        pytest.param(chunk({"content": [{"type": "text"}]}), id="content of another kind"),
        pytest.param(chunk({"tool_calls": [{"index": 0}]}), id="tool call"),
        pytest.param(event({"choices": [{"delta": None}]}), id="no delta"),
        pytest.param(event({"choices": None, "usage": None}), id="no choices"),
        pytest.param(event({}), id="empty object"),
        pytest.param(event({"error": None}), id="no error"),
        pytest.param(KEEP_ALIVE, id="comment"),
        pytest.param(b"event: message\nid: 3\nretry: 10\n\n", id="other fields"),
    ],
)
async def test_what_says_nothing_is_passed_over(server, make_model, nothing):
    server.answers.append(stream(nothing, text("Hel"), nothing, finish(), DONE))
    assert await read(make_model()) == [HEL]


def escaped(*pieces: str, key: str = "content") -> bytes:
    """Pieces as they are written between the quotes of JSON."""
    return b"".join(event(f'{{"choices": [{{"delta": {{"{key}": "{piece}"}}}}]}}') for piece in pieces)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        pytest.param([r"\ud83d", r"\ude00"], ["😀"], id="alone"),
        pytest.param([r"a\ud83d", r"\ude00b"], ["a", "😀b"], id="among others"),
        pytest.param([r"\uD83D", "", r"\uDE00"], ["😀"], id="with nothing between"),
        pytest.param([r"\ud83d\ude00\ud83d", r"\ude00"], ["😀", "😀"], id="after a whole one"),
        pytest.param([r"a\ud83d", r"\ude00\ud83d", r"\ude00b"], ["a", "😀", "😀b"], id="twice"),
        pytest.param([r"a\ud83d"], ["a"], id="without the other half at the end"),
    ],
)
@pytest.mark.parametrize("key", ["content", "reasoning"])
async def test_halves_of_a_character_are_joined(server, make_model, pieces, said, key):
    server.answers.append(stream(escaped(*pieces, key=key), finish(), DONE))
    assert [piece.text for piece in await read(make_model())] == said


async def test_a_half_in_the_reasoning_does_not_belong_to_the_text(server, make_model):
    halves = escaped(r"Hm\ud83d", key="reasoning") + escaped("Hel")
    server.answers.append(stream(halves, finish(), DONE))
    assert await read(make_model()) == [Piece("reasoning", "Hm"), HEL]


async def test_a_compressed_reply_is_unpacked_though_none_was_asked_for(server, make_model):
    server.answers.append(gzipped(text("Hel"), text("lo"), finish(), DONE))
    assert await read(make_model()) == [HEL, Piece("text", "lo")]


async def test_counts_that_the_provider_leaves_out_are_zero(server, make_model):
    counts = event({"usage": {"prompt_tokens": 7, "completion_tokens": None, "details": {}}})
    server.answers.append(stream(text("Hel"), finish(), counts, DONE))
    assert await read(make_model()) == [HEL, Usage(prompt_tokens=7)]


LINES = b"".join(
    [text("日本\u2028語"), b": \xe2\x80\xa8\n", text("🎈\x85\x0b\x0c\r"), finish(), usage(1, 2), DONE]
)
WHOLE = [
    Piece("text", "日本\u2028語"),
    Piece("text", "🎈\x85\x0b\x0c\r"),
    Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
]


async def test_the_bytes_may_be_cut_anywhere(make_model, monkeypatch):
    cuts = iter([(LINES[:place], LINES[place:]) for place in range(len(LINES))])
    over(monkeypatch, lambda request: httpx2.Response(200, stream=Body(*next(cuts))))
    model = make_model()
    replies = [await read(model) for _ in LINES]
    assert [place for place, items in enumerate(replies) if items != WHOLE] == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_the_bytes_may_come_in_drops(make_model, monkeypatch, size):
    drops = [LINES[place : place + size] for place in range(0, len(LINES), size)]
    over(monkeypatch, lambda request: httpx2.Response(200, stream=Body(*drops)))
    assert await read(make_model()) == WHOLE


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([text("Hel").replace(b"\n", b"\r\n"), DONE.replace(b"\n", b"\r\n")], id="CRLF"),
        pytest.param([text("Hel").replace(b"data: ", b"data:"), DONE], id="no space after the colon"),
        pytest.param([text("Hel").replace(b"\n\n", b"\n"), DONE], id="no blank lines"),
        pytest.param([text("Hel"), finish()], id="no [DONE]"),
        pytest.param([text("Hel"), DONE], id="no finish reason"),
        pytest.param([text("Hel"), DONE.strip()], id="no newline after [DONE]"),
        pytest.param([chunk({"content": "Hel"}, "stop").strip()], id="no newline after the last piece"),
    ],
)
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until the connection closes"])
async def test_the_framing_may_be_sloppy(server, make_model, steps, chunked):
    server.answers.append(stream(*steps, chunked=chunked))
    assert await read(make_model()) == [HEL]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_a_reply_that_was_cut_says_so(server, make_model, reason):
    server.answers.append(stream(text("Hel"), finish(reason), DONE))
    assert await read(make_model()) == [HEL, Finish(reason)]


@pytest.mark.parametrize("ending", [CUT, RESET, STALL])
async def test_after_the_finish_reason_nothing_can_go_wrong(server, make_model, monkeypatch, ending):
    monkeypatch.setattr("chat_core.models.openai._FAREWELL_SECONDS", 0.05)
    received = asyncio.Event()
    server.answers.append(stream(text("Hel") + finish(), received, ending))
    assert await read(make_model(), received=received) == [HEL]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(
            event({"choices": [], "usage": {"prompt_tokens": -1, "total_tokens": "many"}}), id="usage"
        ),
        pytest.param(event("{oops"), id="no JSON"),
        pytest.param(failure("Too late."), id="an error"),
    ],
)
async def test_nonsense_behind_a_whole_reply_does_not_spoil_it(server, make_model, line):
    server.answers.append(stream(text("Hel"), finish(), line, DONE))
    assert await read(make_model()) == [HEL]


@pytest.mark.parametrize(
    "counts",
    ['{"prompt_tokens": 1%s}' % ("0" * 300), '{"total_tokens": -1}', '{"cost": 1e999}', '{"cost": NaN}'],
    ids=["without measure", "fewer than none", "infinite cost", "cost that is no number"],
)
async def test_counts_that_no_reply_can_have_are_left_out(server, make_model, counts):
    server.answers.append(stream(text("Hel"), event('{"usage": ' + counts + "}"), finish(), DONE))
    assert await read(make_model()) == [HEL]


async def test_nothing_belongs_to_a_reply_that_is_over(server, make_model):
    server.answers.append(stream(text("Hel") + finish() + DONE + text("more"), text("and more")))
    assert await read(make_model()) == [HEL]


async def test_a_whole_reply_leaves_its_connection_for_the_next_one(server, make_model):
    model = make_model()
    await read(model)
    await read(model)
    assert [request.connection for request in server.requests] == [1, 1]


# What servers do in their own way


COMPLETION = {
    "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"total_tokens": 9},
}


@pytest.mark.parametrize("indent", [None, 2], ids=["in one line", "in many"])
async def test_a_server_that_cannot_stream_is_understood(server, make_model, indent):
    server.answers.append(page(json.dumps(COMPLETION, indent=indent), content_type="application/json"))
    assert await read(make_model()) == [Piece("text", "Hello"), Usage(total_tokens=9)]


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["<think>", "Hm.", "</think>", "Hel"], [("reasoning", "Hm."), ("text", "Hel")]),
        (
            ["\n<thi", "nk>\nHm", ".</th", "ink>\n\nHel"],
            [("reasoning", "Hm"), ("reasoning", "."), ("text", "Hel")],
        ),
        (["<think>a<b</think>Hel"], [("reasoning", "a<b"), ("text", "Hel")]),
        (["<think>", "a </", "p> b"], [("reasoning", "a "), ("reasoning", "</p> b")]),
        (["<think>", "Hm</"], [("reasoning", "Hm"), ("reasoning", "</")]),
        (["<th", "e>"], [("text", "<the>")]),
        (["<th"], [("text", "<th")]),
        (["Hel", "<think>"], [("text", "Hel"), ("text", "<think>")]),
    ],
)
@pytest.mark.parametrize("end", [[finish(), DONE], [DONE]], ids=["finished", "done"])
async def test_reasoning_in_tags_at_the_beginning_is_told_from_text(server, make_model, pieces, said, end):
    server.answers.append(stream(*map(text, pieces), *end))
    assert await read(make_model()) == [Piece(*piece) for piece in said]


async def test_content_in_parts_and_refusals_are_read(server, make_model):
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    said = {"type": "text", "text": "Hel"}
    server.answers += [
        stream(chunk({"content": [thought]}), chunk({"content": [said]}), finish(), DONE),
        stream(chunk({"content": None, "refusal": "I cannot."}), finish(), DONE),
    ]
    assert await read(make_model()) == [Piece("reasoning", "Hm."), HEL]
    assert await read(make_model()) == [Piece("text", "I cannot.")]


EXTRA = {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}
RENAMED = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."


@pytest.mark.parametrize(
    ("refusal", "changed"),
    [
        (as_json(EXTRA, 422), {"stream_options": None}),
        (error(400, "'temperature' does not support 0.5 with this model."), {"temperature": None}),
        (error(400, RENAMED), {"max_tokens": None, "max_completion_tokens": 5}),
        (error(400, "Streaming is not supported."), {"stream": False, "stream_options": None}),
        (
            error(400, "Developer instruction is not enabled for this model."),
            {"messages": [{"role": "user", "content": "Be brief.\n\n你好"}]},
        ),
    ],
    ids=["usage", "temperature", "length", "stream", "system"],
)
async def test_what_a_model_refuses_to_be_sent_it_is_asked_without_from_then_on(
    server, make_model, refusal, changed
):
    model = make_model()

    async def ask() -> dict:
        sampling = Sampling(temperature=0.5, max_tokens=5)
        async with aclosing(model.stream(MESSAGES, model="gpt-test", sampling=sampling)) as items:
            assert HEL in [item async for item in items]
        return server.requests[-1].body

    server.answers += [refusal, reply("Hel"), reply("Hel")]
    without = await ask()
    first = server.requests[0].body
    assert without == {k: v for k, v in (first | changed).items() if v is not None}
    assert await ask() == without
    assert len(server.requests) == 3


async def test_a_refusal_of_a_value_or_the_same_one_again_is_told(server, make_model):
    model = make_model()
    server.answers.append(error(400, "temperature must be at most 1"))
    problem, _ = await failed(model)
    assert (type(problem), len(server.requests)) == (ModelRequestRejected, 1)
    server.otherwise = lambda request: error(400, "Unknown parameter: stream_options")
    problem, _ = await failed(model)
    assert (type(problem), len(server.requests)) == (ModelRequestRejected, 3)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        as_json({"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
        page("<!doctype html><title>Hello</title>"),
        page("404 page not found", 404, "text/plain"),
    ],
    ids=["not found", "LM Studio", "page", "Ollama"],
)
async def test_an_address_without_a_version_is_named_in_place_of_the_model(server, make_model, answer):
    if answer:
        server.answers.append(answer)
    problem, _ = await failed(make_model(base_url=server.base_url.removesuffix("/v1")))
    assert type(problem) is ModelAddressWrong


async def test_a_model_that_is_not_there_is_named_at_any_address(server, make_model):
    server.answers.append(error(404, "The model 'x' was not found"))
    problem, _ = await failed(make_model())
    assert type(problem) is ModelNotFound


# What is there before the first reply


FIRST_REPLY = """
import asyncio, sys
from contextlib import AsyncExitStack
from chat_core.messages import Sampling
from chat_core.models import CatalogOptions, ModelCatalog
from chat_core.providers import Provider

async def main():
    async with AsyncExitStack() as stack:
        provider = Provider(name="mine", base_url=sys.argv[1], models=("gpt-test",))
        catalog = ModelCatalog(CatalogOptions(providers=(provider,)))
        await catalog.open(stack)
        loaded = {*sys.modules}
        messages = [{"role": "user", "content": "Hello"}]
        async for item in catalog.model.stream(messages, model="gpt-test", sampling=Sampling()):
            pass
        print(*{*sys.modules} - loaded)

asyncio.run(main())
"""


def test_the_first_reply_loads_no_more_modules():
    with in_thread() as server:
        command = [sys.executable, "-c", FIRST_REPLY, server.base_url]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        assert len(server.requests) == 1
    assert done.stdout.split() == []


# What a token costs: counted, for a count is the same on every machine


async def calls_per_token(reply_of: Callable[[int], Awaitable[object]]) -> float:
    """Calls of Python functions, and returns into generators, that each further token takes."""

    async def calls(tokens: int) -> int:
        count = 0

        def count_calls(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += event == "call"

        sys.setprofile(count_calls)
        try:
            await reply_of(tokens)
        finally:
            sys.setprofile(None)
        return count

    await calls(1)  # the first one does more
    return (await calls(300) - await calls(100)) / 200


async def test_a_token_takes_few_calls_of_our_own(make_model, monkeypatch):
    async def reply_of(tokens: int) -> None:
        over(monkeypatch, lambda request: httpx2.Response(200, stream=Body(*[text("Hel")] * tokens, DONE)))
        await read(make_model())

    assert await calls_per_token(reply_of) <= 20


async def test_a_token_takes_few_calls_from_the_socket_on(make_model):
    with in_thread() as server:
        model = make_model(base_url=server.base_url)

        async def reply_of(tokens: int) -> None:
            server.answers.append(stream(*paced([text("Hel")] * tokens, 500), DONE))
            await read(model)

        assert await calls_per_token(reply_of) <= 90


# Failures before the reply


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ModelRequestRejected),
        (401, ModelAuthFailed),
        (402, ModelQuotaExhausted),
        (403, ModelAuthFailed),
        (404, ModelNotFound),
        (408, ModelTimedOut),
        (413, ModelRequestRejected),
        (422, ModelRequestRejected),
        (429, ModelRateLimited),
        (500, ModelServerFailed),
        (502, ModelServerFailed),
        (503, ModelServerFailed),
        (504, ModelTimedOut),
    ],
)
async def test_a_status_becomes_an_error_with_the_providers_reason(server, make_model, status, kind):
    server.answers.append(error(status, "Because of the weather."))
    problem, got = await failed(make_model())
    assert (type(problem), problem.reason, got) == (kind, "Because of the weather.", [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(error(500, "Why."), "Why.", id="OpenAI's form"),
        pytest.param(as_json({"error": "Why."}, 500), "Why.", id="error as a string"),
        pytest.param(as_json({"message": "Why."}, 500), "Why.", id="message"),
        pytest.param(as_json({"detail": "Why."}, 500), "Why.", id="detail"),
        pytest.param(as_json([{"error": {"message": "Why."}}], 500), "Why.", id="in a list"),
        pytest.param(page("Why.", 500, "text/plain"), "Why.", id="plain text"),
        pytest.param(page("Wh\n   y.\n", 500, "text/plain"), "Wh y.", id="white space is tidied"),
        pytest.param(page("why " * 999, 500, "text/plain"), ("why " * 999)[:500], id="shortened"),
        pytest.param(page("<html>Bad gateway</html>", 500), "", id="HTML page"),
        pytest.param(page("", 500), "", id="empty"),
        pytest.param(as_json({"error": {"code": 1}}, 500), "", id="no message"),
        pytest.param(as_json([], 500), "", id="empty list"),
    ],
)
async def test_the_reason_is_found_where_providers_put_it(server, make_model, answer, reason):
    server.answers.append(answer)
    problem, _ = await failed(make_model())
    assert problem.reason == problem.facts["reason"] == reason


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(KEY, id="the key itself"),
        pytest.param("sk-proj-0123456789abcdef", id="an OpenAI key"),
        pytest.param("sk-abcd****wxyz", id="a key with stars"),
        pytest.param("hf_0123456789abcdef", id="a Hugging Face key"),
        pytest.param("gsk_0123456789abcdef", id="a Groq key"),
        pytest.param("Bearer 0123456789", id="a bearer token"),
        pytest.param("://user:pass0123@", id="a password in an address"),
    ],
)
@pytest.mark.parametrize("in_stream", [False, True], ids=["as a status", "in the stream"])
async def test_secrets_are_removed_from_the_reason(server, make_model, secret, in_stream):
    reason = f"Wrong: {secret} is not right"
    server.answers.append(stream(failure(reason, code=401)) if in_stream else error(401, reason))
    problem, _ = await failed(make_model())
    assert secret not in str(problem)
    assert problem.reason == "Wrong: *** is not right"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(error(429, "Over.", code="insufficient_quota"), ModelQuotaExhausted, id="OpenAI"),
        pytest.param(error(400, "Your credit balance is too low."), ModelQuotaExhausted, id="Anthropic"),
        pytest.param(error(403, "Insufficient Balance"), ModelQuotaExhausted, id="DeepSeek"),
        pytest.param(error(429, "You exceeded your quota a minute."), ModelRateLimited, id="a minute's"),
    ],
)
async def test_credit_that_is_used_up_is_told_from_a_wish_to_slow_down(server, make_model, answer, kind):
    server.answers.append(answer)
    problem, _ = await failed(make_model())
    assert type(problem) is kind


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(error(400, "Too long.", code="context_length_exceeded"), id="OpenAI"),
        pytest.param(error(400, "Too long.", type="exceed_context_size_error"), id="llama.cpp"),
        pytest.param(error(400, "This model's maximum context length is 9 tokens."), id="vLLM"),
        pytest.param(error(413, "prompt is too long: 9 tokens"), id="Anthropic"),
        pytest.param(stream(failure("Too long.", code="context_length_exceeded")), id="in the stream"),
    ],
)
async def test_a_conversation_that_is_too_long_is_told_from_other_rejections(server, make_model, answer):
    server.answers.append(answer)
    problem, _ = await failed(make_model())
    assert type(problem) is ContextTooLong


async def test_nobody_listening_means_unreachable(make_model):
    async with FakeOpenAI() as gone:
        pass
    problem, _ = await failed(make_model(base_url=gone.base_url))
    assert type(problem) is ModelUnreachable


async def test_a_server_that_hangs_up_without_an_answer_is_unreachable(server, make_model):
    server.answers.append(Answer([CUT], status=0))
    problem, _ = await failed(make_model())
    assert type(problem) is ModelUnreachable


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer([b"SSH-2.0\r\n"], status=0, chunked=False), id="another protocol"),
        pytest.param(Answer([], headers={"no colon\r\n\r\n": ""}), id="a header that is none"),
        pytest.param(Answer([], headers={"x": "x" * 2**20}), id="an endless header"),
        pytest.param(Answer([], status=307, headers={"location": "ftp://x/"}), id="a redirection elsewhere"),
        pytest.param(Answer([], status=307, headers={"location": "http://[/"}), id="a redirection nowhere"),
        pytest.param(
            Answer([], status=307, headers={"location": "/v1/chat/completions"}),
            id="a redirection in circles",
        ),
    ],
)
async def test_what_answers_in_no_sensible_way_is_unreachable(server, make_model, answer):
    server.otherwise = lambda request: answer
    problem, _ = await failed(make_model())
    assert type(problem) is ModelUnreachable


async def test_a_name_that_is_unknown_is_unreachable(make_model, monkeypatch):
    async def unknown(*_: object, **__: object) -> list:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    problem, _ = await failed(make_model(base_url="http://provider.example/v1"))
    assert type(problem) is ModelUnreachable


async def test_a_name_that_is_looked_up_for_too_long_is_unreachable(make_model, monkeypatch):
    async def lost(*_: object, **__: object) -> list:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lost)
    monkeypatch.setattr("chat_core.models.openai._CONNECT_SECONDS", 0.05)
    problem, _ = await failed(make_model(base_url="http://provider.example/v1"))
    assert type(problem) is ModelUnreachable


# Retries


async def test_a_failure_of_a_moment_is_retried(server, make_model):
    server.answers += [error(500, retry_after="0.01"), error(429, retry_after="0.01"), reply("Hel")]
    assert HEL in await read(make_model(max_retries=2))
    assert len(server.requests) == 3


async def test_a_server_that_names_no_pause_is_asked_again_soon(server, make_model):
    server.answers += [error(503), reply("Hel")]
    assert HEL in await read(make_model(max_retries=1))


async def test_in_the_end_the_failure_is_told(server, make_model):
    server.otherwise = lambda request: error(500, "Still broken.", retry_after="0.01")
    problem, _ = await failed(make_model(max_retries=2))
    assert (type(problem), problem.reason) == (ModelServerFailed, "Still broken.")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_will_not_change_is_not_retried(server, make_model, status):
    server.answers.append(error(status, retry_after="0.01"))
    await failed(make_model(max_retries=2))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        pytest.param(lambda: "30", 30, id="seconds"),
        pytest.param(lambda: formatdate(time.time() + 30, usegmt=True), 30, id="date"),
    ],
)
@pytest.mark.parametrize(
    ("status", "kind"), [(429, ModelRateLimited), (503, ModelServerFailed)], ids=["429", "503"]
)
async def test_a_long_pause_is_told_and_not_waited_for(
    server, make_model, status, kind, retry_after, seconds
):
    server.answers.append(error(status, retry_after=retry_after()))
    problem, _ = await asyncio.wait_for(failed(make_model(max_retries=2)), 3)
    assert type(problem) is kind
    assert problem.retry_after == problem.facts["retry_after"] == pytest.approx(seconds, abs=2)
    assert len(server.requests) == 1


@pytest.mark.parametrize("pauses", [["2"], ["0.3", "0.3"], [""]], ids=["long", "together", "not said"])
async def test_a_pause_beyond_the_first_tokens_time_is_told_and_not_waited_for(server, make_model, pauses):
    server.answers += [error(429, retry_after=pause) for pause in pauses]
    problem, _ = await failed(make_model(first_token_seconds=0.5, max_retries=2))
    assert type(problem) is ModelRateLimited
    assert problem.retry_after == (float(pauses[-1]) if pauses[-1] else None)
    assert len(server.requests) == len(pauses)


async def test_a_pause_within_the_first_tokens_time_is_waited_for(server, make_model):
    server.answers += [error(429, retry_after="0.1"), reply("Hel")]
    assert await read(make_model(first_token_seconds=1, max_retries=2))


@pytest.mark.parametrize("retry_after", ["", "soon", "inf", "nan"])
async def test_a_pause_that_is_no_time_is_not_told(server, make_model, retry_after):
    server.answers.append(error(429, retry_after=retry_after))
    problem, _ = await failed(make_model())
    assert problem.retry_after is None
    assert "retry_after" not in problem.facts


async def test_nothing_is_retried_once_the_reply_has_begun(server, make_model):
    server.answers += [stream(text("Hel"), CUT), reply("lo")]
    await failed(make_model(max_retries=2))
    assert len(server.requests) == 1


# Silence


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([STALL], id="nothing"),
        pytest.param(itertools.cycle([KEEP_ALIVE, 0.01]), id="comments only"),
        pytest.param(itertools.cycle([chunk({"role": "assistant", "content": ""}), 0.01]), id="empty pieces"),
    ],
)
async def test_a_reply_that_does_not_begin_times_out(server, make_model, steps):
    server.answers.append(Answer(steps))
    problem, got = await failed(make_model(first_token_seconds=0.3))
    assert (type(problem), got) == (ModelTimedOut, [])
    await asyncio.wait_for(server.requests[0].closed.wait(), 1)


async def test_a_server_that_never_answers_times_out(server, make_model):
    server.answers.append(Answer([STALL], status=0))
    problem, _ = await failed(make_model(first_token_seconds=0.3, max_retries=2))
    assert type(problem) is ModelTimedOut
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([text("Hel"), STALL], id="nothing"),
        pytest.param(itertools.chain([text("Hel")], itertools.cycle([KEEP_ALIVE, 0.01])), id="comments only"),
        pytest.param(itertools.chain([text("Hel")], itertools.cycle([chunk({}), 0.01])), id="empty pieces"),
        pytest.param([reasoning("Hm."), STALL], id="nothing after the reasoning"),
    ],
)
async def test_a_reply_that_stops_coming_has_stalled(server, make_model, steps):
    server.answers.append(Answer(steps))
    problem, got = await failed(make_model(stall_seconds=0.1))
    assert (type(problem), len(got)) == (ModelStalled, 1)
    await asyncio.wait_for(server.requests[0].closed.wait(), 1)


async def test_a_slow_reply_may_take_longer_than_the_time_outs(server, make_model):
    server.answers.append(stream(*paced([text("Hel")] * 30, 50), finish(), DONE))
    items = await read(make_model(first_token_seconds=0.4, stall_seconds=0.4))
    assert items == [HEL] * 30


# Lost connections


@pytest.mark.parametrize(
    ("ending", "chunked"),
    [
        pytest.param(CUT, True, id="cut, chunked"),
        pytest.param(CUT, False, id="cut, the end of the connection is the end of the body"),
        pytest.param(RESET, True, id="reset"),
    ],
)
async def test_a_reply_that_is_cut_off_keeps_what_came(server, make_model, ending, chunked):
    received = asyncio.Event()
    server.answers.append(stream(text("Hel"), received, ending, chunked=chunked))
    got = []
    with pytest.raises(ModelDisconnected):
        await read(make_model(), got, received)
    assert got == [HEL]


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until the connection closes"])
@pytest.mark.parametrize("place", [10, len(text("lo")) - 6], ids=["early", "late"])
async def test_a_reply_that_is_cut_off_inside_a_line_is_disconnected(server, make_model, chunked, place):
    server.answers.append(stream(text("Hel"), text("lo")[:place], CUT, chunked=chunked))
    problem, got = await failed(make_model())
    assert (type(problem), got) == (ModelDisconnected, [HEL])


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until the connection closes"])
async def test_a_connection_lost_before_the_first_token_was_not_unreachable(server, make_model, chunked):
    server.answers.append(stream(chunk({"role": "assistant"}), CUT, chunked=chunked))
    problem, _ = await failed(make_model())
    assert type(problem) is ModelDisconnected


# Nonsense


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(event("{oops"), id="not JSON"),
        pytest.param(event(""), id="empty"),
        pytest.param(event("[1]"), id="a list"),
        pytest.param(event("null"), id="null"),
        pytest.param(event('"text"'), id="a string"),
        pytest.param(event('{"choices": "text"}'), id="choices are a string"),
        pytest.param(event('{"choices": 3}'), id="choices are a number"),
        pytest.param(event('{"choices": [null]}'), id="a choice is null"),
        pytest.param(event('{"choices": [{"delta": "text"}]}'), id="the delta is a string"),
        pytest.param(event('{"choices": [{"delta": [1]}]}'), id="the delta is a list"),
        pytest.param(event('{"usage": [1]}'), id="the usage is a list"),
        pytest.param(event('{"usage": {"prompt_tokens": "many"}}'), id="the usage is no count"),
        pytest.param(event('{"usage": {"prompt_tokens": 1%s}}' % ("0" * 5000)), id="an endless number"),
        pytest.param(event("[" * 5000), id="an endless list"),
        pytest.param(escaped(r"\ud83c", "x"), id="half a character"),
        pytest.param(escaped(r"\udf88"), id="the other half of a character"),
        pytest.param(escaped(r"\ud83cx"), id="half a character in the middle"),
        pytest.param(escaped(r"\ud83c", r"\ud83c", r"\udf88"), id="half a character twice"),
        pytest.param(event(r'{"\ud83c": %s' % ("[" * 5000)), id="half a character and an endless list"),
        pytest.param(event(r'{"\ud83c": 1%s' % ("0" * 5000)), id="half a character and an endless number"),
        pytest.param(b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n', id="not UTF-8"),
    ],
)
async def test_a_malformed_line_garbles_the_reply_and_keeps_what_came(server, make_model, line):
    server.answers.append(stream(text("Hel") + line, text("lo"), finish(), DONE))
    problem, got = await failed(make_model())
    assert (type(problem), got) == (ModelGarbled, [HEL])


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(page("<!doctype html><title>Log in</title>"), id="HTML page"),
        pytest.param(page("<!doctype html>\n<title>Log in</title>\n"), id="HTML page of several lines"),
        pytest.param(as_json({"object": "list"}), id="another object"),
        pytest.param(stream(), id="nothing, chunked"),
        pytest.param(stream(chunked=False), id="nothing"),
    ],
)
async def test_an_answer_that_is_no_event_stream_is_garbled(server, make_model, answer):
    server.answers.append(answer)
    problem, got = await failed(make_model())
    assert (type(problem), got) == (ModelGarbled, [])


async def test_a_body_that_does_not_decompress_is_garbled(server, make_model):
    server.answers.append(Answer([text("Hel")], headers={"content-encoding": "gzip"}))
    problem, _ = await failed(make_model())
    assert type(problem) is ModelGarbled


# Floods


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(lambda: KEYWORDS["endless"]([text("Hel")]), id="a line without end"),
        pytest.param(lambda: KEYWORDS["bomb"]([text("Hel")]), id="blank lines, compressed"),
        pytest.param(lambda: gzipped(text("Hel"), b"data: ", b"x" * 2**24), id="a line, compressed"),
    ],
)
async def test_a_flood_garbles_the_reply_and_keeps_what_came(server, make_model, flood):
    server.answers.append(flood())
    problem, got = await failed(make_model())
    assert (type(problem), got) == (ModelGarbled, [HEL])


async def test_a_line_may_be_as_long_as_a_picture(server, make_model):
    server.answers.append(stream(event({"picture": "x" * 1_000_000}), text("Hel"), DONE))
    assert await read(make_model()) == [HEL]


@pytest.mark.parametrize(
    ("before", "nothing", "after"),
    [
        pytest.param([], [b"\n" * SLICE_BYTES], ModelTimedOut, id="before the reply"),
        pytest.param([text("Hel")], [b"\n" * SLICE_BYTES], ModelStalled, id="within the reply"),
        pytest.param([text("Hel"), finish()], [event({"choices": []})], None, id="behind the reply"),
        pytest.param([text("Hel"), finish()], [usage(1, 1)], None, id="of counts behind it"),
    ],
)
async def test_a_flood_of_nothing_lasts_no_longer_than_silence(
    make_model, monkeypatch, before, nothing, after
):
    monkeypatch.setattr("chat_core.models.openai._FAREWELL_SECONDS", 0.05)
    body = Body()
    body.pieces = itertools.chain(before, itertools.cycle(nothing))
    over(monkeypatch, lambda request: httpx2.Response(200, stream=body))
    reading = read(make_model(first_token_seconds=0.1, stall_seconds=0.1))
    with pytest.raises(after) if after else nullcontext():
        await asyncio.wait_for(reading, 5)
    assert body.closed


async def test_a_reply_without_end_is_cut_as_one_that_is_too_long(make_model, monkeypatch):
    body = Body()
    body.pieces = itertools.cycle([text("word " * 2000)])
    over(monkeypatch, lambda request: httpx2.Response(200, stream=body))
    *pieces, end = await asyncio.wait_for(read(make_model()), 10)
    assert end == Finish("length")
    assert 1_000_000 < sum(len(piece.text) for piece in pieces) < 1_100_000
    assert body.closed


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_of_an_error_only_the_beginning_is_read(server, make_model, encoding):
    body = [b"Why. "] + [b" " * 2**20] * 64
    if encoding == "gzip":
        body = [gzip.compress(b"".join(body))]
    server.answers.append(Answer(body, 401, {"content-encoding": encoding}))
    tracemalloc.start()
    problem, _ = await failed(make_model())
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()
    assert (type(problem), problem.reason) == (ModelAuthFailed, "Why.")


async def test_others_have_their_turn_within_a_flood(make_model, monkeypatch):
    slices = [b"\n" * SLICE_BYTES] * 50
    over(monkeypatch, lambda request: httpx2.Response(200, stream=Body(*slices, text("Hel"), DONE)))
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    await read(make_model())
    other.cancel()
    assert turns > len(slices)


# Errors in the stream


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        pytest.param({"code": 401}, ModelAuthFailed, id="number"),
        pytest.param({"code": "429"}, ModelRateLimited, id="number as a string"),
        pytest.param({"status": 404}, ModelNotFound, id="status"),
        pytest.param({"code": 400, "type": "invalid_request"}, ModelRequestRejected, id="other 4xx"),
        pytest.param({"code": 503}, ModelServerFailed, id="5xx"),
        pytest.param({"code": "server_error"}, ModelServerFailed, id="name"),
        pytest.param({"code": None}, ModelServerFailed, id="null"),
        pytest.param({"code": 10**30}, ModelServerFailed, id="huge number"),
        pytest.param({"code": {"at": 1}}, ModelServerFailed, id="object"),
        pytest.param({}, ModelServerFailed, id="none"),
    ],
)
async def test_an_error_in_the_stream_is_read_like_a_status(server, make_model, facts, kind):
    server.answers.append(stream(text("Hel") + failure("Because.", **facts), text("lo")))
    problem, got = await failed(make_model())
    assert (type(problem), problem.reason, got) == (kind, "Because.", [HEL])


async def test_an_error_in_the_stream_may_be_a_mere_string(server, make_model):
    server.answers.append(stream(event({"error": "Because."})))
    problem, _ = await failed(make_model())
    assert (type(problem), problem.reason) == (ModelServerFailed, "Because.")


async def test_half_a_character_in_a_reason_is_replaced(server, make_model):
    server.answers.append(page(r'{"error": {"message": "Bad \ud83d"}}', 400, "application/json"))
    problem, _ = await failed(make_model())
    assert problem.reason == "Bad ?"


# Letting go


async def test_closing_the_stream_closes_the_connection(server, make_model):
    server.answers.append(stream(text("Hel"), STALL))
    items = make_model().stream(MESSAGES, model="gpt-test", sampling=SAMPLING)
    await anext(items)
    await items.aclose()
    await asyncio.wait_for(server.requests[0].closed.wait(), 1)


async def test_the_connection_is_free_when_closing_returns(make_model, monkeypatch):
    body = Body(text("Hel"), text("lo"))
    over(monkeypatch, lambda request: httpx2.Response(200, stream=body))
    items = make_model().stream(MESSAGES, model="gpt-test", sampling=SAMPLING)
    await anext(items)
    await items.aclose()
    assert body.closed


@pytest.mark.parametrize("status", [0, 200], ids=["before the answer", "before the first token"])
async def test_cancelling_a_waiting_reader_closes_the_connection(server, make_model, status):
    server.answers.append(Answer([STALL], status=status))
    reader = asyncio.create_task(read(make_model()))
    await server.asked.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await asyncio.wait_for(server.requests[0].closed.wait(), 1)


async def test_cancelling_a_reader_in_the_middle_closes_the_connection(server, make_model):
    server.answers.append(stream(text("Hel"), STALL))
    received = asyncio.Event()
    reader = asyncio.create_task(read(make_model(), [], received))
    await received.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await asyncio.wait_for(server.requests[0].closed.wait(), 1)


async def test_the_readers_own_time_out_is_not_the_models(server, make_model):
    server.answers.append(stream(text("Hel"), STALL))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await read(make_model())


# Over TLS


def certified(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


async def test_replies_come_over_tls_on_one_connection(make_model):
    async with FakeOpenAI(tls=certified("127.0.0.1")) as server:
        model = make_model(base_url=server.base_url)
        assert await read(model) == await read(model)
    assert [request.connection for request in server.requests] == [1, 1]


@pytest.mark.parametrize("ending", [CUT, RESET])
async def test_a_reply_that_is_cut_off_over_tls_keeps_what_came(make_model, ending):
    received = asyncio.Event()
    got = []
    async with FakeOpenAI(tls=certified("127.0.0.1")) as server:
        server.answers.append(stream(text("Hel"), received, ending))
        with pytest.raises(ModelDisconnected):
            await read(make_model(base_url=server.base_url), got, received)
    assert got == [HEL]


async def test_a_server_that_is_certified_by_another_name_is_unreachable(make_model):
    async with FakeOpenAI(tls=certified("provider.example")) as server:
        problem, _ = await failed(make_model(base_url=server.base_url))
    assert type(problem) is ModelUnreachable


async def test_a_server_that_speaks_no_tls_is_unreachable(make_model):
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        problem, _ = await failed(make_model(base_url=f"https://127.0.0.1:{port}/v1"))
    assert type(problem) is ModelUnreachable


async def test_a_server_that_only_sends_feels_the_connection_close(make_model):
    def send_on(listener: socket.socket) -> None:
        with certified("127.0.0.1").wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.recv(2**16)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with suppress(OSError):
                while True:
                    connection.sendall(text("Hel"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = asyncio.create_task(asyncio.to_thread(send_on, listener))
        model = make_model(base_url=f"https://127.0.0.1:{listener.getsockname()[1]}/v1")
        async with aclosing(model.stream(MESSAGES, model="gpt-test", sampling=SAMPLING)) as items:
            assert await anext(items) == HEL
        await asyncio.wait_for(server, 1)


# The border: nothing but a ModelError leaves the stream


def family(base: type[Exception]) -> list[type[Exception]]:
    return [base, *(kind for child in base.__subclasses__() for kind in family(child))]


REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
TRANSPORT_ERRORS = family(httpx2.RequestError)
SDK_ERRORS = [kind for kind in family(openai.OpenAIError) if getattr(openai, kind.__name__, None) is kind]


def sdk_error(kind: type[Exception]) -> Exception:
    if issubclass(kind, openai.APIStatusError):
        response = httpx2.Response(400, request=REQUEST)
        return kind(response=response, body=None, **({} if kind is openai.OAuthError else {"message": "m"}))
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", TRANSPORT_ERRORS)
async def test_an_error_of_the_transport_while_connecting_means_unreachable(make_model, monkeypatch, kind):
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise kind("Broken.")

    over(monkeypatch, fail)
    problem, _ = await failed(make_model())
    assert type(problem) is ModelUnreachable


@pytest.mark.parametrize("kind", [*TRANSPORT_ERRORS, ssl.SSLError])
async def test_an_error_of_the_transport_while_reading_ends_the_reply(make_model, monkeypatch, kind):
    body = Body(text("Hel"), kind("Broken."))
    over(monkeypatch, lambda request: httpx2.Response(200, stream=body))
    problem, got = await failed(make_model())
    assert type(problem) is (ModelGarbled if kind is httpx2.DecodingError else ModelDisconnected)
    assert got == [HEL]


@pytest.mark.parametrize("kind", SDK_ERRORS)
async def test_every_error_of_the_sdk_becomes_a_model_error(make_model, monkeypatch, kind):
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise sdk_error(kind)

    over(monkeypatch, fail)
    problem, _ = await failed(make_model())
    assert isinstance(problem, ModelError)
