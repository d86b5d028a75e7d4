"""TabState: what one browser tab shows."""

from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

# How many of the latest messages are shown at first, and how many of the latest conversations are listed.
WINDOW = 20
LISTED = 50


class TabState(BaseModel):
    """A conversation with its title, how many of its latest messages are shown, and the turn to follow; and
    how many of the latest conversations are listed.

    `render_id` is another one each time a conversation is rendered, so that coming back to a turn follows it
    again; `fingerprint` tells whether something was said in another tab, and `list_tag` whether the list of
    conversations is another one than the page shows; a `temporary` conversation is never
    stored; `undone` is the id under which what was taken back just now is restored.
    The page holds it, not a gr.State, which is lost when the app restarts under an open page.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    session_id: str = ""
    turn_id: str = ""
    title: str = ""
    render_id: str = ""
    fingerprint: str = ""
    list_tag: str = ""
    window: int = Field(WINDOW, ge=1, le=1_000_000)
    listed: int = Field(LISTED, ge=1, le=1_000_000)
    temporary: bool = False
    undone: str = ""

    @property
    def last_turn(self) -> str | None:
        """The last turn of the conversation as the tab shows it; None if it shows none."""
        return self.fingerprint.partition(" ")[0] if self.fingerprint else None

    def opening(self, session_id: str = "", *, temporary: bool = False) -> "TabState":
        """The same tab with another conversation, an empty one without an id, which is to be rendered."""
        return EMPTY_TAB.updated(session_id=session_id, temporary=temporary, listed=self.listed)

    def updated(self, **changes: Any) -> "TabState":
        """The same with some fields changed."""
        return self.model_copy(update=changes)

    def rendered_anew(self, **changes: Any) -> "TabState":
        """The same, as another rendering, with some fields changed."""
        return self.updated(render_id=uuid4().hex[:8], **changes)


EMPTY_TAB = TabState()
