"""What an operator sees: a line for each reply, metrics, and references that lead from one to the other."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from benchmarks.processes import free_port
from tests.app.clients import connected, start
from tests.running import RunningApp, running_app

TOKEN = "a-token-of-the-operator"
DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana.json"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, str], port: int
) -> Iterator[RunningApp]:
    settings = {
        "REDIS_URL": "memory://",
        "LOG_FORMAT": "json",
        "METRICS_TOKEN": TOKEN,
        "METRICS_PORT": f"{port}",
        "MAX_MESSAGE_CHARS": "100",
        "MODELS_PRICES": "fake=1000/2000",
    }
    with running_app(tmp_path_factory.mktemp("watched"), **settings, **model) as app:
        yield app


@pytest.fixture(scope="module")
def client(watched: RunningApp) -> Iterator[Client]:
    with connected(watched) as client:
        yield client


def scraped(url: str, **headers: str) -> dict[str, float]:
    """The samples by name with labels."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def lines_of(app: RunningApp, logger: str) -> list[dict[str, object]]:
    return [line for line in map(json.loads, app.lines) if line["logger"] == logger]


def test_replies_are_counted_and_logged_without_what_was_said(
    client: Client, watched: RunningApp, port: int
) -> None:
    conversation = start(client)
    client.predict(**conversation, message="my diary", api_name="/chat")
    with pytest.raises(AppError, match=r"Reference: (\w{8})\.") as failed:
        client.predict(**conversation, message="my diary [[401]]", api_name="/chat")
    with pytest.raises(AppError, match=r"Reference: (\w{8})\.") as refused:
        client.predict(**conversation, message="x" * 101, api_name="/chat")
    (told,) = re.findall(r"Reference: (\w{8})", str(refused.value))
    assert f"request {told} was refused: message_too_long" in watched.log

    samples = scraped(f"{watched.url}/metrics", authorization=f"Bearer {TOKEN}")
    assert samples['chat_turns_total{model="fake",outcome="done"}'] == 1
    assert samples['chat_turns_total{model="fake",outcome="failed"}'] == 1
    assert samples['chat_refused_total{code="message_too_long"}'] == 1
    assert samples['chat_tokens_total{kind="received",model="fake"}'] > 0
    assert samples['chat_turn_seconds_count{model="fake"}'] == 2
    for step in ("claim", "finish"):
        assert samples[f'chat_store_step_seconds_count{{step="{step}"}}'] == 2
        assert 0 < samples[f'chat_store_step_seconds_sum{{step="{step}"}}'] < 7
    assert samples['chat_first_token_seconds_count{model="fake"}'] == 1
    assert (samples["chat_running_turns"], samples["chat_followers"]) == (0, 0)
    assert scraped(f"http://127.0.0.1:{port}/metrics").keys() >= samples.keys()

    done, broken = lines_of(watched, "chat_core.turn")
    assert (done["level"], done["outcome"], done["provider"], done["model"]) == (
        "INFO",
        "done",
        "openai",
        "fake",
    )
    assert isinstance(done["seconds"], float)
    assert isinstance(done["cost"], float)
    assert (broken["level"], broken["outcome"], broken["error"]) == ("WARNING", "failed", "model_auth_failed")
    reference = re.search(r"Reference: (\w{8})", str(failed.value))
    assert reference
    assert broken["turn"] == reference[1]
    for secret in (*conversation.values(), "my diary", "sk-secret-of-the-owner", TOKEN):
        assert secret not in watched.log


@pytest.mark.parametrize("headers", [{}, {"authorization": TOKEN}, {"authorization": "Bearer "}])
def test_without_the_token_there_are_no_metrics(watched: RunningApp, headers: dict[str, str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        scraped(f"{watched.url}/metrics", **headers)
    assert refused.value.code == 401
    refused.value.close()


def test_unless_they_are_set_up_there_are_none(app: RunningApp) -> None:
    with pytest.raises(urllib.error.HTTPError) as missing:
        scraped(f"{app.url}/metrics", authorization="Bearer ")
    assert missing.value.code == 404
    missing.value.close()


def test_the_dashboard_shows_what_there_is(watched: RunningApp, client: Client) -> None:
    client.predict(**start(client), message="one", api_name="/chat")
    with pytest.raises(AppError):
        client.predict(**start(client), message="x" * 101, api_name="/chat")
    there = {
        name.partition("{")[0] for name in scraped(f"{watched.url}/metrics", authorization=f"Bearer {TOKEN}")
    }
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"chat_\w+", target["expr"])
    }
    assert asked - there == set()
    assert {name for name in there if not name.endswith(("_created", "_sum", "_count"))} - asked == set()


def test_what_a_conversation_has_cost_is_told_also_of_replies_that_are_gone(client: Client) -> None:
    conversation = start(client)

    def told() -> list[float | None]:
        history = client.predict(**conversation, api_name="/history")
        sessions = client.predict(conversation["user_id"], api_name="/sessions")["sessions"]
        return [history["cost"], sessions[0]["cost"]]

    assert told() == [None, None]
    client.predict(**conversation, message="One", api_name="/chat")
    reply = client.predict(**conversation, api_name="/history")["messages"][-1]
    assert told() == pytest.approx([reply["usage"]["cost"]] * 2)
    client.submit(**conversation, api_name="/regenerate").result()
    assert told() == pytest.approx([2 * reply["usage"]["cost"]] * 2)
    client.predict(**conversation, api_name="/clear_history")
    assert told() == pytest.approx([2 * reply["usage"]["cost"]] * 2)
