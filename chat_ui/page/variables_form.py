"""The fields for the variables of a role's prompt, as HTML. A pure function."""

from collections.abc import Mapping
from html import escape

from chat_core import Language, Role

from ..texts import t


def variables_form(role: Role, values: Mapping[str, str], language: Language, *, is_open: bool) -> str:
    """A line with the values that hold in the conversation, which unfolds to fields for them (variables.js);
    nothing for a role that has no variables."""
    if not (variables := role.variables):
        return ""
    fields = "".join(
        f'<label><span>{escape(name)}</span><input name="{escape(name)}" maxlength="2000" '
        f'value="{escape(values.get(name, ""))}" placeholder="{escape(default)}"></label>'
        for name, default in variables.items()
    )
    known = {name: values.get(name) or default or "…" for name, default in variables.items()}
    line = " · ".join(f"{name}: {value}" for name, value in known.items())
    return (
        f"<details{' open' * is_open}><summary>{escape(t(language, 'variables'))} "
        f"<span>{escape(line)}</span></summary><div>{fields}</div></details>"
    )
