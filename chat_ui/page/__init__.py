"""The page.

`layout` has the components, `theme` their looks, `wiring` every listener. Listeners call the methods of
`conversation_handlers`, `turn_handlers`, `role_handlers`, `memory_handlers` and `share_handlers` with what
`requests` parses.
What they answer comes from `renderer` and, for a running reply, `follower` with `watching`, by the pure
functions of `view`, `session_list`, `role_picker`, `variables_form`, `memory_panel`, `share_panel` and
`markdown`.
"""

import gradio as gr

from chat_core import ChatService

from .conversation_handlers import ARCHIVE_NAME, ConversationHandlers
from .follower import Follower
from .layout import I18N, LANGUAGES, PICTURES, TITLE, build
from .memory_handlers import MemoryHandlers
from .pacing import MAX_STREAMS, FramePacer
from .renderer import Renderer
from .requests import RequestParser
from .role_handlers import RoleHandlers
from .share_handlers import ShareHandlers
from .theme import build_theme
from .turn_handlers import TurnHandlers
from .view import UNKNOWN_ICON, document, icon_html
from .wiring import wire

__all__ = [
    "ARCHIVE_NAME",
    "I18N",
    "LANGUAGES",
    "MAX_STREAMS",
    "PICTURES",
    "TITLE",
    "UNKNOWN_ICON",
    "FramePacer",
    "build_page",
    "build_theme",
    "document",
    "icon_html",
]


def build_page(demo: gr.Blocks, service: ChatService, pacer: FramePacer) -> None:
    """Lays the page out inside the current Blocks, and connects it with the service."""
    components = build(service)
    renderer, parser = Renderer(service), RequestParser(components)
    follower = Follower(renderer, pacer)
    conversations = ConversationHandlers(service, renderer, parser, follower)
    turns = TurnHandlers(service, renderer, parser, follower)
    roles = RoleHandlers(service, renderer, parser, follower)
    memory = MemoryHandlers(service, renderer, parser)
    sharing = ShareHandlers(service, renderer, parser, follower)
    wire(demo, components, conversations, turns, roles, memory, sharing)
