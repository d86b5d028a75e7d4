"""Texts as the Chatbot has to be given them, to show what they say."""

import re


def escape_user_text(text: str) -> str:
    """What a person wrote, as HTML that shows it to the character: nothing in it is Markdown. message-text.js
    takes it back where it is copied or edited."""
    return f'<pre class="user-text">&#10;{text.translate(_ENTITIES)}</pre>'


_ENTITIES = {code: f"&#{code};" for code in range(128) if not chr(code).isalnum() and chr(code) != " "}


def markdown(text: str) -> str:
    """`text` so that the Chatbot shows what it says. `$formulas$` become `\\(formulas\\)`, which is how the
    Chatbot takes them; prices are left alone by Pandoc's rule (extension tex_math_dollars): no space just
    inside the dollars, no digit after. The numbers of footnotes, which it does not know, are raised. What
    stands in code, also in a block not closed yet, is code."""
    pieces = _CODE.split(text)
    pieces[::2] = [_footnotes(_FORMULA.sub(r"\\(\1\\)", piece)) for piece in pieces[::2]]
    pieces[1::2] = [_with_tabs(piece) for piece in pieces[1::2]]
    return "".join(pieces)


_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)
_FORMULA = re.compile(r"(?<![\\$\w])\$(?=[^\s$])([^$\n]*?[^\s$\\])\$(?![\d$])")


_FOOTNOTE = re.compile(r"\[\^(\d{1,3})\](:?)(?![(\[])")


def _footnotes(text: str) -> str:
    """message-text.js takes it back where a message is copied."""
    return _FOOTNOTE.sub(lambda note: f'<sup class="footnote{" text" * bool(note[2])}">{note[1]}</sup>', text)


def _with_tabs(code: str) -> str:
    """The Chatbot's Markdown turns tabs at the beginning of a line into spaces, which ruins a Makefile. It
    does not when a byte order mark stands before them, and takes that away again when the fence is indented
    by as much. Where a message is copied as a whole, message-text.js takes both away."""
    fence, *lines = code.split("\n")
    if not any(line.lstrip(" ").startswith("\t") for line in lines):
        return code
    return "\n".join([f" {fence}", *(f"\ufeff{line}" if line[:1] in (" ", "\t") else line for line in lines)])


class GrowingMarkdown:
    """`markdown` of a text that grows, for the cost of what is new: nothing but a block of code reaches over
    the end of a line."""

    def __init__(self) -> None:
        self._converted = ""  # of the lines before
        self._rest = ""

    def append(self, text: str) -> None:
        """Adds to the end of the text."""
        lines, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline and _ends_in_code(lines):
            self._rest = lines + newline + self._rest
        else:
            self._converted += markdown(lines + newline)

    def __str__(self) -> str:
        return self._converted + markdown(self._rest)


def _ends_in_code(text: str) -> bool:
    """Whether a block of code has begun and not ended."""
    last_code = _CODE.split(text)[-2:-1]
    return any(code[:3] in ("```", "~~~") and (len(code) < 6 or code[:3] != code[-3:]) for code in last_code)
