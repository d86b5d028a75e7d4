"""build_context: what is sent, what is left out, and what the receipt says."""

import pytest

from chat_core.context import TOKENS_PER_MESSAGE, build_context, estimate_tokens
from chat_core.messages import ChatMessage, ContextReceipt

PROMPT = "Be brief."  # 9 Latin characters: 3 tokens


def said(number: int, content: str | None = None) -> ChatMessage:
    role = "assistant" if number % 2 else "user"
    return ChatMessage(id=f"m{number}", role=role, content=content or f"message {number}", timestamp=number)


def history(count: int) -> list[ChatMessage]:
    """`count` messages, oldest first, of 3 + 4 tokens each."""
    return [said(number) for number in range(count)]


NEW = said(8, "new one!")  # 8 Latin characters: 2 tokens
EACH = 3 + TOKENS_PER_MESSAGE
FRAME = 3 + TOKENS_PER_MESSAGE + 2 + TOKENS_PER_MESSAGE  # the prompt and the new message


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("four", 1),
        ("fives", 2),
        ("x" * 400, 100),
        ("naïve café", 3),
        ("你好", 2),
        ("你好，世界！", 6),
        ("Привет", 6),
        ("🎈", 1),
        ("Redis 是什么", 2 + 3),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_the_estimate_is_a_quarter_of_the_latin_characters_and_all_others(text, tokens):
    assert estimate_tokens(text) == tokens + TOKENS_PER_MESSAGE


@pytest.mark.parametrize(
    ("stored", "max_messages", "max_tokens", "first"),
    [
        pytest.param(0, 10, 16_000, 0, id="nothing stored"),
        pytest.param(4, 10, 16_000, 0, id="below both limits"),
        pytest.param(8, 8, 0, 0, id="just at the limit of messages"),
        pytest.param(8, 7, 0, 1, id="one over the limit of messages"),
        pytest.param(8, 1, 0, 7, id="only the latest"),
        pytest.param(8, 0, 0, 0, id="no limits"),
        pytest.param(8, 0, FRAME + 8 * EACH, 0, id="just at the limit of tokens"),
        pytest.param(8, 0, FRAME + 8 * EACH - 1, 1, id="one over the limit of tokens"),
        pytest.param(8, 0, FRAME + 2 * EACH, 6, id="room for two"),
        pytest.param(8, 0, FRAME, 8, id="room for the new one"),
        pytest.param(8, 0, 1, 8, id="no room at all"),
        pytest.param(8, 3, FRAME + 2 * EACH, 6, id="the tokens are the tighter limit"),
        pytest.param(8, 2, FRAME + 3 * EACH, 6, id="the messages are the tighter limit"),
    ],
)
def test_the_latest_messages_within_both_limits_are_sent(stored, max_messages, max_tokens, first):
    before = history(stored)
    messages, receipt = build_context(PROMPT, before, NEW, max_messages=max_messages, max_tokens=max_tokens)
    assert messages == [
        {"role": "system", "content": PROMPT},
        *({"role": message.role, "content": message.content} for message in before[first:]),
        {"role": "user", "content": "new one!"},
    ]
    assert receipt == ContextReceipt(
        sent=stored - first + 1, dropped=first, estimated_tokens=FRAME + (stored - first) * EACH
    )


def test_an_older_message_does_not_slip_in_where_a_newer_one_was_too_big():
    before = [said(0, "tiny"), said(1, "x" * 4000), said(2, "tiny")]
    messages, receipt = build_context(PROMPT, before, NEW, max_messages=0, max_tokens=100)
    assert [message["content"] for message in messages] == [PROMPT, "tiny", "new one!"]
    assert (receipt.sent, receipt.dropped) == (2, 2)


def test_messages_that_say_the_same_are_each_sent_once():
    before = [said(number, "again") for number in range(4)]
    messages, _ = build_context(PROMPT, before, said(4, "again"), max_messages=0, max_tokens=0)
    assert [message["content"] for message in messages[1:]] == ["again"] * 5
    assert [message["role"] for message in messages[1:]] == ["user", "assistant"] * 2 + ["user"]


def test_a_chinese_conversation_fills_the_budget_sooner():
    latin = [said(number, "a" * 100) for number in range(10)]
    chinese = [said(number, "好" * 100) for number in range(10)]
    limits = {"max_messages": 0, "max_tokens": 500}
    assert build_context(PROMPT, latin, NEW, **limits).receipt.dropped == 0
    assert build_context(PROMPT, chinese, NEW, **limits).receipt.dropped == 6
