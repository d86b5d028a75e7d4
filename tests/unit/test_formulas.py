"""Formulas on pages without scripts: found where the Chatbot finds them, and shown as MathML."""

import time

import pytest
from markdown_it import MarkdownIt

from chat_ui.formulas import formulas_plugin, typeset

MARKDOWN = MarkdownIt("js-default").use(formulas_plugin)
X = "<math><mi>x</mi></math>"
ALONE = '<math display="block"><mi>x</mi></math>'
HOSTILE = (
    r"$\text{<script>alert(1)</script>}$",
    r"$\href{javascript:alert(1)}{x}$",
    r"$\text{\" onload=alert(1)}$",
    r"$\color{red;background:url(//evil)}x$",
    r"$\newcommand{\a}{\a\a}\a$",
    "$" + "{" * 900 + "$",
    "$" + "(" * 900 + "$",
    r"\[" + r"\sqrt" * 190 + r"\]",
)


def html(text: str) -> str:
    tokens = MARKDOWN.parse(text)
    typeset(tokens)
    return MARKDOWN.renderer.render(tokens, MARKDOWN.options, {})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a $x$ b", f"<p>a {X} b</p>\n"),
        (r"a \(x\) b", f"<p>a {X} b</p>\n"),
        (r"a \[x\] b", f"<p>a {ALONE} b</p>\n"),
        ("a\n$$\nx\n$$\nb", f"<p>a</p>\n{ALONE}<p>b</p>\n"),
        ("> $$\n> x\n> $$", f"<blockquote>\n{ALONE}</blockquote>\n"),
        ("$$x$$ b", f"<p>{ALONE} b</p>\n"),
        ("It is $5, not $6.", "<p>It is $5, not $6.</p>\n"),
        ("$ x$ $x $ $x$1 a$x$", "<p>$ x$ $x $ $x$1 a$x$</p>\n"),
        (r"\$x\$ $$$$ \( \[", "<p>$x$ $$$$ ( [</p>\n"),
        ("`$x$`\n\n```\n$x$\n```", "<p><code>$x$</code></p>\n<pre><code>$x$\n</code></pre>\n"),
        (r"$\unheardof{<x>}$", "<p><code>$\\unheardof{&lt;x&gt;}$</code></p>\n"),
        ('[a](b "$x$")', '<p><a href="b" title="$x$">a</a></p>\n'),
    ],
    ids=[
        "dollars", "round", "square", "on its own", "in a quote", "in a line", "prices", "spaces", "escaped",
        "code", "unknown", "a title",
    ],
)  # fmt: skip
def test_formulas_stand_between_their_delimiters(text: str, shown: str) -> None:
    assert html(text) == shown


def test_equations_are_aligned_and_coloured_without_styles() -> None:
    shown = html(r"$$\begin{aligned}x &= 1 \\ -y &= {\color{red}2}\end{aligned}$$")
    assert shown.count('<mtd class="end">') == shown.count('<mtd class="start">') == 2
    assert 'mathcolor="#FF0000"' in shown
    assert " style=" not in shown


def test_what_is_hostile_is_shown_as_it_was_written_and_costs_no_time() -> None:
    began = time.monotonic()
    shown = html("\n\n".join((*HOSTILE, "$x$")))
    assert time.monotonic() - began < 1.5
    assert X in shown
    for part in ("<script", "href=", ' onload="', 'url(//evil)"', "background:url(//evil);"):
        assert part not in shown


def test_a_converter_that_breaks_or_hangs_leaves_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_ui.formulas._is_closed", lambda latex: True)
    monkeypatch.setattr("chat_ui.formulas._SECONDS", 0.5)
    endless = "$" + "(" * 100 + "$"
    assert html(f"$x$\n\n{endless}") == f"<p><code>$x$</code></p>\n<p><code>{endless}</code></p>\n"
