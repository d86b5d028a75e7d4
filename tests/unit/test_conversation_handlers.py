"""What the page shows after two steps at once."""

import asyncio
from types import SimpleNamespace
from typing import Any

from chat_ui.page.conversation_handlers import ConversationHandlers
from chat_ui.page.tab import EMPTY_TAB


class Rendering:
    """In place of a renderer: a conversation is rendered once it may be."""

    def __init__(self) -> None:
        self.may_end = {name: asyncio.Event() for name in ("first", "second", "other")}
        self.ended: list[str] = []

    async def render(self, visitor: Any, tab: Any, *, role: str) -> Any:
        await self.may_end[tab.session_id].wait()
        self.ended.append(tab.session_id)
        return SimpleNamespace(outputs=list)


async def test_a_page_shows_last_what_was_asked_for_last_and_does_not_wait_for_other_pages() -> None:
    rendering: Any = Rendering()
    nothing: Any = SimpleNamespace(parse=None, leave=lambda _: None)
    handlers = ConversationHandlers(nothing, rendering, nothing, nothing)

    def begin(session_hash: str, name: str) -> asyncio.Task[Any]:
        page: Any = SimpleNamespace(visitor=None, session_hash=session_hash)
        return asyncio.create_task(handlers._rendered(page, EMPTY_TAB.opening(name)))

    tasks = [begin("page", "first"), begin("page", "second"), begin("another", "other")]
    for name in ("second", "other", "first"):
        rendering.may_end[name].set()
        if name == "other":
            await tasks[2]
    await asyncio.gather(*tasks)
    assert rendering.ended == ["other", "first", "second"]
    tasks.clear()
    assert not handlers._orders, "nothing is kept of pages"
