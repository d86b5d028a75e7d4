"""The page and the endpoints. The only package that knows Gradio and FastAPI."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio as gr

    from chat_core import ChatService


def build_ui(service: "ChatService") -> "gr.Blocks":
    """The page over `service`, with its named endpoints. Opens nothing."""
    # Gradio takes seconds to import, and the command line does without it.
    from .ui import build

    return build(service)
