"""Roles: who answers. Three are built in; a file adds or replaces some. Of one more, `CUSTOM`, each user
writes the prompt."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import ConfigError, UnknownRole

Language = Literal["zh", "en"]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
DEFAULT_ROLE = "assistant"
PROMPT_CHARS = 20_000


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


class Examples(_Strict):
    """Example questions in both languages. In a roles file a plain list stands for both."""

    zh: tuple[Text, ...] = ()
    en: tuple[Text, ...] = ()

    def __getitem__(self, language: Language) -> tuple[str, ...]:
        return self.zh if language == "zh" else self.en


class Role(_Strict):
    """A role: `prompt` is the system prompt, `welcome_message` what an empty conversation shows,
    `example_questions` what a person may click to begin."""

    key: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
    icon: Annotated[str, Field(max_length=8)] = "💬"
    name: Annotated[Words, BeforeValidator(_both_languages)]
    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_CHARS)]
    welcome_message: Annotated[Words, BeforeValidator(_both_languages)]
    example_questions: Annotated[Examples, BeforeValidator(_both_languages)] = Examples()


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

    def find(self, key: str) -> Role:
        """As by index, and the user's own role under its key."""
        return CUSTOM if key == CUSTOM.key else self[key]

    def find_or_default(self, key: str) -> Role:
        """The same, and the default role when none has that key (any more)."""
        return self.find(key if key in self or key == CUSTOM.key else self.default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)


class _RolesFile(_Strict):
    roles: tuple[Role, ...] = ()
    default: str = DEFAULT_ROLE


def load_roles(path: Path | None = None) -> Roles:
    """The built-in roles and those of the file at `path`; a role of a built-in key replaces it.

    The file is TOML with `[[roles]]` tables, or JSON with a list `roles`; either may name a `default`.
    Raises ConfigError with a sentence for every mistake in it.
    """
    if path is None:
        return Roles(BUILT_IN)
    try:
        file = _RolesFile.model_validate(_parse(path))
    except ValidationError as error:
        raise ConfigError([_problem(path, detail) for detail in error.errors()]) from None
    keys = [role.key for role in file.roles]
    problems = [
        f"ROLES_FILE {path}: two roles have the key {key!r}"
        for key in dict.fromkeys(key for key in keys if keys.count(key) > 1)
    ]
    if CUSTOM.key in keys:
        problems.append(f"ROLES_FILE {path}: the key {CUSTOM.key!r} is kept for the role that users write")
    merged = {role.key: role for role in (*BUILT_IN, *file.roles)}
    if file.default not in merged:
        problems.append(f"ROLES_FILE {path}: default is {file.default!r}, which no role has as its key")
    if problems:
        raise ConfigError(problems)
    return Roles(tuple(merged.values()), file.default)


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


BUILT_IN = (
    Role(
        key="assistant",
        icon="✨",
        name=Words(zh="助手", en="Assistant"),
        prompt=(
            "You are a helpful, honest assistant. Answer in the language of the user's latest message. "
            "Be brief and concrete; say so when you do not know."
        ),
        welcome_message=Words(
            zh="你好！我是你的助手，想聊点什么？", en="Hello! I'm your assistant. What's on your mind?"
        ),
        example_questions=Examples(
            zh=("帮我写一封简短的请假邮件", "用三句话解释区块链", "推荐一个周末的短途计划"),
            en=(
                "Write a short e-mail asking for a day off",
                "Explain how vaccines work in three sentences",
                "Plan a relaxed weekend in a city",
            ),
        ),
    ),
    Role(
        key="teacher",
        icon="📚",
        name=Words(zh="老师", en="Teacher"),
        prompt=(
            "You are a patient teacher. Answer in the language of the user's latest message. Start from "
            "what the learner knows, explain step by step with one small example, and end with a "
            "question that checks understanding."
        ),
        welcome_message=Words(
            zh="你好，我是老师。今天想弄懂什么？",
            en="Welcome! I'm your teacher. What shall we understand today?",
        ),
        example_questions=Examples(
            zh=("为什么天空是蓝色的？", "怎样理解导数？", "给我出三道分数加法题"),
            en=("Why is the sky blue?", "What is a derivative?", "Give me three exercises on fractions"),
        ),
    ),
    Role(
        key="programmer",
        icon="💻",
        name=Words(zh="程序员", en="Programmer"),
        prompt=(
            "You are an experienced programmer. Answer in the language of the user's latest message. "
            "Give working code in fenced blocks that name their language, then the reasons in a few "
            "words. Point out pitfalls."
        ),
        welcome_message=Words(
            zh="你好，我是程序员。把代码或问题发给我吧。",
            en="Hi, I'm a programmer. Show me code or a problem.",
        ),
        example_questions=Examples(
            zh=("用 Python 写一个斐波那契函数", "解释一下什么是竞态条件", "怎样写好一个单元测试？"),
            en=(
                "Write a Fibonacci function in Python",
                "What is a race condition?",
                "What makes a good unit test?",
            ),
        ),
    ),
)

# Among no roles file's: it is everybody's own.
CUSTOM = Role(
    key="custom",
    icon="🪄",
    name=Words(zh="自定义", en="Custom"),
    prompt="You are a helpful, honest assistant. Answer in the language of the user's latest message.",
    welcome_message=Words(
        zh="我按你写的提示词来回答：请在设置里填写。",
        en="I answer by the prompt that you write: you find it in the settings.",
    ),
)
