"""The page of a shared conversation: HTML that needs no script."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from chat_core import ChatMessage, Language, SharedConversation

from .formulas import formulas_plugin, typeset
from .page import LANGUAGES, TITLE, UNKNOWN_ICON, icon_html
from .texts import t

# As much Markdown as is made in a moment: what comes after it on a page is shown as it was written. So is a
# text with brackets without number, for each is looked for in all that follow.
_MARKDOWN_CHARS = 300_000
_MOST_BRACKETS = 500

# Texts in Markdown, as what they consist of.
Parsed = Mapping[str, Sequence[Token]]


def shared_page(shared: SharedConversation, language: Language, *, static: str, token: str) -> str:
    """HTML of the conversation behind the link of that `token`, for a reader of that language. `static` is
    where the style sheets lie, relative to the page."""
    conversation = shared.conversation
    title = conversation.title or t(language, "untitled")
    day = f"{datetime.fromtimestamp(conversation.exported_at, UTC):%Y-%m-%d}"
    when = escape(t(language, "shared_on", day=day))
    body = f"""<header>
<h1>{escape(title)}</h1>
<p>{when}</p>
<a class="copy" href="./?copy={escape(token)}">{escape(t(language, "share_copy"))}</a>
</header>
<main>
{"".join(_articles(shared, language, _parsed(conversation.messages)))}
</main>"""
    about = f"""<meta property="og:title" content="{escape(title)}">
<meta property="og:type" content="article">
<meta property="og:site_name" content="{TITLE}">"""
    return _document(language, title, body, static=static, about=about)


def sentence_page(sentence: str, language: Language, *, static: str) -> str:
    """HTML that says why there is nothing to read."""
    body = f'<main><h1>{TITLE}</h1><p role="alert">{escape(sentence)}</p></main>'
    return _document(language, TITLE, body, static=static)


def _document(language: Language, title: str, body: str, *, static: str, about: str = "") -> str:
    return f"""<!DOCTYPE html>
<html lang="{LANGUAGES[language]}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{escape(title)}</title>
{about}
<link rel="icon" href="{static}/pictures/icon.svg">
<link rel="stylesheet" href="{static}/plain/plain.css">
<link rel="stylesheet" href="{static}/shared/shared.css">
</head>
<body>
{body}
<footer><a href="./">{TITLE}</a></footer>
</body>
</html>
"""


def _parsed(messages: Sequence[ChatMessage]) -> Parsed:
    """The texts of replies that are shown as Markdown, with their formulas."""
    parsed: dict[str, list[Token]] = {}
    left = _MARKDOWN_CHARS
    for text in (text for m in messages if m.role == "assistant" for text in (m.reasoning, m.content)):
        left -= len(text)
        if left >= 0 and text.count("[") <= _MOST_BRACKETS:
            parsed[text] = _MARKDOWN.parse(text)
    typeset(token for tokens in parsed.values() for token in tokens)
    return parsed


def _articles(shared: SharedConversation, language: Language, parsed: Parsed) -> Iterator[str]:
    for message in shared.conversation.messages:
        if message.role == "user":
            yield _question(message, language)
        else:
            yield _reply(message, shared, language, parsed)


def _question(message: ChatMessage, language: Language) -> str:
    pictures = _pictures(message, t(language, "picture"))
    text = f'<div class="plain">{escape(message.content)}</div>' if message.content else ""
    return f'<article class="user"><h2>{escape(t(language, "asked"))}</h2>{pictures}{text}</article>\n'


def _pictures(message: ChatMessage, name: str) -> str:
    return "".join(f'<img src="{escape(image.preview)}" alt="{escape(name)}">' for image in message.images)


def _reply(message: ChatMessage, shared: SharedConversation, language: Language, parsed: Parsed) -> str:
    face = shared.faces.get(message.role_key)
    icon, name = (face.icon, face.name[language]) if face else (UNKNOWN_ICON, t(language, "assistant"))
    thoughts = ""
    if message.reasoning:
        summary = escape(t(language, "thought"))
        reasoning = _rendered(message.reasoning, parsed)
        thoughts = f"<details><summary>{summary}</summary>{reasoning}</details>"
    ended = [t(language, message.status)] if message.status in ("stopped", "interrupted") else []
    ended += [t(language, f"finish.{message.finish_reason}")] if message.finish_reason else []
    facts = escape(" · ".join(filter(None, (message.model, *ended))))
    said = _pictures(message, message.content) or _rendered(message.content, parsed)
    return (
        f"<article><h2>{icon_html(icon)}{escape(name)}</h2>{thoughts}{said}<small>{facts}</small></article>\n"
    )


def _rendered(text: str, parsed: Parsed) -> str:
    if text not in parsed:
        return f'<div class="plain">{escape(text)}</div>'
    return f"<div>{_MARKDOWN.renderer.render(parsed[text], _MARKDOWN.options, {})}</div>"


def _link_open(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, _: Any) -> str:
    """Search engines do not take the link for the site's word, nor does the other site hear of this one."""
    tokens[index].attrSet("rel", "nofollow noopener noreferrer")
    return self.renderToken(tokens, index, options, _)


# HTML in a text is shown as it is written, and links lead to web pages alone. A picture would make the
# reader's browser fetch it: it stays a link.
_MARKDOWN = MarkdownIt("js-default", {"breaks": True}).disable("image").use(formulas_plugin)
_MARKDOWN.add_render_rule("link_open", _link_open)
