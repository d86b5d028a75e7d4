"""Every listener of the page, grouped by what a person does."""

import json
from typing import Any

import gradio as gr
from gradio.blocks import Block

from ..texts import t
from .conversation_handlers import ConversationHandlers
from .layout import Components
from .pacing import MAX_STREAMS
from .turn_handlers import TurnHandlers

_NO_PROGRESS: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# What is plain already needs no processing by Gradio, which costs more than the rest of a frame.
_NO_POSTPROCESS: dict[str, Any] = {"postprocess": False, **_NO_PROGRESS}


def wire(demo: gr.Blocks, c: Components, conversations: ConversationHandlers, turns: TurnHandlers) -> None:
    """Connects the components with their handlers."""
    tab_inputs: set[Block] = {c.identity, c.tab}
    # Following the tab's turn: whoever renders a turn that runs gives `turn` a new value.
    follow = c.turn.change(
        turns.follow,
        tab_inputs,
        [c.chatbot, c.activity, c.sessions, c.tab],
        trigger_mode="multiple",
        concurrency_id="stream",
        concurrency_limit=MAX_STREAMS,
        **_NO_POSTPROCESS,
    )
    render: dict[str, Any] = {"outputs": c.rendered, **_NO_POSTPROCESS}
    render_and_unfollow: dict[str, Any] = {"cancels": [follow], **render}

    # Opening and leaving conversations
    demo.load(conversations.load, {c.identity}, js="(identity) => [window.chat.identify(identity)]", **render)
    c.tab.change(None, [c.tab], None, js="(tab) => window.chat.showTab(tab)", **_NO_PROGRESS)
    c.refresh.click(conversations.refresh, tab_inputs, **render)
    c.sessions.select(conversations.open_conversation, {c.identity}, **render_and_unfollow)
    c.new_chat.click(conversations.new_chat, {c.identity, c.role}, **render_and_unfollow)
    c.temporary.click(conversations.new_temporary_chat, {c.identity, c.role}, **render_and_unfollow)
    c.earlier.click(conversations.show_earlier, tab_inputs, js=_KEEP_SCROLL_POSITION, **render_and_unfollow)

    # The list of conversations
    # Not `.input`, which hears keys only: text is pasted and dictated too.
    c.search.change(
        conversations.search,
        {c.search, *tab_inputs},
        [c.sessions],
        trigger_mode="always_last",
        **_NO_POSTPROCESS,
    )
    c.sessions.edit(conversations.rename, tab_inputs, [c.search, c.sessions, c.tab], **_NO_POSTPROCESS)
    c.sessions.like(conversations.pin, tab_inputs, [c.search, c.sessions], **_NO_POSTPROCESS)
    c.sessions.delete(conversations.delete, tab_inputs, **render_and_unfollow)

    # Talking
    chat_inputs: set[Block] = {*tab_inputs, c.role, c.model, c.temperature, c.length, c.prompt}
    c.box.submit(turns.send, {c.box, *chat_inputs}, [c.box, *c.rendered], **_NO_POSTPROCESS)
    c.box.stop(turns.stop, tab_inputs, **_NO_PROGRESS)
    c.chatbot.example_select(turns.send_example, chat_inputs, **render)
    c.chatbot.retry(turns.regenerate, chat_inputs, **render)
    # Not plain: pictures come back as files, which Gradio has to publish.
    c.chatbot.undo(turns.undo, tab_inputs, [c.box, *c.rendered], cancels=[follow], **_NO_PROGRESS)
    c.chatbot.edit(turns.edit, chat_inputs, **render)
    c.chatbot.like(turns.like, tab_inputs, **_NO_PROGRESS)
    c.chatbot.option_select(turns.choose_option, chat_inputs, **render)

    # Settings
    c.role.input(conversations.choose_role, {c.identity, c.role}, [c.chatbot], **_NO_POSTPROCESS)
    c.role.input(None, [c.role], None, js="(role) => window.chat.roleChosen(role)", **_NO_PROGRESS)
    prompt_inputs: set[Block] = {c.identity, c.prompt}
    c.prompt.input(conversations.write_prompt, prompt_inputs, trigger_mode="always_last", **_NO_PROGRESS)
    c.prompt.blur(conversations.leave_prompt, prompt_inputs, **_NO_PROGRESS)
    c.language.input(
        None, [c.language], None, js="(language) => window.chat.setLanguage(language)", **_NO_PROGRESS
    )
    c.clear.click(conversations.clear, tab_inputs, js=_confirmed("clear_confirm"), **render_and_unfollow)

    # Files
    c.export_markdown.click(conversations.export_markdown, tab_inputs, [c.download], **_NO_POSTPROCESS)
    c.export_json.click(conversations.export_json, tab_inputs, [c.download], **_NO_POSTPROCESS)
    c.download.change(None, [c.download], None, js="(file) => window.chat.download(file)", **_NO_PROGRESS)
    c.import_file.upload(
        conversations.import_conversation, {c.identity, c.import_file}, **render_and_unfollow
    )


# What is read stays where it is when more is shown above it.
_KEEP_SCROLL_POSITION = "(...values) => { window.chat.keepScrollPosition(); return values; }"


def _confirmed(key: str) -> str:
    """JavaScript that asks first, in the browser's language, and lets the event go on only after a yes."""
    zh, en = (json.dumps(t(language, key)) for language in ("zh", "en"))
    return (
        f"(...values) => {{ if (!confirm(navigator.language.startsWith('zh') ? {zh} : {en})) "
        "throw new Error('cancelled'); return values; }"
    )
