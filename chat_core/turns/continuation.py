"""Continuing a reply that was cut off: what the model is asked, and how what it says is joined on.

Models that are asked to go on start anew with a word or a line, or say all of it again, and nobody can tell
whether a space belongs in between. So they are asked to begin with the last words of what there is, and what
they repeat is left out.
"""

from ..context import estimate_tokens
from ..messages import ChatMessage

# What the next text has in common with the end may be chance if it is shorter, in characters from a word's
# beginning, in bytes anywhere: of a language without spaces a few characters say much.
_SHORTEST_WORD_CHARS = 3
_SHORTEST_OVERLAP_BYTES = 12
_LAST_WORDS_CHARS = 40


def request_to_continue(reply: ChatMessage) -> ChatMessage:
    """What the model is told after the reply that it is to go on with."""
    last_words = reply.content[-_LAST_WORDS_CHARS:]
    text = (
        "Your last message was cut off before its end. Go on with it, in the same language and form. Begin "
        f"with its last characters, exactly as they stand between the marks: <<<{last_words}>>> (without the "
        "marks), and write what follows them. Neither comment on this nor begin anew."
    )
    return ChatMessage(id="continue", role="user", content=text, timestamp=reply.timestamp)


def end_of_reply(reply: ChatMessage, max_tokens: int) -> ChatMessage:
    """The reply as the model is shown it: of one too long for so many tokens (0: none is) the end, without
    which it could not go on."""
    if not max_tokens or estimate_tokens(reply.content) <= max_tokens:
        return reply
    return reply.model_copy(update={"content": reply.content[-max_tokens:]})


class Continuation:
    """The text that goes on from `before`, without what of it is repeated. What may still turn out to be a
    repetition is held back."""

    def __init__(self, before: str) -> None:
        self._before = before
        self._held: str | None = ""

    def feed(self, text: str) -> str:
        """What is new once this piece came."""
        if self._held is None:
            return text
        self._held += text
        return "" if self._held in self._before else self._release(self._held)

    def close(self) -> str:
        """What is new of what was held back, now that nothing more comes."""
        return self._release(self._held or "")

    def _release(self, held: str) -> str:
        self._held = None
        return held[self._overlap(held) :]

    def _overlap(self, text: str) -> int:
        """How many characters at its beginning are the end of what was said before."""
        longest = min(len(text), len(self._before))
        return next((n for n in range(longest, 0, -1) if self._repeats(text[:n])), 0)

    def _repeats(self, text: str) -> bool:
        if not self._before.endswith(text):
            return False
        is_after_space = not self._before[: -len(text)][-1:].strip()
        if is_after_space and text[0].strip() and len(text) >= _SHORTEST_WORD_CHARS:
            return True
        return len(text.encode()) >= _SHORTEST_OVERLAP_BYTES
