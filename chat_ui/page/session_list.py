"""The sidebar's list of conversations, as HTML. Pure functions."""

from html import escape

from chat_core import Language, Session, SessionList

from ..texts import t


def session_list(
    sessions: SessionList,
    open_id: str,
    language: Language,
    *,
    now: float = 0.0,
    minutes_west: int = 0,
    searched: bool = False,
) -> str:
    """The sidebar's list as HTML, grouped by folder and by day as it is at `now` where the reader is,
    `minutes_west` of Greenwich. What is to happen on a click stands in `data-action` and `data-session`.
    Whether a reply runs in the open session is not told: the page knows it, and the list stays the same when
    the reply ends."""
    if not (sessions.items or sessions.unreadable):
        key = "no_matches" if searched else "no_conversations"
        return f'<p class="no-sessions">{escape(t(language, key))}</p>'
    today = _day(now, minutes_west)
    groups: dict[str, list[str]] = {}
    for session in sorted(sessions.items, key=lambda session: (not session.pinned, not session.folder)):
        age = today - _day(session.updated_at, minutes_west)
        day = next(name for name, days in _AGES if age <= days)
        if session.pinned or not session.folder:
            heading = f"<h2>{escape(t(language, 'pinned' if session.pinned else day))}</h2>"
        else:
            heading = _folder_heading(session.folder, language)
        groups.setdefault(heading, []).append(_session_entry(session, open_id, language, now))
    if sessions.unreadable:
        heading = f"<h2>{escape(t(language, 'unreadable_sessions'))}</h2>"
        groups[heading] = [_unreadable_entry(*session, language) for session in sessions.unreadable.items()]
    shown = "".join(f"{heading}<ul>{''.join(entries)}</ul>" for heading, entries in groups.items())
    if sessions.older:
        words = escape(t(language, "show_older", count=sessions.older))
        shown += f'<button type="button" data-action="older">{words}</button>'
    return f'<nav aria-label="{escape(t(language, "conversations"))}">{shown}</nav>'


_AGES = (("today", 0), ("yesterday", 1), ("last_7_days", 7), ("older", float("inf")))
_DAY_SECONDS = 24 * 3600


def _day(seconds: float, minutes_west: int) -> int:
    return int((seconds - minutes_west * 60) // _DAY_SECONDS)


def _session_entry(session: Session, open_id: str, language: Language, now: float) -> str:
    title = session.title or t(language, "untitled")
    facts = escape(f"{title}\n{_expiry(session, language, now)}".strip())
    current = ' aria-current="page"' if session.id == open_id else ""
    dot = f'<i class="dot" title="{escape(t(language, "running"))}"></i>'
    running = dot if session.running or current else ""
    place = ' data-pinned="true"' if session.pinned else ""
    place += f' data-in="{escape(session.folder)}"' if session.folder else ""
    return (
        f'<li class="session" data-session="{escape(session.id)}" data-title="{escape(title)}"{place}>'
        f'<a href="?c={escape(session.id)}" data-action="open" title="{facts}"{current}>'
        f"<span>{escape(title)}</span>{running}</a>{_menu(title, language)}</li>"
    )


def _unreadable_entry(session_id: str, title: str, language: Language) -> str:
    """It cannot be opened, and is there to be exported or deleted."""
    title = title or t(language, "untitled")
    return (
        f'<li class="session" data-session="{escape(session_id)}" data-title="{escape(title)}"'
        f' data-unreadable="true"><span title="{escape(t(language, "error.session_unreadable"))}">'
        f"{escape(title)}</span>{_menu(title, language)}</li>"
    )


def _menu(title: str, language: Language) -> str:
    actions = f"{escape(t(language, 'actions'))}: {escape(title)}"
    return f'<button type="button" data-action="menu" aria-haspopup="menu" aria-label="{actions}">⋯</button>'


def _folder_heading(folder: str, language: Language) -> str:
    """It finds all that is in the folder."""
    name, title = escape(folder), escape(t(language, "folder_find"))
    return (
        f'<h2><button type="button" data-action="folder" data-folder="{name}" title="{title}">'
        f"🗀 {name}</button></h2>"
    )


def _expiry(session: Session, language: Language, now: float) -> str:
    if session.expires_at is None:
        return ""
    days = int((session.expires_at - now) // _DAY_SECONDS)
    key = "expires_today" if days < 1 else "expires_tomorrow" if days == 1 else "expires_in_days"
    return t(language, key, days=days)
