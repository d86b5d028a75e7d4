"""Roles: who answers. Some are built in (`roles.toml`), a file adds or replaces some, and users write their
own, under the same rules."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticKnownError

from .errors import ConfigError, InvalidInput, UnknownRole
from .messages import Sampling
from .validation import expected_instead
from .variables import MAX_VARIABLES, fill_in, variables_in

Language = Literal["zh", "en"]
_LANGUAGES: tuple[Language, ...] = get_args(Language)
TEXT_CHARS = 2000
Text = Annotated[str, Field(min_length=1, max_length=TEXT_CHARS)]
TextOrNone = Annotated[str, Field(max_length=TEXT_CHARS)]
DEFAULT_ROLE = "assistant"
NONE = "none"  # of the built-in roles
PROMPT_CHARS = 20_000
_ICON_CHARS = 8
PICTURE_CHARS = 20_000
_PICTURE = re.compile(r"data:image/(webp|png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")


def _icon(value: str) -> str:
    if len(value) > _ICON_CHARS and not _PICTURE.fullmatch(value):
        raise PydanticKnownError("string_too_long", {"max_length": _ICON_CHARS})
    if len(value) > PICTURE_CHARS:
        raise PydanticKnownError("string_too_long", {"max_length": PICTURE_CHARS})
    return value


def _prompt(value: str) -> str:
    if (count := len(variables_in(value))) > MAX_VARIABLES:
        facts = {"field_type": "Prompt", "max_length": MAX_VARIABLES, "actual_length": count}
        raise PydanticKnownError("too_long", facts)
    return value


def _both_languages(value: object) -> object:
    return {"zh": value, "en": value} if isinstance(value, str | list) else value


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Words(_Strict):
    """A text in both languages. In a roles file a plain string stands for both."""

    zh: Text
    en: Text

    def __getitem__(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


class OptionalWords(_Strict):
    """The same, where there may be none."""

    zh: TextOrNone = ""
    en: TextOrNone = ""

    def __getitem__(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


class Examples(_Strict):
    """Example questions in both languages. In a roles file a plain list stands for both."""

    zh: Annotated[tuple[Text, ...], Field(max_length=20)] = ()
    en: Annotated[tuple[Text, ...], Field(max_length=20)] = ()

    def __getitem__(self, language: Language) -> tuple[str, ...]:
        return self.zh if language == "zh" else self.en


class Role(_Strict):
    """A role: `prompt` is the system prompt, `welcome_message` what an empty conversation shows,
    `example_questions` what a person may click to begin, `description` one line for the one who chooses.
    The `icon` is an emoji, or a small picture as a data URL. `model`, `temperature` and `max_tokens` are
    what its conversations begin with, where they are given. The prompt may have variables, which each
    conversation has its own values for, and which the welcome and the questions may name too."""

    key: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
    icon: Annotated[str, AfterValidator(_icon)] = "💬"
    name: Annotated[Words, BeforeValidator(_both_languages)]
    description: Annotated[OptionalWords, BeforeValidator(_both_languages)] = OptionalWords()
    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_CHARS), AfterValidator(_prompt)]
    welcome_message: Annotated[OptionalWords, BeforeValidator(_both_languages)] = OptionalWords()
    example_questions: Annotated[Examples, BeforeValidator(_both_languages)] = Examples()
    model: Annotated[str, Field(max_length=200)] = ""
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    max_tokens: Annotated[int | None, Field(ge=1, le=1_000_000)] = None

    @property
    def sampling(self) -> Sampling:
        """How the model is to write in its conversations."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the prompt by name, with the values that hold where no other one is given."""
        return variables_in(self.prompt)

    def with_values(self, values: Mapping[str, str]) -> Self:
        """The role as it speaks in a conversation that has these values for its variables."""
        known = {**self.variables, **values}

        def filled(text: str) -> str:
            return fill_in(text, known)

        # Filled in, a text may be longer than one that is written.
        welcome = self.welcome_message
        welcome = OptionalWords.model_construct(zh=filled(welcome.zh), en=filled(welcome.en))
        zh, en = (tuple(map(filled, self.example_questions[language])) for language in _LANGUAGES)
        questions = Examples.model_construct(zh=zh, en=en)
        words = {"welcome_message": welcome, "example_questions": questions}
        return self.model_copy(update={"prompt": filled(self.prompt), **words})

    def to_json(self) -> str:
        """The role as JSON, without the fields that have their default."""
        return self.model_dump_json(exclude_defaults=True)


def parse_role(value: object, new_key: str = "") -> Role:
    """A role that a caller wrote; without a key of its own it gets the new one. Raises InvalidInput with the
    field's name."""
    if not isinstance(value, Mapping):
        raise InvalidInput("role", "an object with the fields of a role")
    try:
        return Role.model_validate({**value, "key": value.get("key") or new_key})
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        location = ".".join(str(part + 1 if isinstance(part, int) else part) for part in detail["loc"])
        raise InvalidInput(f"role.{location}"[:100], expected_instead(detail)) from None


class Roles(Mapping[str, Role]):
    """The roles by key, in the order they are shown, and which of them is the default."""

    def __init__(self, roles: tuple[Role, ...], default: str = DEFAULT_ROLE) -> None:
        self._roles = {role.key: role for role in roles}
        self.default = default

    def __getitem__(self, key: str) -> Role:
        """The role of that key; the empty key means the default. Raises UnknownRole."""
        try:
            return self._roles[key or self.default]
        except KeyError:
            raise UnknownRole(key, list(self._roles)) from None

    def __contains__(self, key: object) -> bool:
        return key in self._roles

    def find_or_default(self, key: str) -> Role:
        """As by index, and the default role when none has that key (any more)."""
        return self[key if key in self else self.default]

    @property
    def called(self) -> dict[str, str]:
        """The roles' keys by what people call them: the key and both names."""
        return {
            " ".join(word.split()): role.key
            for role in self.values()
            for word in (role.key, role.name.zh, role.name.en)
        }

    def with_own(self, own: Iterable[Role]) -> "Roles":
        """These roles and after them those of a user's own; a key that is everybody's stays theirs."""
        return Roles((*self.values(), *(role for role in own if role.key not in self)), self.default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)


def mentions(message: str, called: Mapping[str, str]) -> tuple[list[str], str]:
    """Those that a message begins with, each by an `@` and what they are `called`, a few at most, and what is
    said to them."""
    named: list[str] = []
    while message.lstrip().startswith("@") and len(named) < _MOST_MENTIONS:
        fits = [
            (len(word), key, found.end())
            for word, key in called.items()
            if (found := re.match(rf"\s*@{re.escape(word)}(?=[{_END}])[{_END}]*", message, re.IGNORECASE))
        ]
        if not fits:
            break
        _, key, end = max(fits)
        named.append(key)
        message = message[end:]
    return list(dict.fromkeys(named)), message


_MOST_MENTIONS = 10
_END = r"\s,:，：、"


class _RolesFile(_Strict):
    roles: tuple[Role, ...] = ()
    default: str = ""


def load_roles(path: Path | None = None, offered: tuple[str, ...] = ()) -> Roles:
    """The built-in roles, or those of them whose keys are `offered` (`NONE`: none), in that order, and those
    of the file at `path`; a role of a built-in key replaces it.

    The file is TOML with `[[roles]]` tables, or JSON with a list `roles`; either may name a `default`, which
    is else the assistant, or the first role where that one is not offered. Raises ConfigError with a
    sentence for every mistake.
    """
    built_in = _offered(offered)
    file = _RolesFile() if path is None else _read_file(path)
    keys = [role.key for role in file.roles]
    problems = [
        f"ROLES_FILE {path}: two roles have the key {key!r}"
        for key in dict.fromkeys(key for key in keys if keys.count(key) > 1)
    ]
    if CUSTOM.key in keys:
        problems.append(f"ROLES_FILE {path}: the key {CUSTOM.key!r} is kept for a role that users write")
    merged = {role.key: role for role in (*built_in, *file.roles)}
    if not merged:
        raise ConfigError(["BUILT_IN_ROLES: expected some of them, for ROLES_FILE brings none"])
    default = file.default or (DEFAULT_ROLE if DEFAULT_ROLE in merged else next(iter(merged)))
    if default not in merged:
        problems.append(f"ROLES_FILE {path}: default is {default!r}, which no role has as its key")
    if problems:
        raise ConfigError(problems)
    return Roles(tuple(merged.values()), default)


def _offered(keys: tuple[str, ...]) -> tuple[Role, ...]:
    known = {role.key: role for role in BUILT_IN}
    if not keys:
        return BUILT_IN
    if keys == (NONE,):
        return ()
    if not known.keys() >= {*keys}:
        raise ConfigError([f"BUILT_IN_ROLES: expected {NONE}, or some of {', '.join(known)}"])
    return tuple(known[key] for key in keys)


def _read_file(path: Path) -> _RolesFile:
    try:
        return _RolesFile.model_validate(_parse(path))
    except ValidationError as error:
        raise ConfigError([_problem(path, detail) for detail in error.errors()]) from None


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError([f"ROLES_FILE {path}: cannot be read ({error.strerror})"]) from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"ROLES_FILE {path}: {error}"]) from None


def _problem(path: Path, detail: Any) -> str:
    place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in detail["loc"])
    # In the words of the file, which has neither tuples nor classes.
    message = detail["msg"].split(" or instance of ")[0].replace("tuple", "list")
    return f"ROLES_FILE {path}: {place or 'file'}: {message.lower()}"


# The first of a user's own roles, where they have written nothing but its prompt.
CUSTOM = Role(
    key="custom",
    icon="🪄",
    name=Words(zh="自定义", en="Custom"),
    prompt="You are a helpful, honest assistant. Answer in the language of the user's latest message.",
    description=OptionalWords(zh="按你写的提示词回答", en="Answers by the prompt that you wrote"),
)

BUILT_IN = _RolesFile.model_validate(
    tomllib.loads((Path(__file__).parent / "roles.toml").read_text(encoding="utf-8"))
).roles
