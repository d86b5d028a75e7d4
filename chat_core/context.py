"""What the model is shown: a pure function of the role, the history and the new message."""

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from .messages import ChatMessage, ContextReceipt


class PromptMessage(TypedDict):
    """A message as models are sent it; the content is text, or the parts of a message with images."""

    role: str
    content: str | list[dict[str, Any]]


# Chat formats wrap each message in a few tokens of their own.
TOKENS_PER_MESSAGE = 4
# About what providers count for a picture of the size that is sent.
TOKENS_PER_IMAGE = 1000
# Stands for a message of nothing but images that are not sent: some providers refuse an empty one.
_UNSEEN = "[image]"
_WIDE = re.compile(r"[^\x00-\u02ff]")


class Context(NamedTuple):
    """The messages of one request, oldest first, and their receipt."""

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
    images: Mapping[str, str] = {},
) -> Context:
    """The system prompt, the latest `max_messages` of `history` and the new `message`.

    `history` is oldest first and does not contain `message`. When `max_tokens` would be exceeded the
    oldest messages are left out; the new one always goes in. 0 means no limit, for either. `images` are the
    data URLs of those that may be sent, by id. Of an older message whose images do not fit only the text is
    sent.
    """
    sent, spent = _chosen(system_prompt, history, message, max_messages, max_tokens, images)
    receipt = ContextReceipt(sent=len(sent), dropped=len(history) + 1 - len(sent), estimated_tokens=spent)
    system = PromptMessage(role="system", content=system_prompt)
    shown = (_prompt_message(said, [images[image_id] for image_id in ids]) for said, ids in sent)
    return Context([system, *shown], receipt)


def images_to_send(
    system_prompt: str,
    history: Sequence[ChatMessage],
    message: ChatMessage,
    *,
    max_messages: int,
    max_tokens: int,
) -> list[str]:
    """The ids of the images that `build_context` would send if it had them all."""
    known = {image.id for said in (*history, message) for image in said.images}
    sent, _ = _chosen(system_prompt, history, message, max_messages, max_tokens, known)
    return [image_id for _, ids in sent for image_id in ids]


def _chosen(
    system_prompt: str,
    history: Sequence[ChatMessage],
    message: ChatMessage,
    max_messages: int,
    max_tokens: int,
    images: Container[str],
) -> tuple[list[tuple[ChatMessage, list[str]]], int]:
    """The messages to send, oldest first and each with the ids of its images to send, and their tokens."""

    def sendable(said: ChatMessage) -> list[str]:
        return [image.id for image in said.images if image.id in images] if said.images else []

    latest = history[-max_messages:] if max_messages else history
    new = sendable(message)
    chosen = [(message, new)]
    spent = estimate_tokens(system_prompt) + estimate_tokens(message.content) + TOKENS_PER_IMAGE * len(new)
    for earlier in reversed(latest):
        ids, cost = sendable(earlier), estimate_tokens(earlier.content)
        if max_tokens and spent + cost > max_tokens:
            break
        if max_tokens and spent + cost + TOKENS_PER_IMAGE * len(ids) > max_tokens:
            ids = []
        spent += cost + TOKENS_PER_IMAGE * len(ids)
        chosen.append((earlier, ids))
    return chosen[::-1], spent


def _prompt_message(said: ChatMessage, urls: Sequence[str]) -> PromptMessage:
    if not said.images:
        return {"role": said.role, "content": said.content}
    wordless = not said.content.strip()
    if not urls:
        return {"role": said.role, "content": _UNSEEN if wordless else said.content}
    words = [] if wordless else [{"type": "text", "text": said.content}]
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": said.role, "content": [*words, *pictures]}
