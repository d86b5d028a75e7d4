"""ThinkingTags: reasoning that comes in the text, between <think> and </think>."""

from collections.abc import Iterator

from ..messages import TextKind

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkingTags:
    """Tells the reasoning at the beginning of a reply from its text. It `is_over` when no tag can come any
    more; from then on the text need not be given to it."""

    def __init__(self) -> None:
        self.is_over = False
        self._inside = False
        self._held = ""  # what may be the beginning of a tag

    def feed(self, text: str) -> Iterator[tuple[TextKind, str]]:
        """What is certain after `text`, in parts that are not empty."""
        text, self._held = self._held + text, ""
        if not self._inside:
            begun = text.lstrip()
            if begun.startswith(_OPEN):
                self._inside, text = True, begun[len(_OPEN) :].lstrip("\n")
            elif _OPEN.startswith(begun):
                self._held = text
                return
            else:
                self.is_over = True
                yield "text", text
                return
        thought, closed, rest = text.partition(_CLOSE)
        if not closed:
            self._held = _beginning_of_close(thought)
            thought = thought[: len(thought) - len(self._held)]
        if thought:
            yield "reasoning", thought
        if closed:
            self.is_over = True
            if rest := rest.lstrip("\n"):
                yield "text", rest

    def close(self) -> Iterator[tuple[TextKind, str]]:
        """What was held back, when the reply is over."""
        held, self._held, self.is_over = self._held, "", True
        if held:
            yield ("reasoning" if self._inside else "text"), held


def _beginning_of_close(text: str) -> str:
    """The longest end of `text` with which the closing tag may begin."""
    ends = (text[-length:] for length in range(len(_CLOSE) - 1, 0, -1))
    return next((end for end in ends if _CLOSE.startswith(end)), "")
