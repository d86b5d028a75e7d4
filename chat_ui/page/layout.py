"""The page's components, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import gradio as gr
from gradio.blocks import Block

from chat_core import ChatService, Language

from ..texts import TEXTS
from . import view
from .memory_panel import CLOSED
from .role_picker import role_picker
from .share_panel import CLOSED as NO_LINKS
from .tab import EMPTY_TAB

PICTURES = Path(__file__).parent.parent / "static" / "pictures"
TITLE = "Role Chat"

# As browsers name them.
LANGUAGES: dict[Language, str] = {"zh": "zh-CN", "en": "en"}

# Shown by the browser's language, without asking the server.
I18N = gr.I18n(
    en={key.replace(".", "_"): words["en"] for key, words in TEXTS.items()},
    zh={key.replace(".", "_"): words["zh"] for key, words in TEXTS.items()},
)


@dataclass(frozen=True)
class Components:
    """Every component that a listener reads or writes."""

    identity: gr.BrowserState
    tab: gr.JSON
    turn: gr.JSON
    new_chat: gr.Button
    search: gr.Textbox
    sessions: gr.HTML
    role: gr.Textbox
    role_picker: gr.HTML
    role_saved: gr.JSON
    roles_file: gr.UploadButton
    found_roles: gr.JSON
    variables: gr.JSON
    variables_form: gr.HTML
    model: gr.Dropdown
    clear: gr.Button
    memory: gr.HTML
    notice: gr.Markdown
    chatbot: gr.Chatbot
    box: gr.MultimodalTextbox
    activity: gr.HTML
    earlier: gr.Button
    list_questions: gr.Button
    questions: gr.JSON
    restore: gr.Button
    waiting: gr.HTML
    picture: gr.JSON
    refresh: gr.Button
    temperature: gr.Number
    length: gr.Number
    effort: gr.Dropdown
    refresh_models: gr.Button
    save_settings: gr.Button
    temporary: gr.Button
    export_markdown: gr.Button
    export_json: gr.Button
    import_file: gr.UploadButton
    export_all: gr.Button
    download: gr.JSON
    shares: gr.HTML
    link: gr.JSON
    sign_in: gr.Button
    log_out: gr.Button

    # What listeners have as outputs, by their names in a ComponentUpdates (see `renderer`): those that follow
    # a turn; those that begin one; what is chosen in a conversation; those that render one with that.
    FOLLOW: ClassVar = ("chatbot", "activity", "sessions", "tab")
    TALK: ClassVar = (*FOLLOW, "box", "identity", "turn", "search", "earlier")
    CHOSEN: ClassVar = (
        "role",
        "role_picker",
        "model",
        "temperature",
        "length",
        "effort",
        "variables",
        "variables_form",
    )
    RENDER: ClassVar = (*TALK, *CHOSEN, "notice")

    def named(self, names: Sequence[str]) -> list[Block]:
        return [getattr(self, name) for name in names]


def build(service: ChatService) -> Components:
    """Lays the page out inside the current Blocks."""
    # Served where they are: copies would be deleted when another app of Gradio's on this machine ends.
    gr.set_static_paths([PICTURES])
    return Components(
        **_sidebar(), **_header(service), **_conversation(), **_drawer(service), **_hidden(service)
    )


# Some components are annotated without the words of several languages, but show them: hence the casts.
_SMALL: dict[str, Any] = {"variant": "secondary", "size": "sm"}
_BARE: dict[str, Any] = {"show_label": False, "container": False}  # the label is for screen readers


# What a script (session-list.js, roles.js, variables.js, box.js) makes of a click becomes a Gradio event.
_PASS_ON = 'element.addEventListener("choose", ({ detail }) => trigger(detail.event, detail.data))'


def _sidebar() -> dict[str, Any]:
    with gr.Column(elem_id="sidebar"):
        with gr.Row(elem_classes="panel-head"):
            new_chat = gr.Button(I18N("new_chat"), variant="secondary", size="md", elem_id="new-chat")
            _icon("close", "close-sidebar")
        temporary = gr.Button(I18N("temporary"), elem_id="temporary", **_SMALL)
        search = gr.Textbox(
            label=I18N("search"), placeholder=I18N("search"), max_lines=1, elem_id="search", **_BARE
        )
        sessions = gr.HTML(js_on_load=_PASS_ON, elem_id="sessions")
        with gr.Accordion(I18N("keyboard"), open=False, elem_id="help"):
            gr.Markdown(I18N("shortcuts"))
    return {"new_chat": new_chat, "temporary": temporary, "search": search, "sessions": sessions}


def _header(service: ChatService) -> dict[str, Any]:
    with gr.Row(elem_id="header"):
        _icon("conversations", "open-sidebar")
        gr.HTML(f'<h1><button type="button" disabled>{TITLE}</button></h1>', elem_id="title")
        roles = service.roles
        picker = role_picker(roles, roles, roles.default, service.settings.models, "en")
        picker_html = gr.HTML(picker, js_on_load=_PASS_ON, elem_id="role")
        model = gr.Dropdown(
            view.model_choices(service.model_offers),
            value=service.models[0],
            label=I18N("model"),
            visible=len(service.models) > 1,
            elem_id="model",
            **_BARE,
        )
        _icon("settings", "open-drawer")
    return {"role_picker": picker_html, "model": model, "notice": gr.Markdown(elem_id="notice")}


def _conversation() -> dict[str, Any]:
    gr.Markdown(I18N("lost"), elem_id="lost")
    earlier = gr.Button(visible=False, elem_id="earlier", **_SMALL)
    list_questions = _icon("questions", "questions")
    chatbot = gr.Chatbot(
        label=I18N("conversation"),
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
        autoscroll=False,  # scrolling.js does it
        avatar_images=(PICTURES / "user.svg", PICTURES / "assistant.svg"),
        elem_id="chatbot",
        **_BARE,
    )
    restore = gr.Button(I18N("restore"), elem_id="restore", **_SMALL)
    waiting = gr.HTML('<div role="group"></div>', js_on_load=_PASS_ON, elem_id="waiting")
    variables_form = gr.HTML(js_on_load=_PASS_ON, elem_id="variables")
    box = gr.MultimodalTextbox(
        label=I18N("message"),
        placeholder=cast(str, I18N("message_placeholder")),
        sources=["upload"],
        file_types=["image"],
        file_count="multiple",
        autofocus=True,
        lines=1,
        max_lines=8,
        max_plain_text_length=10_000_000,  # a long text that is pasted stays a text
        submit_btn=True,
        stop_btn=True,
        elem_id="box",
        **_BARE,
    )
    activity = gr.HTML(view.activity(False, "en"), elem_id="activity")
    return {
        "earlier": earlier,
        "list_questions": list_questions,
        "chatbot": chatbot,
        "restore": restore,
        "waiting": waiting,
        "variables_form": variables_form,
        "box": box,
        "activity": activity,
    }


def _drawer(service: ChatService) -> dict[str, Any]:
    """The settings of the conversation and of the visitor, and what goes in and out."""
    with gr.Column(elem_id="drawer"):
        with gr.Row(elem_classes="panel-head"):
            gr.Markdown(I18N("settings_head"))
            gr.HTML('<p role="status"></p>', elem_id="said")
            _icon("close", "close-drawer")
        gr.Markdown(I18N("settings_of_chat"))
        temperature = _number("temperature", step=0.1)
        length = _number("length", precision=0, step=50)
        effort = gr.Dropdown(label=I18N("effort"), filterable=False, visible=False, elem_id="effort")
        refresh_models = gr.Button(
            I18N("refresh_models"), visible=service.finds_models, elem_id="refresh-models", **_SMALL
        )
        memory = gr.HTML(CLOSED, js_on_load=_PASS_ON, elem_id="memory")
        gr.Markdown(I18N("settings_of_user"))
        gr.HTML('<div class="choices"></div>', elem_id="preferences")
        signs_in, asks_who = service.settings.signs_in, service.settings.asks_who
        sign_in = gr.Button(I18N("sign_in"), visible=signs_in and not asks_who, elem_id="sign-in", **_SMALL)
        log_out = gr.Button(I18N("log_out"), visible=signs_in or asks_who, elem_id="log-out", **_SMALL)
        gr.Markdown(I18N("settings_of_data"))
        gr.Button(I18N("export"), elem_id="export", **_SMALL)
        words = cast(str, I18N("import"))
        import_file = gr.UploadButton(
            words, file_types=[".json", ".zip"], type="binary", elem_id="import", **_SMALL
        )
        shares = gr.HTML(NO_LINKS, js_on_load=_PASS_ON, elem_id="shares")
        clear = gr.Button(I18N("clear"), elem_id="clear", **_SMALL)
    return {
        "temperature": temperature,
        "length": length,
        "effort": effort,
        "refresh_models": refresh_models,
        "memory": memory,
        "shares": shares,
        "sign_in": sign_in,
        "log_out": log_out,
        "import_file": import_file,
        "clear": clear,
    }


def _icon(key: str, elem_id: str) -> gr.Button:
    """A button with a picture (icons.css) and a name."""
    return gr.Button(I18N(key), elem_id=elem_id, elem_classes="icon", **_SMALL)


def _number(name: str, **options: Any) -> gr.Number:
    """A number that may be left to the provider; without bounds, as Gradio tells about them in English."""
    return gr.Number(
        label=I18N(name),
        info=I18N(f"{name}_info"),
        placeholder=I18N("providers_default"),
        value=None,
        elem_id=name,
        **options,
    )


def _hidden(service: ChatService) -> dict[str, Any]:
    """What the page remembers, and where its script and its listeners meet."""
    # The id in the browser is what opens a visitor's conversations. Gradio's encryption of it is no
    # protection, for its key is public; it only has to stay the same over restarts.
    identity = gr.BrowserState({"user_id": "", "session_id": ""}, storage_key="role-chat", secret="role-chat")
    gr.HTML(
        view.picture_models_html(service.picture_offers), visible="hidden", elem_id="picture-models"
    )  # drawing.js
    hidden = {
        "tab": gr.JSON(EMPTY_TAB.model_dump(), visible="hidden", elem_id="tab-state"),
        "turn": gr.JSON(visible="hidden", elem_id="turn"),
        "refresh": gr.Button(visible="hidden", elem_id="refresh"),
        "role": gr.Textbox(service.roles.default, visible="hidden", elem_id="role-key"),
        "role_saved": gr.JSON(visible="hidden", elem_id="role-saved"),
        "roles_file": gr.UploadButton(
            file_types=[".toml", ".json", ".csv", ".png"],
            type="binary",
            visible="hidden",
            elem_id="roles-file",
        ),
        "found_roles": gr.JSON(visible="hidden", elem_id="found-roles"),
        "variables": gr.JSON({}, visible="hidden", elem_id="variable-values"),
        "questions": gr.JSON(visible="hidden", elem_id="question-list"),
        "save_settings": gr.Button(visible="hidden", elem_id="save-settings"),
        "export_markdown": gr.Button(visible="hidden", elem_id="as-markdown"),
        "export_json": gr.Button(visible="hidden", elem_id="as-json"),
        "export_all": gr.Button(visible="hidden", elem_id="as-all"),
        "download": gr.JSON(visible="hidden", elem_id="download"),
        "link": gr.JSON(visible="hidden", elem_id="link"),
        "picture": gr.JSON(visible="hidden", elem_id="whole-picture"),
    }
    return {"identity": identity, **hidden}
