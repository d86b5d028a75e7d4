"""The scripted server on its own: what browser and process tests drive by keywords."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.fake_openai import in_thread, reply


@contextmanager
def in_process(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.fake_openai", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def say(base_url: str, message: str | list[dict[str, object]]) -> httpx2.Response:
    body = {"messages": [{"role": "user", "content": message}], "stream": True}
    return httpx2.post(f"{base_url}/chat/completions", json=body)


def test_a_process_of_its_own_echoes_and_takes_keywords():
    with in_process("--rate", "500") as base_url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", base_url)
        assert [m["id"] for m in httpx2.get(f"{base_url}/models").json()["data"]] == ["fake"]
        echo = say(base_url, "hello there")
        assert all(word in echo.text for word in ("You ", "said: ", "hello ", "there", "[DONE]"))
        assert say(base_url, "[[401]]").json()["error"]["message"] == "Unauthorized"
        assert say(base_url, "[[429]]").headers["retry-after"] == "30"
        assert "reasoning_content" in say(base_url, "[[reason]] about it").text
        assert len(say(base_url, "[[bomb]]").content) > 2**24
        assert max(map(len, say(base_url, "[[endless]]").iter_lines())) >= 2**24
        assert say(base_url, "[[html]]").text.startswith("<!doctype html>")
        with pytest.raises(httpx2.RemoteProtocolError):
            say(base_url, "[[cut]]")
        seen = httpx2.get(base_url.removesuffix("/v1") + "/requests").json()
        assert [row["body"]["messages"][-1]["content"] for row in seen][:2] == ["hello there", "[[401]]"]
        assert [row["answered"] for row in seen] == [True] * 7 + [False]


def test_a_thread_serves_tests_that_are_not_asynchronous():
    with in_thread() as server:
        server.answers.append(reply("Hi"))
        assert '"content": "Hi"' in say(server.base_url, "hello").text
        assert [request.said for request in server.requests] == ["hello"]


def test_of_a_message_in_parts_the_text_is_what_was_said():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
    with in_thread() as server:
        parts = [{"type": "text", "text": "Look: "}, picture, {"type": "text", "text": "[[500]]"}]
        assert say(server.base_url, parts).status_code == 500
        assert say(server.base_url, [picture]).status_code == 200
        assert [request.said for request in server.requests] == ["Look: [[500]]", ""]
