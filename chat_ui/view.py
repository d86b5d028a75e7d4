"""From core objects to what components show. Pure functions: no I/O, no Gradio."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from chat_core import (
    ChatError,
    ChatMessage,
    Headings,
    Language,
    Messages,
    Notice,
    Role,
    Session,
    TurnEnd,
    TurnError,
)

from .texts import explain, say

Bubble = dict[str, Any]


def bubble(role: str, text: str, **metadata: Any) -> Bubble:
    """One message in the Chatbot's own form, so that it can be sent without being processed again; given
    as a part of a list its text is shown to the character, as a plain string it would be dedented."""
    content = [{"type": "text", "text": text}]
    return {"role": role, "metadata": metadata or None, "options": None, "content": content}


def conversation(history: Messages, language: Language, names: Mapping[str, str]) -> list[Bubble]:
    """Stored messages, oldest first, as bubbles. `names` are the roles' names by key."""
    return [shown for _, bubbles in _told(history, language, names) for shown in bubbles]


def message_at(
    history: Messages, index: int, language: Language, names: Mapping[str, str]
) -> ChatMessage | None:
    """Whose bubble is the one of that index in `conversation` of the same."""
    owners = [message for message, bubbles in _told(history, language, names) for _ in bubbles]
    return owners[index] if 0 <= index < len(owners) else None


def feedback(history: Messages, language: Language, names: Mapping[str, str]) -> list[str | None]:
    """What was thought of each reply, as the Chatbot wants it: an entry for each run of replying bubbles."""
    return [
        message.feedback.title() or None if message else None
        for message, bubbles in _told(history, language, names)
        if any(shown["role"] == "assistant" for shown in bubbles)
    ]


def _told(
    history: Messages, language: Language, names: Mapping[str, str]
) -> Iterator[tuple[ChatMessage | None, list[Bubble]]]:
    """Each message with its bubbles; None with what is nobody's."""
    if history.unreadable:
        yield None, [_note(say(language, "unreadable", count=history.unreadable))]
    role, asked = "", None
    for message in history.items:
        if message.role == "user":
            if asked:  # told apart, for Gradio draws what one side says in a row as one
                yield None, [_note(say(language, "no_reply"))]
            asked = message
            yield message, _asked(message, language)
            continue
        last = message is history.items[-1]
        bubbles = [
            *role_change(role, message.as_role, names),
            *reply(language, message.content, message.reasoning, seconds=message.seconds_of_thought),
            *ending(TurnEnd.of_message(message), language, at=message.timestamp, last=last),
        ]
        if asked and asked.earlier:
            bubbles[-1]["options"] = [*(bubbles[-1]["options"] or ()), *_versions(asked, message)]
        role, asked = message.as_role or role, None
        yield message, bubbles


def _asked(message: ChatMessage, language: Language) -> list[Bubble]:
    """A person's message: its pictures, then its text if there is one."""
    name = escape(say(language, "picture"))
    pictures = "".join(
        f'<img class="picture" src="{escape(image.preview)}" alt="{name}">' for image in message.images
    )
    shown = [bubble("user", pictures)] if pictures else []
    return [*shown, bubble("user", said(message.content))] if message.content or not shown else shown


def role_change(before: str, after: str, names: Mapping[str, str]) -> list[Bubble]:
    """Above a reply that is given in another role than the one before: who speaks."""
    return [_note(names.get(after, after))] if before and after and before != after else []


def last_role(messages: Iterable[ChatMessage]) -> str:
    """The key of the role that spoke last, as far as it is known."""
    return next((m.as_role for m in reversed([*messages]) if m.as_role), "")


def _versions(asked: ChatMessage, shown: ChatMessage) -> list[dict[str, str]]:
    """Buttons under a reply that was tried again: to the version before, which this one is, to the next."""
    times = sorted(version.timestamp for version in (*asked.earlier, shown))
    number, count = times.index(shown.timestamp) + 1, len(times)
    targets = (("‹", number - 1), (f"{number}/{count}", number), ("›", number + 1))
    return [
        {"label": label, "value": f"{asked.id} {target}"} for label, target in targets if 1 <= target <= count
    ]


def reply(
    language: Language, text: str, reasoning: str, *, running: bool = False, seconds: float | None = None
) -> list[Bubble]:
    """A reply, whole or as far as it has come: its reasoning in a block that is open while it goes on and
    then folds, with the `seconds` it took, then its text."""
    thinks = running and not text
    bubbles = []
    text, reasoning = markdown(text), markdown(reasoning)
    if reasoning:
        title = say(language, "thinking" if thinks else "thought")
        took = {"duration": seconds} if seconds and seconds >= _MOMENT_SECONDS and not thinks else {}
        bubbles.append(
            bubble("assistant", reasoning, title=title, status="pending" if thinks else "done", **took)
        )
    if text:
        bubbles.append(bubble("assistant", text))
    elif running and not reasoning:
        bubbles.append(bubble("assistant", TYPING))
    return bubbles


_MOMENT_SECONDS = 0.1


def ending(end: TurnEnd, language: Language, *, at: float = 0.0, last: bool = True) -> list[Bubble]:
    """What is said under a reply: why it failed, with a button to try again if it is the `last` one, and in
    one quiet line how it ended and what it took. `at` is when it ended."""
    bubbles = []
    if end.error:
        told = f"**⚠️ {say(language, 'error')}**\n\n{explained(language, end.error, at)}"
        failure = bubble("assistant", f'<div class="failure">\n\n{told}\n\n</div>')
        retry = {"label": f"↻ {say(language, 'retry')}", "value": RETRY}
        bubbles.append(failure | {"options": [retry] if last else None})
    facts = [say(language, end.status)] if end.status in ("stopped", "interrupted") else []
    if end.message:
        facts += _facts(end.message, language)
    return [*bubbles, _note(" · ".join(facts))] if facts else bubbles


RETRY = "retry"


def explained(language: Language, error: ChatError | TurnError, at: float) -> str:
    """What went wrong, with the seconds to wait as a `<time>` that the page counts down. `at` is when."""
    sentence = explain(language, error)
    wait = error.facts.get("retry_after")
    if not isinstance(wait, int | float):
        return sentence
    until = datetime.fromtimestamp(at + wait, UTC).isoformat(timespec="seconds")
    seconds = f"{wait:.0f}"
    return sentence.replace(seconds, f'<time class="countdown" datetime="{until}">{seconds}</time>', 1)


def _facts(reply: ChatMessage, language: Language) -> list[str]:
    facts = [reply.model] if reply.model else []
    if reply.seconds_to_first_token is not None:
        facts.append(say(language, "fact.first_token", seconds=reply.seconds_to_first_token))
    if reply.usage:
        facts.append(say(language, "fact.tokens", tokens=reply.usage.completion_tokens))
    if reply.context and reply.context.dropped:
        total = reply.context.sent + reply.context.dropped
        facts.append(say(language, "fact.context", sent=reply.context.sent, total=total))
    return facts


def session_list(
    sessions: Sequence[Session],
    open_id: str,
    language: Language,
    *,
    now: float = 0.0,
    minutes_west: int = 0,
    searched: bool = False,
) -> str:
    """The sidebar's list as HTML, grouped by day as it is at `now` where the reader is, `minutes_west` of
    Greenwich. What is to happen on a click stands in `data-action` and `data-session`."""
    if not sessions:
        key = "no_matches" if searched else "no_conversations"
        return f'<p class="no-sessions">{escape(say(language, key))}</p>'
    today = _day(now, minutes_west)
    groups: dict[str, list[str]] = {}
    for session in sorted(sessions, key=lambda session: not session.pinned):
        age = today - _day(session.updated_at, minutes_west)
        key = "pinned" if session.pinned else next(name for name, days in _AGES if age <= days)
        groups.setdefault(key, []).append(_session_entry(session, open_id, language, now))
    shown = "".join(
        f"<h2>{escape(say(language, key))}</h2><ul>{''.join(entries)}</ul>" for key, entries in groups.items()
    )
    return f'<nav aria-label="{escape(say(language, "conversations"))}">{shown}</nav>'


_AGES = (("today", 0), ("yesterday", 1), ("last_7_days", 7), ("older", float("inf")))
_DAY_SECONDS = 24 * 3600


def _day(seconds: float, minutes_west: int) -> int:
    return int((seconds - minutes_west * 60) // _DAY_SECONDS)


def _session_entry(session: Session, open_id: str, language: Language, now: float) -> str:
    title = session.title or say(language, "untitled")
    facts = escape(f"{title}\n{_expiry(session, language, now)}".strip())
    current = ' aria-current="page"' if session.id == open_id else ""
    running = f'<i class="dot" title="{escape(say(language, "running"))}"></i>' if session.running else ""
    question = {"rename": say(language, "rename_ask"), "delete": say(language, "delete_confirm", title=title)}
    buttons = "".join(
        f'<button type="button" data-action="{action}" data-ask="{escape(question.get(action, ""))}" '
        f'title="{escape(say(language, action))}" aria-label="{escape(say(language, action))}: '
        f'{escape(title)}">{icon}</button>'
        for action, icon in (("unpin" if session.pinned else "pin", "📌"), ("rename", "✏️"), ("delete", "🗑️"))
    )
    return (
        f'<li class="session" data-session="{escape(session.id)}" data-title="{escape(title)}">'
        f'<button type="button" data-action="open" title="{facts}"{current}>'
        f"<span>{escape(title)}</span>{running}</button>{buttons}</li>"
    )


def _expiry(session: Session, language: Language, now: float) -> str:
    if session.expires_at is None:
        return ""
    days = int((session.expires_at - now) // _DAY_SECONDS)
    key = "expires_today" if days < 1 else "expires_tomorrow" if days == 1 else "expires_in_days"
    return say(language, key, days=days)


def role_names(roles: Iterable[Role], language: Language) -> dict[str, str]:
    """Each role's name with its icon, by key."""
    return {role.key: f"{role.icon} {role.name[language]}" for role in roles}


def headings(language: Language, names: Mapping[str, str]) -> Headings:
    """The words of an exported document. `names` are the roles' names by key."""
    user, assistant, thought, untitled = (
        say(language, key) for key in ("you", "assistant", "thought", "untitled")
    )
    return Headings(user=user, assistant=assistant, roles=names, reasoning=thought, untitled=untitled)


def greeting(role: Role, language: Language) -> dict[str, Any]:
    """What an empty conversation shows, as properties of the Chatbot: the welcome, and questions to click."""
    welcome = f"{role.icon}\n\n## {role.welcome_message[language]}"
    questions = [{"text": question} for question in role.example_questions[language]]
    return {"placeholder": welcome, "examples": questions}


def notice(
    notices: Sequence[Notice], model: str, language: Language, *, store: bool = True, temporary: bool = False
) -> str:
    """What a person should know about where this chat runs, as Markdown; empty if nothing."""
    keys = [f"notice.{key}" for key in notices]
    keys += [] if store else ["notice.store_away"]
    keys += ["notice.temporary"] if temporary else []
    return " ".join(say(language, key, model=model) for key in keys)


def activity(running: bool, language: Language) -> str:
    """Marks for the style sheet, whether Send or Stop is shown, and for page.js, what to ask before an edit
    that replaces more than one turn."""
    ask = escape(say(language, "edit_confirm"))
    return f'<i data-running="{str(running).lower()}" data-ask-edit="{ask}"></i>'


def said(text: str) -> str:
    """What a person wrote, as HTML that shows it to the character: nothing in it is Markdown. page.js takes
    it back where it is copied or edited."""
    return f'<pre class="said">&#10;{text.translate(_ENTITIES)}</pre>'


_ENTITIES = {code: f"&#{code};" for code in range(128) if not chr(code).isalnum() and chr(code) != " "}


def markdown(text: str) -> str:
    """`text` so that the Chatbot shows what it says. `$formulas$` become `\\(formulas\\)`, which is how the
    Chatbot takes them; prices are left alone by Pandoc's rule (extension tex_math_dollars): no space just
    inside the dollars, no digit after. What stands in code, also in a block not closed yet, is code."""
    pieces = _CODE.split(text)
    pieces[::2] = [_FORMULA.sub(r"\\(\1\\)", piece) for piece in pieces[::2]]
    pieces[1::2] = [_with_tabs(piece) for piece in pieces[1::2]]
    return "".join(pieces)


_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)
_FORMULA = re.compile(r"(?<![\\$\w])\$(?=[^\s$])([^$\n]*?[^\s$\\])\$(?![\d$])")


def _with_tabs(code: str) -> str:
    """The Chatbot's Markdown turns tabs at the beginning of a line into spaces, which ruins a Makefile. It
    does not when a byte order mark stands before them, and takes that away again when the fence is indented
    by as much. Where a message is copied as a whole, page.js takes both away."""
    fence, *lines = code.split("\n")
    if not any(line.lstrip(" ").startswith("\t") for line in lines):
        return code
    return "\n".join([f" {fence}", *(f"\ufeff{line}" if line[:1] in (" ", "\t") else line for line in lines)])


TYPING = '<span class="typing"><i></i><i></i><i></i></span>'


def _note(text: str) -> Bubble:
    return bubble("assistant", f'<span class="note">{escape(text)}</span>')
