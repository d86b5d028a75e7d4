"""The links that a visitor has shared, as HTML for the drawer. Pure functions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from chat_core import Language, Share

from ..texts import t

# Nothing to see, until the panel is opened: from here sharing.js sends its events.
CLOSED = "<i hidden></i>"


def share_panel(shares: Sequence[Share], language: Language, *, minutes_west: int = 0) -> str:
    """The links, the latest first, each with buttons to copy and to end it; nothing if there is none. What is
    to happen on a click stands in `data-action` and `data-token`."""
    if not shares:
        return CLOSED
    entries = "".join(_entry(share, language, minutes_west) for share in reversed(shares))
    return f"{CLOSED}<h4>{escape(t(language, 'shared_links'))}</h4><ul>{entries}</ul>"


def last_day(share: Share, minutes_west: int) -> str:
    """The day on which the link ends, where the reader is, `minutes_west` of Greenwich."""
    return f"{datetime.fromtimestamp(share.expires_at - minutes_west * 60, UTC):%Y-%m-%d}"


def _entry(share: Share, language: Language, minutes_west: int) -> str:
    title = escape(share.title or t(language, "untitled"))
    until = escape(t(language, "holds_until", day=last_day(share, minutes_west)))
    return (
        f'<li data-token="{escape(share.token)}"><span>{title} <small>{until}</small></span>'
        f"{_button('copy', 'copy_link', '🔗', title, language)}"
        f"{_button('end', 'unshare', '✕', title, language)}</li>"
    )


def _button(action: str, key: str, sign: str, title: str, language: Language) -> str:
    words = escape(t(language, key))
    return (
        f'<button type="button" data-action="{action}" title="{words}" '
        f'aria-label="{words}: {title}">{sign}</button>'
    )
