"""The endpoints of OpenAI's API, called by its own client."""

import re
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from tests.conftest import eventually
from tests.fake_openai import STALL, FakeOpenAI, stream, text
from tests.running import RunningApp, running_app

KEY = "a-key-that-is-long-enough"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, model: dict[str, str]) -> Iterator[RunningApp]:
    """The app with keys, where people have to log in."""
    logins = "ann:scrypt.14.8.5." + "S" * 22 + "." + "K" * 43
    settings = {"API_KEYS": f"another-key-of-somebody,{KEY}", "AUTH_USERS": logins, "RATE_LIMIT": ""}
    with running_app(tmp_path_factory.mktemp("keyed"), REDIS_URL="memory://", **settings, **model) as app:
        yield app


@pytest.fixture
def client(keyed: RunningApp) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{keyed.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def ask(client: OpenAI, message: str, model: str = "fake", **options: object):
    messages = [{"role": "user", "content": message}]
    return client.chat.completions.create(model=model, messages=messages, **options)


def test_models_and_roles_are_listed(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[:2] == ["fake", "other"]
    assert "role:teacher" in names


def test_a_reply_comes_whole_with_its_tokens(client: OpenAI, provider: FakeOpenAI) -> None:
    answer = ask(client, "Hello", temperature=0.5, max_tokens=9)
    assert answer.choices[0].message.content == "You said: Hello"
    assert (answer.choices[0].finish_reason, answer.usage.total_tokens) == ("stop", 10)
    sent = provider.requests[-1].body
    assert (sent["messages"], sent["temperature"]) == ([{"role": "user", "content": "Hello"}], 0.5)
    assert sent["max_tokens"] == 9


def test_a_reply_streams_with_its_tokens_at_the_end(client: OpenAI) -> None:
    chunks = [*ask(client, "[[reason]]", stream=True, stream_options={"include_usage": True})]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "You said: [[reason]]"
    thoughts = [getattr(delta, "reasoning_content", None) or "" for delta in deltas]
    assert "".join(thoughts) == "Let me think."
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None


def test_a_role_answers_and_without_a_name_nothing_is_remembered(
    client: OpenAI, provider: FakeOpenAI
) -> None:
    ask(client, "One", "role:teacher")
    ask(client, "Two", "role:teacher")
    system, asked = provider.requests[-1].body["messages"]
    assert "teacher" in system["content"].lower()
    assert asked == {"role": "user", "content": "Two"}


@pytest.mark.parametrize(
    "named",
    [{"user": "ana"}, {"extra_headers": {"X-Session-Id": "a b/ä".encode().hex()}}],
    ids=["user", "header"],
)
def test_a_conversation_with_a_name_is_remembered_by_who_has_the_key(
    client: OpenAI, keyed: RunningApp, provider: FakeOpenAI, named: dict
) -> None:
    assert ask(client, "One", "role:teacher", **named).choices[0].message.content == "You said: One"
    assert [*ask(client, "Two", "role:teacher", stream=True, **named)]
    said = [message["content"] for message in provider.requests[-1].body["messages"][1:]]
    assert said == ["One", "You said: One", "Two"]
    with OpenAI(base_url=f"{keyed.url}/v1", api_key="another-key-of-somebody") as other:
        ask(other, "Three", **named)
    assert len(provider.requests[-1].body["messages"]) == 2


def test_of_a_picture_it_has_the_few_words_in_its_place(client: OpenAI) -> None:
    named = {"user": "painter"}
    assert ask(client, "/image a tree", **named).choices[0].message.content == "[picture: a tree]"
    deltas = [chunk.choices[0].delta for chunk in ask(client, "/image a house", stream=True, **named)]
    assert "".join(delta.content or "" for delta in deltas) == "[picture: a house]"
    assert all(not hasattr(delta, "reasoning_content") for delta in deltas)


def test_nobody_comes_in_without_a_key(keyed: RunningApp) -> None:
    for key in ("", "x", KEY + "x", KEY[:-1]):
        with OpenAI(base_url=f"{keyed.url}/v1", api_key=key or "-", max_retries=0) as stranger:
            with pytest.raises(openai.AuthenticationError):
                stranger.models.list()
            with pytest.raises(openai.AuthenticationError):
                ask(stranger, "Hello")


def test_without_keys_there_is_no_such_api(app: RunningApp) -> None:
    with (
        OpenAI(base_url=f"{app.url}/v1", api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.APIError),
    ):
        ask(client, "Hello")


@pytest.mark.parametrize("named", [{}, {"user": "bob"}], ids=["alone", "in a conversation"])
def test_what_is_refused_has_the_form_and_the_status_that_clients_know(client: OpenAI, named: dict) -> None:
    with pytest.raises(openai.BadRequestError, match="There is no such model") as refused:
        ask(client, "Hello", "none", **named)
    assert refused.value.code == "unknown_model"
    with pytest.raises(openai.BadRequestError):
        ask(client, "Hello", "role:none", **named)
    with pytest.raises(openai.BadRequestError, match="temperature"):
        ask(client, "Hello", temperature=9, **named)
    with pytest.raises(openai.InternalServerError, match="API key") as failed:
        ask(client, "[[401]]", **named)
    assert failed.value.code == "model_auth_failed"


def test_the_example_in_the_readme_runs(keyed: RunningApp, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(from openai.*?)```", readme, re.DOTALL)
    code = code.replace("http://127.0.0.1:7860", keyed.url).replace("one of API_KEYS", KEY)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "You said: Why is the sky blue?"


def test_a_list_of_nothing_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model="fake", messages=[])


@pytest.mark.parametrize("named", [{}, {"user": "eve"}], ids=["alone", "in a conversation"])
async def test_whoever_leaves_ends_the_reply(
    keyed: RunningApp, client: OpenAI, provider: FakeOpenAI, named: dict
) -> None:
    provider.answers.append(stream(text("One"), STALL))
    answer = ask(client, "Hello", stream=True, **named)
    assert [next(answer).choices[0].delta.content for _ in range(2)] == ["", "One"]
    answer.close()
    request = provider.requests[-1]

    async def is_closed() -> bool:
        return request.closed.is_set()

    await eventually(is_closed)
