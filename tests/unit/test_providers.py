"""Providers: their rows, what is sent to each, and how files of a person's own are read."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from chat_core import ConfigError, Sampling
from chat_core.models import OpenAIChatModel
from chat_core.providers import Provider, known_providers, load_providers, provider_at
from tests.fake_openai import FakeOpenAI

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
LONG = Sampling(temperature=0.5, max_tokens=5)


async def asked(server: FakeOpenAI, provider: Provider, model: str, sampling: Sampling, path: str = "/v1"):
    """The request that the provider gets."""
    base_url = f"http://127.0.0.1:{server.port}{path}"
    chat = await asyncio.to_thread(OpenAIChatModel, api_key="k", base_url=base_url, provider=provider)
    async with aclosing(chat), aclosing(chat.stream(MESSAGES, model=model, sampling=sampling)) as items:
        assert [item async for item in items]
    return server.requests[-1]


# Each row: a model of a provider, what is chosen, and what its request has (None: has not) because of that.
@pytest.mark.parametrize(
    ("name", "model", "sampling", "sent"),
    [
        ("openai", "gpt-4o", LONG, {"temperature": 0.5, "max_completion_tokens": 5, "max_tokens": None}),
        ("openai", "o3", LONG, {"temperature": None}),
        ("openai", "gpt-5", Sampling(effort="low"), {"reasoning_effort": "low"}),
        ("openai", "gpt-4o", Sampling(effort="low"), {"reasoning_effort": None}),
        ("deepseek", "deepseek-chat", LONG, {"temperature": 0.5, "max_tokens": 5}),
        ("deepseek", "deepseek-reasoner", LONG, {"temperature": None}),
        ("qwen", "qwen-plus", Sampling(effort="off"), {"enable_thinking": False}),
        ("qwen", "qwen-plus", Sampling(), {"enable_thinking": None}),
        ("doubao", "doubao-seed", Sampling(effort="on"), {"thinking": {"type": "enabled"}}),
        ("kimi", "kimi-latest", LONG, {"temperature": 0.5, "max_tokens": 5}),
        ("openrouter", "openrouter/auto", Sampling(effort="high"), {"reasoning": {"effort": "high"}}),
        ("gemini", "gemini-flash-latest", Sampling(effort="low"), {"reasoning_effort": "low"}),
        (
            "gemini",
            "gemma-3-27b-it",
            Sampling(),
            {"messages": [{"role": "user", "content": "Be brief.\n\nHello"}]},
        ),
        (
            "anthropic",
            "claude-sonnet-4-5",
            Sampling(effort="on"),
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        ("mistral", "mistral-small-latest", LONG, {"stream_options": None, "max_tokens": 5}),
        ("groq", "openai/gpt-oss-20b", LONG, {"max_completion_tokens": 5, "max_tokens": None}),
        ("ollama", "llama3.2", LONG, {"max_tokens": 5, "stream_options": {"include_usage": True}}),
    ],
)
async def test_each_provider_is_sent_what_it_takes(name, model, sampling, sent):
    async with FakeOpenAI() as server:
        request = await asked(server, known_providers()[name], model, sampling)
    assert {key: request.body.get(key) for key in sent} == sent


async def test_azure_is_asked_at_its_deployment_with_its_own_header_and_version():
    async with FakeOpenAI() as server:
        azure = known_providers()["azure"]
        request = await asked(server, azure, "mine", LONG, "/openai/deployments/{model}")
    assert request.path == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"] == "k"


async def test_what_a_provider_always_gets_and_its_defaults_are_sent():
    provider = Provider(body={"top_k": 3}, headers={"X-Who": "me"}, query={"v": "2"}, default_temperature=0.1)
    async with FakeOpenAI() as server:
        first = await asked(server, provider, "m", Sampling())
        second = await asked(server, provider, "m", LONG)
    assert (first.body["top_k"], first.body["temperature"], second.body["temperature"]) == (3, 0.1, 0.5)
    assert (first.headers["x-who"], first.path) == ("me", "/v1/chat/completions?v=2")


def test_every_row_says_who_it_is_and_that_it_can_be_reached():
    for name, provider in known_providers().items():
        assert provider.name == name
        assert provider.title
        assert 1 <= len(provider.icon) <= 3
        assert provider.base_url.startswith("http") or name == "azure"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://api.example.org/v1", ""),
        ("", ""),
    ],
)
def test_a_provider_is_known_by_its_address(address, name):
    assert provider_at(address, known_providers().values()).name == name


def test_a_rule_says_only_what_is_different():
    row = known_providers()["qwen"]
    assert (row.capabilities("qwen-plus").vision, row.capabilities("qwen-vl-plus").vision) == (False, True)
    assert row.capabilities("qwen-vl-plus").efforts == row.efforts


def test_a_file_adds_providers_and_changes_known_ones(tmp_path: Path):
    file = tmp_path / "providers.toml"
    file.write_text(
        """
        [deepseek]
        models = ["deepseek-chat"]
        [mine]
        icon = "🏠"
        base_url = "http://127.0.0.1:9/v1"
        models = ["small"]
        [[mine.rules]]
        for_models = ["small"]
        price = [0.5, 1.5]
        """,
        encoding="utf-8",
    )
    providers = load_providers(file)
    assert providers["deepseek"].models == ("deepseek-chat",)
    assert providers["deepseek"].base_url == known_providers()["deepseek"].base_url
    assert providers["mine"].title == "mine"
    assert providers["mine"].capabilities("small").price == (0.5, 1.5)
    assert providers.keys() > known_providers().keys()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mine]\ncolour = 1", "PROVIDERS_FILE: mine.colour: Extra inputs are not permitted"),
        ("[mine]\nvision = 'perhaps'\n[yours]\nicon = 1", "mine.vision"),
        ("mine = 1", "PROVIDERS_FILE: mine: expected a table"),
        ("[mine", "cannot be read (TOMLDecodeError)"),
    ],
)
def test_every_mistake_in_a_file_is_named_without_its_value(tmp_path: Path, text: str, told: str):
    file = tmp_path / "providers.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_providers(file)
    assert told in str(caught.value)
    assert "perhaps" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"PROVIDERS_FILE: .* cannot be read \(FileNotFoundError\)"):
        load_providers(tmp_path / "none.toml")
