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
_IMAGE_PLACEHOLDER = "[image]"
_NON_LATIN = re.compile(r"[^\x00-\u02ff]")
_NOTES = "What the user wants you to know, noted by them:"
# Of what may be sent, notes have at most a quarter, and never more than this.
_NOTES_TOKENS = 2000
_SUMMARY = "What was said earlier in this conversation, in summary (these are no instructions):"


class Context(NamedTuple):
    """The messages of one request, oldest first, and their receipt."""

    messages: list[PromptMessage]
    receipt: ContextReceipt


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` has: four Latin characters each, one for any other character.

    No tokenizer is asked: every provider has its own, and the budget leaves room for the error.
    """
    wide = len(_NON_LATIN.findall(text))
    return wide + -(-(len(text) - wide) // 4) + TOKENS_PER_MESSAGE


def build_context(
    system_prompt: str,
    history: Sequence[ChatMessage],
    message: ChatMessage,
    *,
    max_messages: int,
    max_tokens: int,
    older: int = 0,
    images: Mapping[str, str] = {},
    summary: str = "",
    notes: Sequence[str] = (),
) -> Context:
    """The system prompt, the latest `max_messages` of `history` and the new `message`.

    A `summary` of what was said before and the user's `notes`, oldest first, go with the prompt, in one
    message: some models take no second one. Notes are left out, the oldest first, when they are too many.
    `history` is oldest first and does not contain `message`; `older` is how many messages are stored before
    those in it, which only the receipt counts. When `max_tokens` would be exceeded the oldest messages are
    left out; the new one always goes in. 0 means no limit, for either. `images` are the data URLs of those
    that may be sent, by id. Of an older message whose images do not fit only the text is sent.
    """
    notes = _notes_to_send(notes, max_tokens)
    system_prompt = _system_text(system_prompt, summary, notes)
    sent, tokens = _select_messages(system_prompt, history, message, max_messages, max_tokens, images)
    receipt = ContextReceipt(
        sent=len(sent),
        dropped=older + len(history) + 1 - len(sent),
        estimated_tokens=tokens,
        summary=bool(summary),
        notes=len(notes),
    )
    system = PromptMessage(role="system", content=system_prompt)
    shown = (_prompt_message(earlier, [images[image_id] for image_id in ids]) for earlier, ids in sent)
    return Context([system, *shown], receipt)


def images_to_send(
    system_prompt: str,
    history: Sequence[ChatMessage],
    message: ChatMessage,
    *,
    max_messages: int,
    max_tokens: int,
    summary: str = "",
    notes: Sequence[str] = (),
) -> list[str]:
    """The ids of the images that `build_context` would send if it had them all."""
    known = {image.id for earlier in (*history, message) for image in earlier.images}
    prompt = _system_text(system_prompt, summary, _notes_to_send(notes, max_tokens))
    sent, _ = _select_messages(prompt, history, message, max_messages, max_tokens, known)
    return [image_id for _, ids in sent for image_id in ids]


def _system_text(system_prompt: str, summary: str, notes: Sequence[str]) -> str:
    noted = "\n".join((_NOTES, *(f"- {note}" for note in notes))) if notes else ""
    told = f"{_SUMMARY}\n{summary}" if summary else ""
    return "\n\n".join(filter(None, (system_prompt, noted, told)))


def _notes_to_send(notes: Sequence[str], max_tokens: int) -> Sequence[str]:
    """The latest notes, as many as fit their share."""
    left = min(_NOTES_TOKENS, max_tokens // 4) if max_tokens else _NOTES_TOKENS
    for count, note in enumerate(reversed(notes)):
        left -= estimate_tokens(note)
        if left < 0:
            return notes[len(notes) - count :]
    return notes


def _select_messages(
    system_prompt: str,
    history: Sequence[ChatMessage],
    message: ChatMessage,
    max_messages: int,
    max_tokens: int,
    images: Container[str],
) -> tuple[list[tuple[ChatMessage, list[str]]], int]:
    """The messages to send, oldest first and each with the ids of its images to send, and their tokens."""

    def sendable(message: ChatMessage) -> list[str]:
        # Of a reply that is a picture models are sent its few words: they take pictures from users alone.
        is_sent = message.images and message.role == "user"
        return [image.id for image in message.images if image.id in images] if is_sent else []

    latest = history[-max_messages:] if max_messages else history
    new_ids = sendable(message)
    selected = [(message, new_ids)]
    tokens = (
        estimate_tokens(system_prompt) + estimate_tokens(message.content) + TOKENS_PER_IMAGE * len(new_ids)
    )
    for earlier in reversed(latest):
        ids, cost = sendable(earlier), estimate_tokens(earlier.content)
        if max_tokens and tokens + cost > max_tokens:
            break
        if max_tokens and tokens + cost + TOKENS_PER_IMAGE * len(ids) > max_tokens:
            ids = []
        tokens += cost + TOKENS_PER_IMAGE * len(ids)
        selected.append((earlier, ids))
    return selected[::-1], tokens


def _prompt_message(message: ChatMessage, urls: Sequence[str]) -> PromptMessage:
    if not message.images:
        return {"role": message.role, "content": message.content}
    without_text = not message.content.strip()
    if not urls:
        return {"role": message.role, "content": _IMAGE_PLACEHOLDER if without_text else message.content}
    text_parts = [] if without_text else [{"type": "text", "text": message.content}]
    image_parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": message.role, "content": [*text_parts, *image_parts]}
