"""The page's components, and nothing else."""

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from chat_core import ChatService

from . import view
from .texts import TEXTS

HERE = Path(__file__).parent
TITLE = "Role Chat"

# What a tab shows: a conversation with its title, and in it the turn to follow. `visit` makes each visit
# another place, so that coming back to a turn follows it again.
Place = dict[str, str]
NOWHERE: Place = {"session_id": "", "turn_id": "", "title": "", "visit": ""}

# Shown by the browser's language, without asking the server.
I18N = gr.I18n(
    en={key.replace(".", "_"): words["en"] for key, words in TEXTS.items()},
    zh={key.replace(".", "_"): words["zh"] for key, words in TEXTS.items()},
)


@dataclass(frozen=True)
class Widgets:
    """Every component that a listener reads or writes."""

    identity: gr.BrowserState
    place: gr.JSON
    new_chat: gr.Button
    search: gr.Textbox
    sessions: gr.HTML
    role: gr.Dropdown
    model: gr.Dropdown
    clear: gr.Button
    notice: gr.Markdown
    chatbot: gr.Chatbot
    box: gr.Textbox
    activity: gr.HTML


def build(service: ChatService) -> Widgets:
    """Lays the page out inside the current Blocks."""
    # The id in the browser is what opens a visitor's conversations. Gradio's encryption of it is no
    # protection, for its key is public; it only has to stay the same over restarts.
    identity = gr.BrowserState({"user_id": "", "session_id": ""}, storage_key="role-chat", secret="role-chat")
    # Held by the page, not by a gr.State: that is lost when the app restarts under an open page.
    place = gr.JSON(NOWHERE, visible="hidden", elem_id="place")
    with gr.Sidebar(width=280, open=False, elem_id="sidebar"):
        new_chat = gr.Button(I18N("new_chat"), variant="secondary", size="md", elem_id="new-chat")
        search = gr.Textbox(
            label=I18N("search"),
            placeholder=I18N("search"),
            show_label=False,
            container=False,
            max_lines=1,
            elem_id="search",
        )
        sessions = gr.HTML(js_on_load=(HERE / "sessions.js").read_text(encoding="utf-8"), elem_id="sessions")
        with gr.Accordion(I18N("keyboard"), open=False, elem_id="help"):
            gr.Markdown(I18N("shortcuts"))
    with gr.Row(elem_id="header"):
        gr.HTML(f"<h1>{TITLE}</h1>", elem_id="title")
        role = gr.Dropdown(
            view.role_choices(service.roles, "en"),
            value=service.roles.default,
            label=I18N("role"),
            show_label=False,
            container=False,
            filterable=False,
            elem_id="role",
        )
        model = gr.Dropdown(
            list(service.settings.models),
            value=service.settings.models[0],
            label=I18N("model"),
            show_label=False,
            container=False,
            visible=len(service.models) > 1,
            elem_id="model",
        )
        clear = gr.Button(I18N("clear"), variant="secondary", size="sm", elem_id="clear")
    notice = gr.Markdown(elem_id="notice")
    chatbot = gr.Chatbot(
        label=I18N("conversation"),
        show_label=False,
        container=False,
        scale=1,
        height="100%",
        buttons=["copy"],
        editable="user",
        feedback_options=["Like", "Dislike"],
        latex_delimiters=[
            {"left": "$$", "right": "$$", "display": True},
            {"left": "\\[", "right": "\\]", "display": True},
            {"left": "\\(", "right": "\\)", "display": False},
        ],
        layout="bubble",
        elem_id="chatbot",
    )
    box = gr.Textbox(
        label=I18N("message"),
        placeholder=I18N("message_placeholder"),
        show_label=False,
        container=False,
        autofocus=True,
        lines=1,
        max_lines=8,
        submit_btn=True,
        stop_btn=True,
        elem_id="box",
    )
    activity = gr.HTML(view.activity(False), elem_id="activity")
    return Widgets(
        identity, place, new_chat, search, sessions, role, model, clear, notice, chatbot, box, activity
    )
