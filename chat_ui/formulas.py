"""Formulas in Markdown, for a page without scripts: LaTeX between the delimiters that the Chatbot knows (see
`page/layout.py` and `page/markdown.py`), as MathML."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

_KIND = "formula"
_SECONDS = 2.0  # for all of a page; a formula takes less than one thousandth

_LONGEST = 1000  # characters, so that looking for the end of what is none takes no time
_MOST_OPEN = 8  # brackets: with each of them that is never closed the converter takes twice as long

_CLOSINGS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
_DOLLAR = re.compile(r"(?<![\\$\w])\$(?=[^\s$])([^$\n`]{0,1000}?[^\s$\\`])\$(?![\d$])")


class _Found(NamedTuple):
    """A formula, between which delimiters it stands, and whether that is on its own."""

    latex: str
    opening: str
    closing: str

    @property
    def is_display(self) -> bool:
        return self.opening in ("$$", r"\[")

    @property
    def written(self) -> str:
        return self.opening + self.latex + self.closing


def formulas_plugin(markdown: MarkdownIt) -> None:
    """Lets Markdown have formulas: tokens that `typeset` gives their MathML."""
    markdown.block.ruler.before("fence", _KIND, _block_rule, {"alt": ["paragraph", "blockquote", "list"]})
    markdown.inline.ruler.before("escape", _KIND, _inline_rule)
    markdown.add_render_rule(_KIND, _render)


def typeset(tokens: Iterable[Token]) -> None:
    """Gives all formulas among the tokens their MathML. One that has none is shown as it was written."""
    found = list(_formulas_in(tokens))
    if found:
        wanted = {(token.content, token.block) for token in found if _is_closed(token.content)}
        mathml = _mathml_of(sorted(wanted))
        for token in found:
            token.meta["mathml"] = mathml.get((token.content, token.block), "")


def _formulas_in(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        if token.type == _KIND:
            yield token
        yield from _formulas_in(token.children or ())


def _formula_at(text: str, place: int) -> _Found | None:
    opening = text[place : place + 2]
    if closing := _CLOSINGS.get(opening):
        end = text.find(closing, place + 2, place + 2 + _LONGEST)
        latex = text[place + 2 : end]
        return _Found(latex, opening, closing) if end > 0 and latex.strip() else None
    found = _DOLLAR.match(text, place)
    return _Found(found[1], "$", "$") if found else None


def _block_rule(state: StateBlock, line: int, end_line: int, silent: bool) -> bool:
    begin = state.bMarks[line] + state.tShift[line]
    found = _formula_at(state.src, begin)
    if found is None or not found.is_display:
        return False
    last_line = line + found.written.count("\n")
    is_alone = (
        last_line < end_line and not state.src[begin + len(found.written) : state.eMarks[last_line]].strip()
    )
    if is_alone and not silent:
        lines = state.getLines(line, last_line + 1, state.sCount[line], False)  # without the marks of a quote
        _add(state, _formula_at(lines.strip(), 0) or found)
        state.line = last_line + 1
    return is_alone


def _inline_rule(state: StateInline, silent: bool) -> bool:
    found = _formula_at(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        _add(state, found)
    state.pos += len(found.written)
    return True


def _add(state: StateBlock | StateInline, found: _Found) -> None:
    token = state.push(_KIND, "math", 0)
    token.content = found.latex.strip()
    token.markup = found.written
    token.block = found.is_display


def _render(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, _: Any) -> str:
    token = tokens[index]
    return token.meta.get("mathml") or f"<code>{escape(token.markup)}</code>"


def _is_closed(latex: str) -> bool:
    """Whether nearly all of its brackets are closed."""
    still_open = 0
    for character in latex:
        if character in "([":
            still_open += 1
        elif character in ")]":
            still_open = max(0, still_open - 1)
    return still_open <= _MOST_OPEN


def _mathml_of(formulas: Sequence[tuple[str, bool]]) -> dict[tuple[str, bool], str]:
    """The MathML of formulas, each with whether it stands on its own, as far as it can be found in time."""
    command = [sys.executable, "-P", str(Path(__file__).with_name("mathml.py"))]
    try:
        # A session of its own: the terminal's Ctrl+C ends the app, which waits no longer than that.
        ran = subprocess.run(
            command, input=json.dumps(formulas).encode(), capture_output=True, timeout=_SECONDS,
            start_new_session=True, check=False,
        )  # fmt: skip
        output = ran.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
    lines = output.splitlines(keepends=True)
    whole = (json.loads(line) for line in lines if line.endswith(b"\n"))
    return {formula: _safe(mathml) for formula, mathml in zip(formulas, whole, strict=False)}


def _safe(mathml: str) -> str:
    """The same of elements and attributes that only show, without styles, which the page's policy forbids; ""
    if there is anything else in it."""
    are_known = all(_ELEMENTS.fullmatch(name) for _, name, _, _ in _TAG.findall(mathml))
    return _TAG.sub(_safe_tag, mathml) if are_known else ""


_TAG = re.compile(r"<(/?)([^\s/>]*)([^>]*?)(/?)>")
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
_ELEMENTS = re.compile(
    "math|menclose|mfrac|mi|mmultiscripts|mn|mo|mover|mpadded|mphantom|mprescripts|mroot|mrow|mspace|msqrt"
    "|mstyle|msub|msubsup|msup|mtable|mtd|mtext|mtr|munder|munderover"
)
_ATTRIBUTES = re.compile(
    "accent|accentunder|columnspan|depth|display|displaystyle|fence|form|height|largeop|linethickness|lspace"
    "|mathvariant|maxsize|minsize|movablelimits|notation|rowspan|rspace|scriptlevel|separator|stretchy"
    "|symmetric|voffset|width"
)
_STYLES = {"right": "end", "left": "start"}
_STYLE = re.compile(r"text-align: (right|left)")
_COLOR = re.compile(r"color:(#[0-9A-F]{6});")


def _safe_tag(found: re.Match[str]) -> str:
    end, name, written, empty = found.groups()
    attributes = dict(_ATTRIBUTE.findall(written))
    style = attributes.get("style", "")
    kept = {key: value for key, value in attributes.items() if _ATTRIBUTES.fullmatch(key)}
    if aligned := _STYLE.search(style):
        kept["class"] = _STYLES[aligned[1]]
    if color := _COLOR.match(style):
        kept["mathcolor"] = color[1]
    shown = "".join(f' {name}="{value}"' for name, value in kept.items())
    return f"<{end}{name}{shown}{empty}>"
