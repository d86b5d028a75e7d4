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

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
# What is plain already needs no processing by Gradio, which costs more than the rest of a frame.
_PLAIN: dict[str, Any] = {"postprocess": False, **_QUIET}


def wire(demo: gr.Blocks, c: Components, conversations: ConversationHandlers, turns: TurnHandlers) -> None:
    """Connects the components with their handlers."""
    here: set[Block] = {c.identity, c.tab}
    # Following the tab's turn: whoever renders a turn that runs gives `turn` a new value.
    follow = c.turn.change(
        turns.follow,
        here,
        [c.chatbot, c.activity, c.sessions, c.tab],
        trigger_mode="multiple",
        concurrency_id="stream",
        concurrency_limit=MAX_STREAMS,
        **_PLAIN,
    )
    stay: dict[str, Any] = {"outputs": c.rendered, **_PLAIN}
    leave: dict[str, Any] = {"cancels": [follow], **stay}

    # Opening and leaving conversations
    demo.load(conversations.load, {c.identity}, js="(identity) => [window.chat.identify(identity)]", **stay)
    c.tab.change(None, [c.tab], None, js="(tab) => window.chat.showTab(tab)", **_QUIET)
    c.refresh.click(conversations.refresh, here, **stay)
    c.sessions.select(conversations.open_conversation, {c.identity}, **leave)
    c.new_chat.click(conversations.new_chat, {c.identity, c.role}, **leave)
    c.temporary.click(conversations.new_temporary_chat, {c.identity, c.role}, **leave)
    c.earlier.click(conversations.show_earlier, here, js=_KEEP_SCROLL_POSITION, **leave)

    # The list of conversations
    # Not `.input`, which hears keys only: text is pasted and dictated too.
    c.search.change(
        conversations.search, {c.search, *here}, [c.sessions], trigger_mode="always_last", **_PLAIN
    )
    c.sessions.edit(conversations.rename, here, [c.search, c.sessions, c.tab], **_PLAIN)
    c.sessions.like(conversations.pin, here, [c.search, c.sessions], **_PLAIN)
    c.sessions.delete(conversations.delete, here, **leave)

    # Talking
    asked: set[Block] = {*here, c.role, c.model, c.temperature, c.length, c.prompt}
    c.box.submit(turns.send, {c.box, *asked}, [c.box, *c.rendered], **_PLAIN)
    c.box.stop(turns.stop, here, **_QUIET)
    c.chatbot.example_select(turns.send_example, asked, **stay)
    c.chatbot.retry(turns.regenerate, asked, **stay)
    # Not plain: pictures come back as files, which Gradio has to publish.
    c.chatbot.undo(turns.undo, here, [c.box, *c.rendered], cancels=[follow], **_QUIET)
    c.chatbot.edit(turns.edit, asked, **stay)
    c.chatbot.like(turns.like, here, **_QUIET)
    c.chatbot.option_select(turns.choose_option, asked, **stay)

    # Settings
    c.role.input(conversations.choose_role, {c.identity, c.role}, [c.chatbot], **_PLAIN)
    c.role.input(None, [c.role], None, js="(role) => window.chat.roleChosen(role)", **_QUIET)
    written: set[Block] = {c.identity, c.prompt}
    c.prompt.input(conversations.write_prompt, written, trigger_mode="always_last", **_QUIET)
    c.prompt.blur(conversations.leave_prompt, written, **_QUIET)
    c.language.input(None, [c.language], None, js="(language) => window.chat.setLanguage(language)", **_QUIET)
    c.clear.click(conversations.clear, here, js=_confirmed("clear_confirm"), **leave)

    # Files
    c.export_markdown.click(conversations.export_markdown, here, [c.download], **_PLAIN)
    c.export_json.click(conversations.export_json, here, [c.download], **_PLAIN)
    c.download.change(None, [c.download], None, js="(file) => window.chat.download(file)", **_QUIET)
    c.import_file.upload(conversations.import_conversation, {c.identity, c.import_file}, **leave)


# What is read stays where it is when more is shown above it.
_KEEP_SCROLL_POSITION = "(...values) => { window.chat.keepScrollPosition(); return values; }"


def _confirmed(key: str) -> str:
    """JavaScript that asks first, in the browser's language, and lets the event go on only after a yes."""
    zh, en = (json.dumps(t(language, key)) for language in ("zh", "en"))
    return (
        f"(...values) => {{ if (!confirm(navigator.language.startsWith('zh') ? {zh} : {en})) "
        "throw new Error('cancelled'); return values; }"
    )
