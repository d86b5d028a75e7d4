"""The header's picker of roles, and the form in which users write their own, as HTML. Pure functions."""

import json
from collections.abc import Collection, Sequence
from html import escape

from chat_core import Language, Role, Roles

from ..texts import t
from .view import icon_html

# Fewer are seen at a glance.
SEARCHABLE = 8

_WORDS = (
    *("role", "find_role", "close", "no_matches", "new_role", "import_roles"),
    *("ask_several", "ask_several_hint", "ask_these"),
)


def role_picker(
    roles: Roles, everybodys: Collection[str], current: str, models: Sequence[str], language: Language
) -> str:
    """A button that shows the role of the key `current`, and behind it all roles, those of the visitor's own
    with what can be done to them. What is to happen on a click stands in `data-action` and `data-role`."""
    chosen = roles.find_or_default(current)
    entries = "".join(_entry(role, role.key not in everybodys, language) for role in roles.values())
    words = {key: escape(t(language, key)) for key in _WORDS}
    search = "" if len(roles) > SEARCHABLE else " hidden"
    return (
        f'<button type="button" id="role-button" data-action="open" aria-haspopup="dialog" '
        f'title="{words["role"]}">{icon_html(chosen.icon)}<span>{escape(chosen.name[language])}</span></button>'
        f'<dialog id="roles" aria-label="{words["role"]}"><header><input type="search" data-find '
        f'placeholder="{words["find_role"]}" aria-label="{words["find_role"]}"{search}>'
        f'<button type="button" data-action="close" aria-label="{words["close"]}">✕</button></header>'
        f"<ul>{entries}</ul><p hidden>{words['no_matches']}</p>"
        f'<div class="several">{_models(models)}<small>{words["ask_several_hint"]}</small>'
        f'<button type="button" data-action="ask" disabled>{words["ask_these"]}</button></div>'
        f'<div class="buttons"><button type="button" data-action="new">＋ {words["new_role"]}</button>'
        f'<button type="button" data-action="import">📂 {words["import_roles"]}</button>'
        f'<button type="button" data-action="several" aria-pressed="false">👥 {words["ask_several"]}</button>'
        f"</div></dialog>"
        f"{_form(models, language)}"
    )


def _entry(role: Role, is_own: bool, language: Language) -> str:
    name = escape(" ".join(role.name[language].split()))
    own, buttons = "", ""
    if is_own:
        own = f' data-own="{escape(json.dumps(role.model_dump()))}"'
        buttons = "".join(
            f'<button type="button" data-action="{action}" title="{escape(t(language, action))}" '
            f'aria-label="{escape(t(language, action))}: {name}">{icon}</button>'
            for action, icon in (("edit", "✏️"), ("duplicate", "📄"), ("export", "💾"), ("delete", "🗑️"))
        )
    description = escape(role.description[language])
    return (
        f'<li data-role="{escape(role.key)}"{own}>{_pick(name)}<button type="button" data-action="choose">'
        f"{icon_html(role.icon)}<span><b>{name}</b><small>{description}</small></span></button>{buttons}</li>"
    )


def _pick(name: str) -> str:
    """A box to be ticked where several are chosen."""
    return f'<input type="checkbox" data-call="{name}" aria-label="{name}">'


def _models(models: Sequence[str]) -> str:
    names = map(escape, models) if len(models) > 1 else ()
    return "".join(f"<label>{_pick(name)}{name}</label>" for name in names)


def _form(models: Sequence[str], language: Language) -> str:
    """The fields are named as those of a role."""

    def field(name: str, control: str) -> str:
        return f'<label class="{name}"><span>{escape(t(language, f"role.{name}"))}</span>{control}</label>'

    default = escape(t(language, "providers_default"))
    options = "".join(f"<option>{escape(model)}</option>" for model in models)
    fields = [
        field("icon", '<input name="icon" maxlength="20000" value="💬">'),
        field("name", '<input name="name" maxlength="2000" required>'),
        field("description", '<input name="description" maxlength="2000">'),
        field("prompt", '<textarea name="prompt" rows="7" maxlength="20000" required></textarea>'),
        field("welcome_message", '<textarea name="welcome_message" rows="2" maxlength="2000"></textarea>'),
        field("example_questions", '<textarea name="example_questions" rows="3"></textarea>'),
        field("model", f'<select name="model"><option value="">{default}</option>{options}</select>'),
        field("temperature", f'<input name="temperature" inputmode="decimal" placeholder="{default}">'),
        field("max_tokens", f'<input name="max_tokens" inputmode="numeric" placeholder="{default}">'),
    ]
    title, cancel, save = (escape(t(language, key)) for key in ("own_role", "cancel", "save"))
    return (
        f'<dialog id="role-form" aria-label="{title}"><form><h2>{title}</h2>{"".join(fields)}'
        f'<p class="problem" role="alert"></p><div class="buttons">'
        f'<button type="button" data-action="close">{cancel}</button>'
        f'<button type="submit">{save}</button></div></form></dialog>'
    )
