"""Orders of pictures, and how they are asked for: over real HTTP, in whatever form the answer comes."""

from collections.abc import AsyncIterator

import pytest

from chat_core.errors import (
    ModelAuthFailed,
    ModelDisconnected,
    ModelError,
    ModelFiltered,
    ModelGarbled,
    ModelPictureUnusable,
    ModelQuotaExhausted,
    ModelRequestRejected,
    ModelServerFailed,
    ModelTimedOut,
)
from chat_core.messages import Usage
from chat_core.models import DrawnPicture, OpenAIChatModel
from chat_core.pictures import PictureOrder
from chat_core.providers import known_providers
from tests.fake_openai import (
    CUT,
    RESET,
    STALL,
    Answer,
    FakeOpenAI,
    drawn,
    drawn_at,
    error,
    failure,
    page,
    picture_event,
    picture_file,
    stream,
)

PNG = {"content-type": "image/png"}
PARTIAL = picture_event(picture_file(8, "grey"), is_partial=True)


@pytest.mark.parametrize(
    ("message", "order"),
    [
        ("/image a red house", PictureOrder("a red house")),
        (" /image\ntwo\nlines --size 1K", PictureOrder("two\nlines", size="1K")),
        ("/image x --quality=high --size 1x1 --model a/b", PictureOrder("x", "1x1", "high", "a/b")),
        ("/image the --size matters here", PictureOrder("the --size matters here")),
        ("/image --size 1K", PictureOrder("", size="1K")),
        ("/image", PictureOrder("")),
        ("/images of cats", None),
        ("Draw: /image a cat", None),
    ],
)
def test_an_order_stands_in_the_text_of_its_message(message: str, order: PictureOrder | None) -> None:
    assert PictureOrder.of(message) == order
    if order and order.prompt:
        assert PictureOrder.of(order.message) == order


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


@pytest.fixture
async def model(server: FakeOpenAI) -> AsyncIterator[OpenAIChatModel]:
    provider = known_providers()["openai"].updated(base_url=server.base_url)
    model = OpenAIChatModel(api_key="sk-test", provider=provider, picture_seconds=0.3)
    yield model
    await model.aclose()


async def draw(model: OpenAIChatModel, name: str = "dall-e-3") -> list[DrawnPicture | Usage]:
    return [item async for item in model.draw(PictureOrder("a house"), [], model=name)]


async def test_what_each_model_is_asked_is_a_row(server: FakeOpenAI, model: OpenAIChatModel) -> None:
    data = picture_file(8)
    server.answers += [drawn(data), stream(PARTIAL, picture_event(data))]
    usage = Usage(prompt_tokens=7, completion_tokens=272, total_tokens=279)
    assert await draw(model) == [DrawnPicture(data), usage]
    assert await draw(model, "gpt-image-1") == [
        DrawnPicture(picture_file(8, "grey"), is_partial=True),
        DrawnPicture(data),
        usage,
    ]
    asked = {"prompt": "a house", "n": 1}
    assert [request.body for request in server.requests] == [
        {"model": "dall-e-3", "response_format": "b64_json", **asked},
        {"model": "gpt-image-1", "stream": True, "partial_images": 2, **asked},
    ]


FAILURES: list[tuple[str, Answer, type[ModelError]]] = [
    ("policy", error(400, "Rejected.", code="moderation_blocked"), ModelFiltered),
    ("other", error(400, "No such size."), ModelRequestRejected),
    ("busy", error(500), ModelServerFailed),
    ("key", error(401), ModelAuthFailed),
    ("credit", error(400, "Billing hard limit", code="billing_hard_limit_reached"), ModelQuotaExhausted),
    ("no base64", page('{"data": [{"b64_json": "###"}]}', 200, "application/json"), ModelPictureUnusable),
    ("huge", Answer([b'{"x": "', *[b"x" * 2**20] * 16], headers=PNG), ModelPictureUnusable),
    ("empty", drawn(b""), ModelGarbled),
    ("html", page("<html>"), ModelGarbled),
    ("nothing", page('{"data": []}', 200, "application/json"), ModelGarbled),
    ("no object", page('{"data": [7]}', 200, "application/json"), ModelGarbled),
    ("in the stream", stream(PARTIAL, failure("Overloaded.", code="500")), ModelServerFailed),
    ("cut", stream(b'{"data": [{"b64', CUT), ModelDisconnected),
    ("reset", stream(PARTIAL[:50], RESET), ModelDisconnected),
    ("only partial", stream(PARTIAL), ModelDisconnected),
    ("mute", stream(STALL), ModelTimedOut),
    ("loopback", drawn_at("http://127.0.0.1:9/picture.png"), ModelPictureUnusable),
    ("mapped", drawn_at("http://[::ffff:127.0.0.1]:9/picture.png"), ModelPictureUnusable),
    ("metadata", drawn_at("http://169.254.169.254/latest"), ModelPictureUnusable),
    ("localhost", drawn_at("http://localhost:9/picture.png"), ModelPictureUnusable),
    ("file", drawn_at("file:///etc/passwd"), ModelPictureUnusable),
]


@pytest.mark.parametrize(("answer", "kind"), [f[1:] for f in FAILURES], ids=[f[0] for f in FAILURES])
async def test_a_failure_has_a_type_and_is_not_tried_again(
    server: FakeOpenAI, model: OpenAIChatModel, answer: Answer, kind: type[ModelError]
) -> None:
    server.answers.append(answer)
    with pytest.raises(kind) as caught:
        await draw(model)
    assert type(caught.value) is kind
    assert len(server.requests) == 1  # each costs something


async def test_only_the_providers_own_address_may_be_a_private_one(
    server: FakeOpenAI, model: OpenAIChatModel
) -> None:
    url, data = server.base_url.removesuffix("/v1"), picture_file(8)
    server.files["/a.png"] = Answer([data], headers=PNG)
    server.files["/b.png"] = Answer([b"x" * 2**20] * 11, headers=PNG)
    server.files["/c.png"] = Answer([], 302, {"location": f"{url}/a.png"})
    server.answers.append(drawn_at(f"{url}/a.png"))
    assert await draw(model) == [DrawnPicture(data)]
    elsewhere = f"http://localhost:{server.port}/a.png"
    for address in (f"{url}/b.png", f"{url}/c.png", f"{url}/d.png", elsewhere):
        server.answers.append(drawn_at(address))
        with pytest.raises(ModelPictureUnusable):
            await draw(model)
    assert [request.path for request in server.requests if request.method == "GET"] == [
        "/a.png",
        "/b.png",
        "/c.png",
        "/d.png",
    ]


async def test_closing_ends_the_request(server: FakeOpenAI, model: OpenAIChatModel) -> None:
    server.answers.append(stream(PARTIAL, STALL))
    items = model.draw(PictureOrder("a house"), [], model="gpt-image-1")
    assert isinstance(await anext(items), DrawnPicture)
    await items.aclose()
    await server.requests[0].closed.wait()
