"""What somebody without a key sees first: the embedded model's answers to the page's own questions."""

from collections.abc import Iterator

import httpx2
import pytest

from chat_core.models.llama import EmbeddedLlama
from chat_core.roles import load_roles

REPEATED_AT_MOST = 0.05


@pytest.fixture(scope="module")
def llama() -> Iterator[httpx2.Client]:
    """A client of the embedded model."""
    server = EmbeddedLlama()
    url = server.start()
    key = {"Authorization": f"Bearer {server.api_key}"}
    with httpx2.Client(base_url=url, headers=key, timeout=100) as client:
        yield client
    server.stop()


def repeated(text: str) -> float:
    """The part of a text's triples of words that it had before."""
    words = text.lower().split()
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(triples)) / len(triples) if triples else 0.0


@pytest.mark.parametrize("key", ["assistant", "teacher", "programmer"])
def test_the_first_example_question_gets_an_answer_that_ends_by_itself_and_goes_on(
    llama: httpx2.Client, key: str
) -> None:
    role = load_roles()[key]
    question = role.example_questions["en"][0]
    messages = [{"role": "system", "content": role.prompt}, {"role": "user", "content": question}]
    answer = llama.post("/chat/completions", json={"messages": messages, "seed": 1}).json()
    reply = answer["choices"][0]
    assert reply["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] > 20
    assert repeated(reply["message"]["content"]) < REPEATED_AT_MOST
