"""What the chosen role and the open conversation remember, as HTML for the drawer. Pure functions."""

from collections.abc import Sequence
from html import escape

from chat_core import Language, Note, Role, Summary

from ..texts import t


def memory_panel(role: Role, notes: Sequence[Note], summary: Summary, language: Language) -> str:
    """The notes for the role, with a field for another one, and the summary if there is one. What is to
    happen on a click or a submit stands in `data-action`."""
    return _notes(role, notes, language) + (_summary(summary, language) if summary.text else "")


# Nothing to see, until the panel is opened: from here memory.js sends its events.
CLOSED = "<i hidden></i>"


def _notes(role: Role, notes: Sequence[Note], language: Language) -> str:
    title = escape(t(language, "notes_for", role=role.name[language]))
    forget, add = (escape(t(language, key)) for key in ("forget", "add"))
    entries = "".join(
        f'<li data-note="{escape(note.id)}"><span>{escape(note.text)}</span>'
        f'<button type="button" data-action="forget" title="{forget}" '
        f'aria-label="{forget}: {escape(note.text)}">✕</button></li>'
        for note in notes
    )
    return (
        f"{CLOSED}<h4>{title}</h4><small>{escape(t(language, 'notes_info'))}</small>"
        f'<ul>{entries}</ul><form data-action="remember">'
        f'<input name="note" required aria-label="{title}" '
        f'placeholder="{escape(t(language, "note_example"))}"><button>{add}</button></form>'
    )


def _summary(summary: Summary, language: Language) -> str:
    title, save = (escape(t(language, key)) for key in ("summary_title", "save"))
    return (
        f'<h4>{title}</h4><form data-action="rewrite"><textarea name="summary" rows="6" '
        f'aria-label="{title}">{escape(summary.text)}</textarea>'
        f"<button>{save}</button></form>"
    )
