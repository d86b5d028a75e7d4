"""Variables: the words in a role's texts that each conversation has its own for.

`{{topic}}` stands for what the user says the topic is, `{{level=beginner}}` for the same with a value that
holds until another one is given.
"""

import re
from collections.abc import Mapping

from .errors import InvalidInput
from .validation import validate_text

MAX_VARIABLES = 20
VALUE_CHARS = 2000
_VARIABLE = re.compile(r"\{\{ {0,9}([^\W\d][\w -]{0,39}?) {0,9}(?:=([^{}\n]{0,200}))?\}\}")


def variables_in(text: str) -> dict[str, str]:
    """The variables of a text by name, in the order they are first named, with the first value that is given
    there, or ""."""
    found: dict[str, str] = {}
    for name, value in _VARIABLE.findall(text):
        found[name] = found.get(name) or value.strip()
    return found


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in the places of its variables; where there is none, the text's own, or the
    variable's name."""
    own = variables_in(text)
    return _VARIABLE.sub(lambda found: values.get(found[1]) or own[found[1]] or found[1], text)


def parse_variables(value: object) -> dict[str, str]:
    """Values by the names of variables, as a caller sent them; those that are empty are left out. Raises
    InvalidInput."""
    if not isinstance(value, Mapping) or len(value) > MAX_VARIABLES:
        raise InvalidInput("variables", f"an object of at most {MAX_VARIABLES} texts by their names")
    for name, text in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(f"{{{{{name}}}}}") or "=" in name:
            raise InvalidInput("variables", "named as in the role's prompt")
        validate_text(**{f"variables.{name}": text})
        if len(text) > VALUE_CHARS:
            raise InvalidInput(f"variables.{name}", f"at most {VALUE_CHARS} characters")
    return {name.strip(): text.strip() for name, text in value.items() if text.strip()}
