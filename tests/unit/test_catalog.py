"""ModelCatalog: which models there are, who answers, and who takes over."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from chat_core.errors import (
    ContextTooLong,
    ModelAuthFailed,
    ModelDisconnected,
    ModelNotConfigured,
    ModelServerFailed,
)
from chat_core.messages import Sampling, Usage
from chat_core.models import AnsweredBy, CatalogOptions, ModelCatalog, Piece, StreamItem
from chat_core.models.transport import HttpClient
from chat_core.providers import Provider, Rule
from tests.fake_openai import CUT, FakeOpenAI, as_json, error, finish, page, reply, stream, text, usage

HEL = Piece("text", "Hel")
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
PICTURE: Any = [{"role": "user", "content": [{"type": "text", "text": "Look!"}]}]

OpenCatalog = Callable[..., Awaitable[ModelCatalog]]


@pytest.fixture
async def servers() -> AsyncIterator[tuple[FakeOpenAI, FakeOpenAI]]:
    async with FakeOpenAI() as first, FakeOpenAI() as second:
        yield first, second


@pytest.fixture
async def open_catalog(servers, monkeypatch) -> AsyncIterator[OpenCatalog]:
    """A catalog of the providers "one" and "two", opened."""
    monkeypatch.setattr("chat_core.models.catalog.HttpClient", partial(HttpClient, verify=False))
    async with AsyncExitStack() as stack:

        async def open_catalog(one: dict, two: dict, **options: Any) -> ModelCatalog:
            rows = zip(("one", "two"), (one, two), servers, strict=True)
            providers = tuple(Provider(name=name, base_url=s.base_url, **row) for name, row, s in rows)
            catalog = ModelCatalog(CatalogOptions(providers, **options))
            await catalog.open(stack)
            return catalog

        yield open_catalog


async def read(catalog: ModelCatalog, model: str, messages: Any = MESSAGES) -> list[StreamItem]:
    items: list[StreamItem] = []
    async with aclosing(catalog.model.stream(messages, model=model, sampling=Sampling())) as answer:
        items += [item async for item in answer if not isinstance(item, Usage)]
    return items


async def test_models_go_by_their_names_and_by_their_providers_where_two_have_one(open_catalog, servers):
    catalog = await open_catalog(
        {"models": ("a", "b"), "api_key": SecretStr("key-one")},
        {"models": ("b", "c"), "rules": (Rule(for_models=("c",), vision=False),)},
        default_model="two/b",
        text_only_models=("a",),
    )
    assert catalog.names == ("two/b", "a", "one/b", "c")
    assert catalog.vision_models == ("two/b", "one/b")
    assert [catalog.find(name).name for name in ("one/a", "b", "two/b")] == ["a", "two/b", "two/b"]
    assert catalog.find("d") is None
    first, second = servers
    await read(catalog, "one/b")
    await read(catalog, "c")
    assert (first.requests[0].body["model"], second.requests[0].body["model"]) == ("b", "c")
    assert first.requests[0].headers["authorization"] == "Bearer key-one"
    assert second.requests[0].headers["authorization"] == "Bearer none"
    with pytest.raises(ModelNotConfigured):
        await read(catalog, "d")


async def test_others_take_over_before_the_first_piece_and_are_named(open_catalog, servers):
    first, second = servers
    catalog = await open_catalog({"models": ("a",)}, {"models": ("b", "c")}, fallback_models=("a", "b", "c"))
    first.answers.append(error(401))
    second.answers += [error(401), reply("Hel")]
    assert await read(catalog, "a") == [AnsweredBy("c"), HEL]
    first.answers.append(reply("Hel"))
    assert await read(catalog, "a") == [HEL]


async def test_nobody_takes_over_a_reply_that_has_begun(open_catalog, servers):
    catalog = await open_catalog({"models": ("a",)}, {"models": ("b",)}, fallback_models=("b",))
    received = asyncio.Event()
    servers[0].answers.append(stream(text("Hel"), received, CUT))
    async with aclosing(catalog.model.stream(MESSAGES, model="a", sampling=Sampling())) as answer:
        assert await anext(answer) == HEL
        received.set()
        with pytest.raises(ModelDisconnected):
            await anext(answer)
    assert servers[1].requests == []


async def test_what_is_wrong_with_the_request_is_told_at_once(open_catalog, servers):
    catalog = await open_catalog({"models": ("a",)}, {"models": ("b",)}, fallback_models=("b",))
    servers[0].answers.append(error(400, "Too long.", code="context_length_exceeded"))
    with pytest.raises(ContextTooLong):
        await read(catalog, "a")
    assert servers[1].requests == []


async def test_where_all_fail_the_first_failure_is_told_and_pictures_go_only_to_who_sees(
    open_catalog, servers
):
    catalog = await open_catalog(
        {"models": ("a",)}, {"models": ("b",), "vision": False}, fallback_models=("b",)
    )
    servers[0].otherwise = lambda request: error(401, "No.")
    servers[1].otherwise = lambda request: error(500, "Broken.", retry_after="30")
    with pytest.raises(ModelAuthFailed):
        await read(catalog, "a")
    assert len(servers[1].requests) == 1
    with pytest.raises(ModelAuthFailed):
        await read(catalog, "a", PICTURE)
    assert len(servers[1].requests) == 1
    with pytest.raises(ModelServerFailed):
        await read(catalog, "b")


async def test_a_provider_without_names_is_asked_for_its_models(open_catalog, servers, monkeypatch):
    monkeypatch.setattr("chat_core.models.catalog._ASK_EVERY_SECONDS", 0)
    listed = ["llama", "nomic-embed-text", "whisper-1"]
    servers[1].models = as_json({"object": "list", "data": [{"id": name} for name in listed]})
    catalog = await open_catalog({"models": ("a",)}, {})
    await catalog.discover()
    assert (catalog.unnamed, catalog.names) == (("two",), ("a", "llama"))
    assert await read(catalog, "llama")
    servers[1].models = page("<html>", 500)
    await catalog.discover()
    assert catalog.names == ("a", "llama")


async def test_a_provider_that_tells_nothing_leaves_a_name_that_fails(open_catalog, servers):
    servers[0].models = servers[1].models = error(404)
    catalog = await open_catalog({}, {})
    await catalog.discover()
    assert catalog.names == ("none",)


@pytest.mark.parametrize(
    ("price", "told", "cost"),
    [((2.0, 10.0), {}, 34 / 1e6), (None, {}, None), ((2.0, 10.0), {"cost": 0.5}, 0.5)],
    ids=["by the price", "unknown", "as the provider says"],
)
async def test_the_cost_of_a_reply_comes_with_its_tokens(open_catalog, servers, price, told, cost):
    rules = (Rule(for_models=("a",), price=price),) if price else ()
    catalog = await open_catalog({"models": ("a",), "rules": rules}, {"models": ("b",)})
    counted = (
        usage(7, 2)
        if not told
        else usage(7, 2).replace(b'"total_tokens": 9', b'"total_tokens": 9, "cost": 0.5')
    )
    servers[0].answers.append(stream(text("Hel"), finish(), counted))
    async with aclosing(catalog.model.stream(MESSAGES, model="a", sampling=Sampling())) as answer:
        (spent,) = [item async for item in answer if isinstance(item, Usage)]
    assert spent.cost == (pytest.approx(cost) if cost else None)


def test_costs_add_up_as_long_as_they_are_known():
    known, unknown = Usage(total_tokens=1, cost=0.5), Usage(total_tokens=2)
    assert (known + known).cost == 1.0
    assert (known + unknown) == Usage(total_tokens=3)
