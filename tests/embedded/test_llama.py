"""The embedded model: behind a key, on a port of its own, or with a clear reason why not."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM

import httpx2
import pytest

from chat_core.errors import ModelNotConfigured
from chat_core.models import llama as llama_module
from chat_core.models import llama_server
from chat_core.models.llama import EmbeddedLlama, _bundled_model
from tests.embedded.conftest import running
from tests.running import children

QUESTION = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}


@pytest.fixture(scope="module")
def llama() -> Iterator[tuple[EmbeddedLlama, str]]:
    """A started server and its base URL."""
    server = EmbeddedLlama()
    with running(server) as url:
        yield server, url


@pytest.mark.parametrize(
    ("key", "status"),
    [("the right one", 200), ("", 401), ("wrong", 401)],
    ids=["with its key", "without a key", "with another key"],
)
def test_only_who_knows_the_key_gets_an_answer(
    llama: tuple[EmbeddedLlama, str], key: str, status: int
) -> None:
    server, url = llama
    headers = {"Authorization": f"Bearer {server.api_key if key == 'the right one' else key}"} if key else {}
    answer = httpx2.post(f"{url}/chat/completions", json=QUESTION, headers=headers, timeout=30)
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["choices"][0]["message"]["content"].strip()
        assert answer.json()["model"] == server.model == "SmolLM2-135M-Instruct"


def test_a_long_prompt_is_read_in_parts_between_which_it_can_be_stopped(
    llama: tuple[EmbeddedLlama, str],
) -> None:
    server, url = llama
    asked = [{"role": "user", "content": "A fox. " * 80}]
    body = {"messages": asked, "max_tokens": 1, "stream": True, "return_progress": True}
    headers = {"Authorization": f"Bearer {server.api_key}"}
    answer = httpx2.post(f"{url}/chat/completions", json=body, headers=headers, timeout=30)
    told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    read = [chunk["prompt_progress"]["processed"] for chunk in told if "prompt_progress" in chunk]
    assert read[-1] > 256
    assert max(after - before for before, after in pairwise([0, *read])) <= 256


def test_every_server_has_a_key_of_its_own() -> None:
    assert len({EmbeddedLlama().api_key for _ in range(3)}) == 3


def test_it_listens_on_this_machine_only(llama: tuple[EmbeddedLlama, str]) -> None:
    assert httpx2.URL(llama[1]).host == "127.0.0.1"


async def test_a_server_can_be_stopped_right_after_its_start_and_does_not_answer_then() -> None:
    server = EmbeddedLlama()
    urls = []
    for _ in range(4):
        urls.append(await server.start())
        await server.stop()
    assert len(set(urls)) == 1
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{urls[0]}/models")
    await server.stop()  # and stopping nothing is no error


@asynccontextmanager
async def reading(url: str, api_key: str) -> AsyncIterator[None]:
    """The model reads a long prompt meanwhile, for some seconds."""
    asked = [{"role": "user", "content": "A fox. " * 900}]
    body = {"messages": asked, "stream": True, "return_progress": True}
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx2.AsyncClient(timeout=30) as client:
        request = client.build_request("POST", f"{url}/chat/completions", json=body, headers=headers)
        answer = await client.send(request, stream=True)
        await anext(answer.aiter_lines())
        yield


async def test_it_stops_at_once_while_it_reads_a_prompt() -> None:
    server = EmbeddedLlama()
    url = await server.start()
    async with reading(url, server.api_key):
        async with asyncio.timeout(0.5):
            await server.stop()


async def test_its_process_ends_at_once_with_its_input() -> None:
    order = {"file": str(_bundled_model()), "name": "tiny", "api_key": "key", "port": 0}
    process = await asyncio.create_subprocess_exec(
        sys.executable, llama_server.__file__, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(order).encode() + b"\n")
    url = json.loads(await process.stdout.readline())["url"]
    for ignored in (SIGINT, SIGTERM, SIGHUP):
        process.send_signal(ignored)
    async with reading(url, "key"):
        process.stdin.close()
        async with asyncio.timeout(0.5):
            assert await process.wait() == 0


async def _other(known: set[int]) -> int:
    """Another process that this one has started, as soon as there is one."""
    while True:
        await asyncio.sleep(0.01)
        if others := children(os.getpid()) - known:
            return others.pop()


async def test_one_that_dies_is_started_again_at_the_same_address_also_if_that_fails_at_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_module, "_SHORTEST_PAUSE_SECONDS", 0.1)
    server = EmbeddedLlama()
    before = children(os.getpid())
    url = await server.start()
    process = await _other(before)
    keeping = asyncio.create_task(server.keep_running())
    async with asyncio.timeout(20), httpx2.AsyncClient(timeout=20) as client:
        os.kill(process, SIGKILL)
        process = await _other(before | {process})
        server._model_file = tmp_path / "gone"
        os.kill(process, SIGKILL)  # while it loads
        while "is not a file" not in caplog.text:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.01)
        server._model_file = None
        status = None
        while status != 200:
            await asyncio.sleep(0.05)
            with suppress(httpx2.TransportError):
                headers = {"Authorization": f"Bearer {server.api_key}"}
                status = (await client.get(f"{url}/models", headers=headers)).status_code
    said = [record.message.rpartition(": ")[2] for record in caplog.records]
    assert said == [
        "the embedded model ended with -9, and is started again",
        "its server has ended",
        f"No model is set up. EMBEDDED_MODEL {tmp_path / 'gone'} is not a file.",
    ]
    keeping.cancel()
    await server.stop()
    assert children(os.getpid()) == before


async def test_a_server_that_ends_at_once_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    for _ in range(20):  # in some of them it has ended before it is told what to serve
        with pytest.raises(ModelNotConfigured, match="its server has ended"):
            await EmbeddedLlama().start()


def test_what_libraries_print_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "noisy.py"
    script.write_text(
        f"print(1, flush=True)\nimport runpy\nrunpy.run_path({llama_server.__file__!r}, None, '__main__')"
    )
    monkeypatch.setattr(llama_server, "__file__", str(script))
    with running(EmbeddedLlama()) as url:
        assert url.startswith("http://127.0.0.1:")


async def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    with pytest.raises(ModelNotConfigured) as caught:
        await EmbeddedLlama(file).start()
    assert caught.value.reason == f"EMBEDDED_MODEL {file} is not a file."


@pytest.mark.parametrize("content", ["empty", "text", "only its first bytes", "half of a model"])
async def test_a_file_that_is_no_model_is_a_clear_error(tmp_path: Path, content: str) -> None:
    bundled = _bundled_model()
    assert bundled is not None
    with bundled.open("rb") as model:
        whole = model.read(40_000_000)
    bad = {
        "empty": b"",
        "text": b"Hello! " * 99,
        "only its first bytes": whole[:64],
        "half of a model": whole,
    }
    file = tmp_path / "model.gguf"
    file.write_bytes(bad[content])
    with pytest.raises(ModelNotConfigured) as caught:
        await EmbeddedLlama(file).start()
    assert caught.value.reason.startswith(f"EMBEDDED_MODEL {file} cannot be loaded")


def test_its_name_is_its_file_without_the_quantisation() -> None:
    assert EmbeddedLlama(Path("models/Tiny-1B.Q4_K_M.gguf")).model == "Tiny-1B"
