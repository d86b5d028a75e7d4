"""Every listener of the page, grouped by what a person does."""

from typing import Any

import gradio as gr
from gradio.blocks import Block

from .conversation_handlers import ConversationHandlers
from .layout import Components
from .memory_handlers import MemoryHandlers
from .pacing import MAX_STREAMS
from .role_handlers import RoleHandlers
from .share_handlers import ShareHandlers
from .turn_handlers import TurnHandlers

# To process a value, Gradio sends it to a thread and back, which costs more than what a listener does. The
# values are plain, and what a visitor sends is validated by `requests` and the core.
_PLAIN_INPUTS: dict[str, Any] = {
    "preprocess": False,
    "show_progress": "hidden",
    "api_visibility": "private",
}
_PLAIN: dict[str, Any] = {"postprocess": False, **_PLAIN_INPUTS}
_OF_FILE: dict[str, Any] = {**_PLAIN, "preprocess": True}  # which is read by Gradio


def wire(
    demo: gr.Blocks,
    c: Components,
    conversations: ConversationHandlers,
    turns: TurnHandlers,
    roles: RoleHandlers,
    memory: MemoryHandlers,
    sharing: ShareHandlers,
) -> None:
    """Connects the components with their handlers."""
    tab_inputs: set[Block] = {c.identity, c.tab}
    # Following a turn that runs already: whoever renders one gives `turn` a new value.
    c.turn.change(
        turns.follow,
        tab_inputs,
        c.named(c.FOLLOW),
        trigger_mode="multiple",
        concurrency_id="stream",
        concurrency_limit=MAX_STREAMS,
        **_PLAIN,
    )

    # Talking: each of these follows the turn that it begins.
    choices: set[Block] = {c.role, c.model, c.temperature, c.length, c.effort, c.variables}
    chat_inputs: set[Block] = {*tab_inputs, *choices}
    talk: dict[str, Any] = {"outputs": c.named(c.TALK), "trigger_mode": "multiple", **_PLAIN}
    written = c.box.submit(
        turns.send, {c.box, *chat_inputs}, js="(...values) => window.chat.send(values)", **talk
    )
    written.success(None, None, None, js="() => window.chat.arrived()", **_PLAIN_INPUTS)
    written.failure(None, None, None, js="() => window.chat.notSent()", **_PLAIN_INPUTS)
    c.waiting.input(
        None,
        [c.box],
        [c.box],
        js="(box) => window.chat.boxChanged(box)",
        trigger_mode="multiple",
        **_PLAIN_INPUTS,
    )
    sent = c.waiting.submit(turns.send_waiting, chat_inputs, **talk)
    sent.failure(None, None, None, js="() => window.chat.waitingRefused()", **_PLAIN_INPUTS)
    c.waiting.select(
        turns.show_picture, tab_inputs, [c.picture], trigger_mode="multiple", **_PLAIN
    )  # pictures.js
    c.picture.change(
        None, [c.picture], None, js="(picture) => window.chat.showPicture(picture)", **_PLAIN_INPUTS
    )
    c.chatbot.example_select(turns.send_example, chat_inputs, **talk)
    edited = c.chatbot.edit(turns.edit, chat_inputs, **talk)
    changed = [
        c.chatbot.retry(turns.regenerate, chat_inputs, **talk),
        c.chatbot.option_select(turns.choose_option, chat_inputs, **talk),
        # Not plain: pictures come back as files, which Gradio has to publish.
        c.chatbot.undo(turns.undo, tab_inputs, c.named(c.TALK), **_PLAIN_INPUTS),
        c.restore.click(
            turns.restore,
            {c.box, *tab_inputs},
            c.named(c.TALK),
            js="(...values) => window.chat.restoring(values)",
            **_PLAIN,
        ),
        c.chatbot.like(turns.like, tab_inputs, **_PLAIN_INPUTS),
    ]
    c.box.stop(turns.stop, tab_inputs, **_PLAIN_INPUTS)

    render: dict[str, Any] = {"outputs": c.named(c.RENDER), **_PLAIN}

    # What was refused because something was said elsewhere meanwhile is answered with that, too.
    edited.failure(conversations.refresh, tab_inputs, js=_KEEP_EDIT, **render)
    for change in changed:
        change.failure(conversations.refresh, tab_inputs, **render)

    # Opening and leaving conversations
    demo.load(conversations.load, {c.identity}, js="(identity) => [window.chat.identify(identity)]", **render)
    c.tab.change(None, [c.tab], None, js="(tab) => window.chat.showTab(tab)", **_PLAIN_INPUTS)
    c.refresh.click(conversations.refresh, tab_inputs, **render)
    c.sessions.copy(conversations.branch, tab_inputs, **render)
    c.sessions.select(conversations.open_conversation, tab_inputs, trigger_mode="multiple", **render)
    empty_inputs: set[Block] = {*tab_inputs, c.role}
    c.new_chat.click(conversations.new_chat, empty_inputs, trigger_mode="multiple", **render)
    c.temporary.click(conversations.new_temporary_chat, empty_inputs, **render)
    c.earlier.click(
        conversations.show_earlier, tab_inputs, js="(...values) => window.chat.showEarlier(values)", **render
    )
    listed = c.list_questions.click(conversations.list_questions, tab_inputs, [c.questions], **_PLAIN)
    listed.success(
        None,
        [c.questions],
        None,
        js="(questions) => window.chat.showQuestions(questions)",
        **_PLAIN_INPUTS,
    )

    # The list of conversations
    list_inputs: set[Block] = {*tab_inputs, c.search}
    list_outputs = [c.search, c.sessions, c.tab]
    # Not `.input`, which hears keys only: text is pasted and dictated too.
    c.search.change(conversations.search, list_inputs, [c.sessions], trigger_mode="always_last", **_PLAIN)
    c.sessions.expand(conversations.show_older, list_inputs, [c.sessions, c.tab, c.turn], **_PLAIN)
    c.sessions.edit(conversations.rename, tab_inputs, list_outputs, **_PLAIN)
    c.sessions.like(conversations.pin, tab_inputs, list_outputs, **_PLAIN)
    c.sessions.submit(conversations.move, tab_inputs, list_outputs, **_PLAIN)
    c.sessions.delete(conversations.delete, tab_inputs, **render)

    # Roles
    role_outputs: dict[str, Any] = {"outputs": c.named(roles.OUTPUTS), **_PLAIN}
    role_inputs: set[Block] = {*empty_inputs, c.variables, c.effort}
    c.role_picker.select(roles.choose, role_inputs, **render)
    c.role_picker.submit(roles.save, role_inputs, **role_outputs)
    c.role_picker.delete(roles.delete, role_inputs, **role_outputs)
    file_inputs: set[Block] = {*empty_inputs, c.roles_file}
    c.roles_file.upload(roles.read_file, file_inputs, [c.found_roles], **_OF_FILE)
    c.found_roles.change(
        None, [c.found_roles], None, js="(found) => window.chat.showFoundRoles(found)", **_PLAIN_INPUTS
    )
    c.role_picker.apply(roles.take, file_inputs, [c.role_picker], **_OF_FILE)
    c.variables_form.input(
        None, None, [c.variables], js="() => window.chat.variableValues()", **_PLAIN_INPUTS
    )
    c.role.change(None, [c.role], None, js="(role) => window.chat.showRole(role)", **_PLAIN_INPUTS)
    c.role_saved.change(
        None, [c.role_saved], None, js="(saved) => window.chat.roleSaved(saved)", **_PLAIN_INPUTS
    )

    # Memory
    memory_outputs: dict[str, Any] = {"outputs": [c.memory], **_PLAIN}
    c.memory.expand(memory.show, empty_inputs, trigger_mode="always_last", **memory_outputs)
    c.memory.submit(memory.remember, empty_inputs, **memory_outputs)
    c.memory.delete(memory.forget, empty_inputs, **memory_outputs)
    c.memory.edit(memory.rewrite, empty_inputs, [c.memory, c.chatbot], **_PLAIN)

    # Links to conversations
    c.shares.expand(sharing.show, tab_inputs, [c.shares], trigger_mode="always_last", **_PLAIN)
    c.shares.submit(sharing.share, tab_inputs, [c.shares, c.link], **_PLAIN)
    c.shares.delete(sharing.unshare, tab_inputs, [c.shares], **_PLAIN)
    c.shares.copy(sharing.copy, tab_inputs, **render)
    c.link.change(None, [c.link], None, js="(link) => window.chat.showLink(link)", **_PLAIN_INPUTS)

    # Settings
    # Not `change`: what is rendered brings its effort along, which would be asked for before it is there.
    c.model.input(conversations.show_effort, {c.identity, c.model, c.effort}, [c.effort], **_PLAIN)
    c.refresh_models.click(conversations.refresh_models, {c.identity, c.model}, [c.model], **_PLAIN)
    saved = gr.on(
        [c.save_settings.click, c.effort.input],
        conversations.save_settings,
        {*tab_inputs, c.temperature, c.length, c.effort},
        None,
        **_PLAIN,
    )
    saved.success(None, None, None, js="() => window.chat.settingsSaved()", **_PLAIN_INPUTS)
    c.sign_in.click(None, None, None, js="() => window.chat.signIn()", **_PLAIN_INPUTS)
    c.log_out.click(None, None, None, js="() => window.chat.logOut()", **_PLAIN_INPUTS)
    c.clear.click(conversations.clear, tab_inputs, js=_CLEAR_CONFIRMED, **render)

    # Files
    c.export_markdown.click(conversations.export_markdown, tab_inputs, [c.download], **_PLAIN)
    c.sessions.download(conversations.export_unreadable, tab_inputs, [c.download], **_PLAIN)
    c.export_all.click(conversations.export_all, tab_inputs, [c.download], **_PLAIN)
    c.export_json.click(conversations.export_json, tab_inputs, [c.download], **_PLAIN)
    c.download.change(None, [c.download], None, js="(file) => window.chat.exported(file)", **_PLAIN_INPUTS)
    c.import_file.upload(
        conversations.import_file, {*tab_inputs, c.import_file}, c.named(c.RENDER), **_OF_FILE
    )


# The page has closed the edit already.
_KEEP_EDIT = "(...values) => { window.chat.keepEdit(); return values; }"

# Asks first, and lets the event go on only after a yes.
_CLEAR_CONFIRMED = (
    "async (...values) => { if (!(await window.chat.isConfirmed('clear_confirm', 'clear'))) "
    "throw new Error('cancelled'); return values; }"
)
