"""What somebody without a key sees first: the embedded model's answers to the page's own questions."""

from collections.abc import Iterator

import httpx2
import pytest

from chat_core.models.llama import EmbeddedLlama
from chat_core.roles import Role, load_roles
from tests.embedded.conftest import running

REPEATED_AT_MOST = 0.05


@pytest.fixture(scope="module")
def llama() -> Iterator[httpx2.Client]:
    """A client of the embedded model."""
    server = EmbeddedLlama()
    key = {"Authorization": f"Bearer {server.api_key}"}
    with running(server) as url, httpx2.Client(base_url=url, headers=key, timeout=100) as client:
        yield client


def repeated(text: str) -> float:
    """The part of a text's triples of words that it had before."""
    words = text.lower().split()
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(triples)) / len(triples) if triples else 0.0


def ask(llama: httpx2.Client, role: Role, question: str) -> None:
    """The model answers the question, and ends by itself before it goes round in circles."""
    messages = [{"role": "system", "content": role.prompt}, {"role": "user", "content": question}]
    # Without what it remembers of other questions, which changes the last digits, and so the words.
    request = {"messages": messages, "seed": 1, "cache_prompt": False}
    answer = llama.post("/chat/completions", json=request).json()
    reply = answer["choices"][0]
    assert reply["finish_reason"] == "stop", question
    assert answer["usage"]["completion_tokens"] > 20, question
    assert repeated(reply["message"]["content"]) < REPEATED_AT_MOST, question


@pytest.mark.parametrize("key", ["assistant", "teacher", "programmer"])
def test_the_first_example_question_gets_an_answer_that_ends_by_itself_and_goes_on(
    llama: httpx2.Client, key: str
) -> None:
    role = load_roles()[key]
    ask(llama, role, role.example_questions["en"][0])


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("key", load_roles())
def test_so_does_every_question_that_the_page_offers_with_the_embedded_model(
    llama: httpx2.Client, key: str
) -> None:
    role = load_roles()[key]
    for question in role.example_questions["en"]:  # which is the language it speaks
        ask(llama, role, question)
