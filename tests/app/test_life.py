"""The app as a process: how it starts, refuses to start, is watched, is ended, and comes back."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from chat_core.storage.valkey import EmbeddedValkey
from tests.app.clients import connected, start
from tests.logins import auth_users, password
from tests.running import APP, RunningApp, launch, running_app

pytestmark = pytest.mark.long


def get(url: str, **headers: str) -> tuple[int, dict[str, str], str]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, model: dict[str, str], valkey: EmbeddedValkey
) -> Iterator[tuple[RunningApp, Path]]:
    """An app with logins, a named origin and a limit, over a given Redis; and where it runs."""
    settings = {
        "AUTH_USERS": auth_users("ana", "bob", "cleo", "dan"),
        "CORS_ORIGINS": "https://elsewhere.example",
        "RATE_LIMIT": "2/minute",
        "REDIS_URL": f"unix://{valkey.socket}",
    }
    directory = tmp_path_factory.mktemp("guarded")
    with running_app(directory, **settings, **model) as app:
        yield app, directory


def test_a_history_tells_what_the_limit_of_messages_has_cost(tmp_path: Path, model: dict[str, str]) -> None:
    limits = {"REDIS_URL": "memory://", "MAX_STORED_MESSAGES": "3"}
    with running_app(tmp_path, **limits, **model) as app, connected(app) as client:
        conversation = start(client)
        for message in ("one", "two"):
            client.predict(**conversation, message=message, api_name="/chat")
        history = client.predict(**conversation, api_name="/history")
    assert (history["total"], history["dropped"]) == (3, 1)
    assert [message["content"] for message in history["messages"]] == [
        "You said: one",
        "two",
        "You said: two",
    ]


def test_every_mistake_in_the_configuration_is_named_at_once_without_a_traceback(
    tmp_path: Path,
) -> None:
    process = launch(
        tmp_path,
        MAX_STORED_MESSAGES="many",
        RATE_LIMIT="often",
        OPENAI_API_KEY="sk-visible",
        OPENAI_BASE_URL="nowhere",
        REDIS_PORT="99999",
    )
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "Traceback" not in errors
    assert "sk-visible" not in errors
    named = re.findall(r"^  ([A-Z_]+): expected", errors, re.MULTILINE)
    assert set(named) == {"MAX_STORED_MESSAGES", "RATE_LIMIT", "OPENAI_BASE_URL", "REDIS_PORT"}


def test_a_broken_roles_file_is_explained_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "roles.toml").write_text('[[roles]]\nkey = "Cook!"\nname = "Cook"\n')
    process = launch(tmp_path, ROLES_FILE="roles.toml")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "Traceback" not in errors
    assert "ROLES_FILE roles.toml: roles.1.key" in errors
    assert "roles.1.prompt: field required" in errors


def test_importing_app_opens_no_connection_starts_no_server_and_looks_for_no_garbage(tmp_path: Path) -> None:
    code = f"""
import socket, subprocess, sys
def refuse(*_, **__): raise AssertionError("a connection was opened")
socket.socket.connect = socket.socket.connect_ex = subprocess.Popen.__init__ = refuse
sys.path.insert(0, {str(APP.parent)!r})
collections = []
import gc; gc.callbacks.append(lambda phase, _: collections.append(phase))
import app, gradio, fastapi
assert isinstance(app.demo, gradio.Blocks) and isinstance(app.app, fastapi.FastAPI)
assert gc.isenabled() and len(collections) < 20, len(collections)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_healthz_says_ok_while_store_and_model_are_there(app: RunningApp) -> None:
    status, _, body = get(f"{app.url}/healthz")
    assert status == 200
    assert json.loads(body) == {"status": "ok", "store": "ok", "model": "ok"}
    assert [get(f"{app.url}/{probe}")[0] for probe in ("livez", "readyz")] == [200, 200]


def test_without_its_store_the_app_answers_says_so_and_recovers_nothing_it_never_had(
    tmp_path: Path, model: dict[str, str]
) -> None:
    with running_app(tmp_path, REDIS_URL="redis://127.0.0.1:1", **model) as app:
        status, _, body = get(f"{app.url}/healthz")
        assert (status, json.loads(body)["store"]) == (503, "unavailable")
        assert get(f"{app.url}/livez")[0] == 200
        status, _, body = get(f"{app.url}/readyz")
        assert (status, json.loads(body)) == (503, {"status": "unavailable", "store": "away"})
        assert get(app.url)[0] == 200
        with connected(app) as client, pytest.raises(AppError, match="store does not answer"):
            client.predict(api_name="/start_chat")


def test_a_login_is_the_user_whatever_the_client_claims(guarded: tuple[RunningApp, Path]) -> None:
    app, _ = guarded
    with connected(app, auth=("ana", password("ana"))) as ana:
        conversation = start(ana, user_id="bob")
        assert conversation["user_id"] == "ana"
        ana.predict(**{**conversation, "user_id": "bob"}, message="mine", api_name="/chat")
        assert ana.predict(user_id="x", api_name="/sessions")["total"] == 1
    with connected(app, auth=("bob", password("bob"))) as bob:
        assert bob.predict(user_id="ana", api_name="/sessions")["total"] == 0
        with pytest.raises(AppError, match="not found"):
            bob.predict(**conversation, api_name="/history")
    assert get(f"{app.url}/config")[0] == 401


def test_over_a_given_redis_too_many_messages_are_refused_with_the_seconds_to_wait(
    guarded: tuple[RunningApp, Path],
) -> None:
    app, directory = guarded
    with connected(app, auth=("cleo", password("cleo"))) as client:
        assert list(directory.iterdir()) == []
        conversation = start(client)
        for message in ("one", "two"):
            client.predict(**conversation, message=message, api_name="/chat")
        with pytest.raises(AppError, match=r"try again in \d+ seconds"):
            client.predict(**conversation, message="three", api_name="/chat")
        assert client.predict(**conversation, api_name="/history")["total"] == 4
    with connected(app, auth=("dan", password("dan"))) as client:
        assert client.predict(**start(client), message="another user", api_name="/chat")


def test_other_origins_are_let_in_only_when_they_are_named(
    app: RunningApp, guarded: tuple[RunningApp, Path]
) -> None:
    asked = {"Origin": "https://elsewhere.example"}
    _, headers, _ = get(f"{app.url}/config", **asked)
    assert not [name for name in headers if name.lower().startswith("access-control-allow")]
    _, headers, _ = get(f"{guarded[0].url}/config", **asked)
    assert headers["access-control-allow-origin"] == "https://elsewhere.example"


def end_in_the_middle(
    app: RunningApp, client: Client, how: signal.Signals
) -> tuple[dict[str, str], list[str]]:
    """Ends the app so while a reply runs: the conversation, and the pieces that were seen."""
    conversation = start(client)
    job = client.submit(**conversation, message="a b c d e [[slow]] f", api_name="/chat_events")
    assert next(job)["type"] == "started"
    pieces = [next(job)["text"] for _ in range(3)]
    app.end(how)
    return conversation, pieces


def interrupted_reply(client: Client, conversation: dict[str, str]) -> str:
    """What was kept, once it is certain that no process writes it any more; and it can be gone on from."""
    (*_, done) = client.submit(**conversation, api_name="/resume")
    (reply,) = client.predict(**conversation, api_name="/history")["messages"][1:]
    assert done["status"] == "interrupted"
    assert reply == done["message"]
    assert client.predict(**conversation, message="again", api_name="/chat") == "You said: again"
    return str(reply["content"])


def test_sigterm_loses_nothing_of_a_running_reply_and_a_kill_at_most_the_last_piece(
    directory: Path, model: dict[str, str]
) -> None:
    socket = directory / "data" / "valkey.sock"
    with running_app(directory, **model) as app, connected(app) as client:
        ended, pieces = end_in_the_middle(app, client, signal.SIGTERM)
        assert not socket.exists()
    with running_app(directory, **model) as app, connected(app) as client:
        assert interrupted_reply(client, ended).startswith("".join(pieces))
        killed, pieces = end_in_the_middle(app, client, signal.SIGKILL)
        assert socket.exists()
    with running_app(directory, **model) as app, connected(app) as client:
        assert interrupted_reply(client, killed).startswith("".join(pieces[:-1]))


def test_with_nothing_set_three_turns_with_the_embedded_model_survive_a_restart(
    directory: Path,
) -> None:
    with running_app(directory) as app, connected(app) as client:
        assert json.loads(get(f"{app.url}/healthz")[2])["model"] == "ok"
        conversation = start(client)
        replies = [client.predict(**conversation, message="What is the capital of France?", api_name="/chat")]
        for message in ("And of Italy?", "And of Spain?"):  # a small model may not find an end to these
            job = client.submit(**conversation, message=message, api_name="/chat_events")
            assert next(job)["type"] == "started"
            assert next(event for event in job if event["type"] == "text" and event["text"].strip())
            with connected(app) as other:
                other.predict(**conversation, api_name="/stop")
            (*_, done) = job
            assert done["status"] in ("done", "stopped")
            replies.append(done["message"]["content"])
        assert all(reply.strip() for reply in replies)
        models = client.predict(api_name="/models")["models"]
        assert models == ["SmolLM2-135M-Instruct"]
    with running_app(directory) as app, connected(app) as client:
        messages = client.predict(**conversation, api_name="/history")["messages"]
    assert [m["content"] for m in messages if m["role"] == "assistant"] == replies
    assert messages[5]["context"]["sent"] == 5
