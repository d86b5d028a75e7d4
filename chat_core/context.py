"""What the model is shown: a pure function of the role, the history and the new message."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from .messages import ChatMessage, ContextReceipt

PromptMessage = dict[str, str]

# Chat formats wrap each message in a few tokens of their own.
TOKENS_PER_MESSAGE = 4
_WIDE = re.compile(r"[^\x00-\u02ff]")


class Context(NamedTuple):
    """The messages of one request, oldest first and each `{"role", "content"}`, and their receipt."""

    messages: list[PromptMessage]
    receipt: ContextReceipt


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` has: four Latin characters each, one for any other character.

    No tokenizer is asked: every provider has its own, and the budget leaves room for the error.
    """
    wide = len(_WIDE.findall(text))
    return wide + -(-(len(text) - wide) // 4) + TOKENS_PER_MESSAGE


def build_context(
    system_prompt: str,
    history: Sequence[ChatMessage],
    message: ChatMessage,
    *,
    max_messages: int,
    max_tokens: int,
) -> Context:
    """The system prompt, the latest `max_messages` of `history` and the new `message`.

    `history` is oldest first and does not contain `message`. When `max_tokens` would be exceeded the
    oldest messages are left out; the new one always goes in. 0 means no limit, for either.
    """
    latest = history[-max_messages:] if max_messages else history
    spent = estimate_tokens(system_prompt) + estimate_tokens(message.content)
    kept: list[ChatMessage] = []
    for earlier in reversed(latest):
        cost = estimate_tokens(earlier.content)
        if max_tokens and spent + cost > max_tokens:
            break
        spent += cost
        kept.append(earlier)
    sent = [*reversed(kept), message]
    receipt = ContextReceipt(sent=len(sent), dropped=len(history) - len(kept), estimated_tokens=spent)
    system = {"role": "system", "content": system_prompt}
    return Context([system, *({"role": m.role, "content": m.content} for m in sent)], receipt)
