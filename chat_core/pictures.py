"""PictureOrder: a message that asks for a picture. All there is to it stands in its text, so it is tried
again, corrected, exported and imported as any other."""

import re
from typing import NamedTuple, Self

COMMAND = "/image"

_ORDER = re.compile(rf"\s*{COMMAND}(?:\s+(.*))?", re.DOTALL)
_OPTION = re.compile(r"(?:\A|\s+)--(size|quality|model)[ =]+(\S+)\s*\Z")
_MARK_CHARS = 200


class PictureOrder(NamedTuple):
    """What is to be seen, and how: a size, a quality and a model by the names that providers have for them;
    what is empty is left to the provider."""

    prompt: str
    size: str = ""
    quality: str = ""
    model: str = ""

    @classmethod
    def of(cls, message: str) -> Self | None:
        """The order in a message like "/image a red house --size 1024x1024"; None for another message."""
        found = _ORDER.fullmatch(message)
        if found is None:
            return None
        prompt, options = found[1] or "", dict[str, str]()
        while option := _OPTION.search(prompt):
            prompt = prompt[: option.start()]
            options.setdefault(option[1], option[2])
        return cls(prompt.strip(), **options)

    @property
    def message(self) -> str:
        """The message that has this order."""
        options = (("size", self.size), ("quality", self.quality), ("model", self.model))
        return " ".join(
            (COMMAND, self.prompt.strip(), *(f"--{name} {value}" for name, value in options if value))
        )

    @property
    def mark(self) -> str:
        """A few words in the place of the picture, for models and documents of text."""
        words = " ".join(self.prompt.split())
        words = words if len(words) <= _MARK_CHARS else f"{words[: _MARK_CHARS - 1]}…"
        return f"[picture: {words}]"
