"""From core objects to what components show. Pure functions: no I/O, no Gradio."""

from collections.abc import Sequence
from html import escape
from typing import Any

from chat_core import ChatMessage, Language, Notice, Role, Roles, Session, TurnEnd

from .texts import explain, say

Bubble = dict[str, Any]


def bubble(role: str, text: str, **metadata: Any) -> Bubble:
    """One message in the Chatbot's own form, so that it can be sent without being processed again; given
    as a part of a list its text is shown to the character, as a plain string it would be dedented."""
    content = [{"type": "text", "text": text}]
    return {"role": role, "metadata": metadata or None, "options": None, "content": content}


def conversation(messages: Sequence[ChatMessage], language: Language, unreadable: int = 0) -> list[Bubble]:
    """Stored messages, oldest first, as bubbles."""
    bubbles = [_note(say(language, "unreadable", count=unreadable))] if unreadable else []
    for message in messages:
        if message.role == "user":
            bubbles.append(bubble("user", message.content))
        else:
            bubbles += reply(language, message.content, message.reasoning)
            bubbles += ending(TurnEnd.of_message(message), language)
    return bubbles


def reply(language: Language, text: str, reasoning: str, *, running: bool = False) -> list[Bubble]:
    """A reply, whole or as far as it has come: its reasoning in a block that folds, then its text."""
    thinks = running and not text
    bubbles = []
    if reasoning:
        title = say(language, "thinking" if thinks else "thought")
        bubbles.append(bubble("assistant", reasoning, title=title, status="pending" if thinks else "done"))
    if text:
        bubbles.append(bubble("assistant", text))
    elif running and not reasoning:
        bubbles.append(bubble("assistant", TYPING))
    return bubbles


def ending(end: TurnEnd, language: Language) -> list[Bubble]:
    """What is to be said about how a turn ended; nothing if it ended well."""
    if end.error:
        return [bubble("assistant", explain(language, end.error), title=f"⚠️ {say(language, 'error')}")]
    if end.status in ("stopped", "interrupted"):
        return [_note(say(language, end.status))]
    return []


def session_list(sessions: Sequence[Session], open_id: str, language: Language) -> str:
    """The sidebar's list as HTML; a click on an entry tells its `data-session`."""
    entries = "".join(_session_entry(session, open_id, language) for session in sessions)
    if not entries:
        return f'<p class="no-sessions">{escape(say(language, "no_conversations"))}</p>'
    return f'<nav aria-label="{escape(say(language, "conversations"))}">{entries}</nav>'


def _session_entry(session: Session, open_id: str, language: Language) -> str:
    title = escape(session.title or say(language, "untitled"))
    current = ' aria-current="page"' if session.id == open_id else ""
    running = f'<i class="dot" title="{escape(say(language, "running"))}"></i>' if session.running else ""
    return (
        f'<button type="button" class="session" data-session="{escape(session.id)}"{current}>'
        f"<span>{title}</span>{running}</button>"
    )


def role_choices(roles: Roles, language: Language) -> list[tuple[str, str]]:
    """The role dropdown's choices: (label, key)."""
    return [(f"{role.icon} {role.name[language]}", role.key) for role in roles.values()]


def greeting(role: Role, language: Language) -> dict[str, Any]:
    """What an empty conversation shows, as properties of the Chatbot: the welcome, and questions to click."""
    welcome = f"# {role.icon}\n\n### {role.welcome_message[language]}"
    questions = [{"text": question} for question in role.example_questions[language]]
    return {"placeholder": welcome, "examples": questions}


def notice(notices: Sequence[Notice], model: str, store: bool, language: Language) -> str:
    """What a person should know about where this chat runs, as Markdown; empty if nothing."""
    keys = [f"notice.{key}" for key in notices] + ([] if store else ["notice.store_away"])
    return " ".join(say(language, key, model=model) for key in keys)


def activity(running: bool) -> str:
    """A mark that the style sheet reads: whether Send or Stop is shown."""
    return f'<i data-running="{str(running).lower()}"></i>'


TYPING = '<span class="typing"><i></i><i></i><i></i></span>'


def _note(text: str) -> Bubble:
    return bubble("assistant", f'<span class="note">{escape(text)}</span>')
