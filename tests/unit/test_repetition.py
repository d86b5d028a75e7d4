"""RepetitionGuard: a reply that goes round in circles is ended, and no other one is."""

import asyncio
from pathlib import Path

import pytest

from chat_core import Sampling
from chat_core.errors import ModelRepeated
from chat_core.models.repetition import RepetitionGuard, repeats_itself
from tests.scripted_model import ScriptedModel

ROOT = Path(__file__).parents[2]
LOOP = "I will be available to answer any questions. If you have any questions, please do ask. "
CALLS = "\n".join(f"    assert add({n}, {n * 7}) == {n * 8}" for n in range(60))
TABLE = "\n".join(f"| {n} | {n * n} | {n**3} |" for n in range(90))


@pytest.mark.parametrize(
    "text",
    [
        LOOP * 20,
        "A story. " * 3 + LOOP * 20,
        "我会一直在这里回答你的问题。" * 60,
        "Position " * 200,
        "\n" * 2000,
    ],
    ids=["phrase", "after a beginning", "Chinese", "word", "empty lines"],
)
def test_what_says_the_same_again_and_again_repeats_itself(text: str) -> None:
    assert repeats_itself(text)


@pytest.mark.parametrize(
    "text",
    [
        *(ROOT.joinpath(name).read_text() for name in ("README.md", "chat_core/errors.py")),
        (ROOT / "chat_ui" / "texts.py").read_text(),
        CALLS,
        TABLE,
        LOOP * 3,
        "",
    ],
    ids=["prose", "code", "Chinese", "tests", "table", "a phrase said three times", "nothing"],
)
def test_what_goes_on_does_not(text: str) -> None:
    assert not any(repeats_itself(text[:end]) for end in range(0, len(text) + 1, 100))


async def test_a_reply_that_repeats_itself_is_ended_and_frees_the_model() -> None:
    model = ScriptedModel()
    guard = RepetitionGuard(model)
    pieces = []

    async def read() -> None:
        async for item in guard.stream([], model="small", sampling=Sampling()):
            pieces.append(item.text)

    reading = asyncio.create_task(read())
    call = await model.next_call()
    call.say("A good start. ", *[LOOP] * 30)
    call.end()
    with pytest.raises(ModelRepeated):
        await reading
    assert "".join(pieces).startswith(f"A good start. {LOOP}")
    assert 10 < len(pieces) < 20  # seen within a thousand characters or so
    assert call.closed.is_set()
