"""Providers: the OpenAI-compatible servers that can be talked to, and what each does in its own way.

The known ones are rows of `providers.toml`; a file of the same form adds to them or replaces them.
"""

import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from .errors import ConfigError

KNOWN = Path(__file__).with_name("providers.toml")


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Capabilities(_Row):
    """What a model takes, and under which names.

    `vision`: pictures. `temperature`: a temperature. `length`: what the limit of a reply's length is called.
    `usage`: being asked for the count of tokens in a stream. `stream`: streaming at all. `system`: a message
    in that role, else the prompt stands in the user's first message. `efforts`: what is sent for each degree
    of reasoning that can be chosen. `body` is sent with every request. `price` is what a million tokens cost
    in US dollars, of the request and of the reply; None where nobody said so.
    """

    vision: bool = True
    temperature: bool = True
    length: str = "max_tokens"
    usage: bool = True
    stream: bool = True
    system: bool = True
    efforts: dict[str, dict[str, Any]] = {}
    body: dict[str, Any] = {}
    price: tuple[float, float] | None = None


class Rule(Capabilities):
    """What is different for the models whose names match one of these patterns, as `*` and `?` are understood
    in names of files."""

    for_models: tuple[str, ...] = Field(min_length=1)


class Drawing(_Row):
    """What a model that makes pictures takes: the `sizes` and `qualities` that can be chosen; whether it can
    be sent pictures to change, as files to "edits" or in the "body" of a request for a new one; how many
    `partials` it shows while it draws. `body` is sent with every request."""

    sizes: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    edits: Literal["", "files", "body"] = ""
    partials: int = Field(0, ge=0, le=3)
    body: dict[str, Any] = {}


class DrawingRule(Drawing):
    """What the models take whose names match one of these patterns."""

    for_models: tuple[str, ...] = Field(min_length=1)


class Provider(Capabilities):
    """A provider: its `title` and `icon` for people, where it is, its key, the `models` that are offered, the
    default one first, and the temperature and length that it is asked for where nobody chose any. Its
    `picture_models` make pictures, as the rules in `drawing` say. `{key}` in
    `headers` stands for the key, `{model}` in `base_url` for the model. Its variables begin with its name, or
    with one of the `aliases`. With `local` it is looked for on this machine where nothing is set."""

    name: str = ""
    title: str = ""
    icon: str = "🔹"
    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    models: tuple[str, ...] = ()
    picture_models: tuple[str, ...] = ()
    drawing: tuple[DrawingRule, ...] = ()
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    aliases: tuple[str, ...] = ()
    local: bool = False
    default_temperature: float | None = Field(None, ge=0, le=2)
    default_max_tokens: int | None = Field(None, ge=1)
    rules: tuple[Rule, ...] = ()

    def capabilities(self, model: str) -> Capabilities:
        """Those of the model of that name: the provider's own, and what rules say otherwise, in order."""
        values = self.model_dump(include=set(Capabilities.model_fields))
        for rule in self.rules:
            if any(fnmatchcase(model, pattern) for pattern in rule.for_models):
                values |= rule.model_dump(exclude_unset=True, exclude={"for_models"})
        return Capabilities(**values)

    def drawing_of(self, model: str) -> Drawing:
        """What the model of that name takes for a picture, by the first rule for it."""
        for rule in self.drawing:
            if any(fnmatchcase(model, pattern) for pattern in rule.for_models):
                return rule
        return Drawing()

    def updated(self, **values: Any) -> Self:
        """The same with other values, where they are not empty."""
        return self.model_copy(update={name: value for name, value in values.items() if value})


Providers = Mapping[str, Provider]


@cache
def known_providers() -> Providers:
    """The built-in rows, by name."""
    return _parsed(tomllib.loads(KNOWN.read_text(encoding="utf-8")), {})


def load_providers(file: Path | None) -> Providers:
    """The built-in rows and those of `file`, which have what they do not say from the built-in one of the
    same name. Raises ConfigError with a sentence for every mistake."""
    if file is None:
        return known_providers()
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"PROVIDERS_FILE: {file} cannot be read ({type(error).__name__})"]) from None
    return {**known_providers(), **_parsed(rows, known_providers())}


def _parsed(rows: Mapping[str, Any], known: Providers) -> dict[str, Provider]:
    providers, problems = {}, []
    for name, row in rows.items():
        before = known[name].model_dump(exclude_unset=True) if name in known else {}
        if not isinstance(row, dict):
            problems.append(f"PROVIDERS_FILE: {name}: expected a table")
            continue
        try:
            providers[name] = Provider.model_validate({"title": name, **before, **row, "name": name})
        except ValidationError as error:
            problems += [
                f"PROVIDERS_FILE: {'.'.join(map(str, (name, *detail['loc'])))}: {detail['msg']}"
                for detail in error.errors(include_input=False, include_url=False)
            ]
    if problems:
        raise ConfigError(problems)
    return providers


def provider_at(base_url: str, providers: Iterable[Provider]) -> Provider:
    """The provider that has its server where this address leads; if that is not known, one without quirks
    but those of OpenAI's models that make pictures, which such servers pass on."""
    host = _host(base_url)
    unknown = Provider(title=host, drawing=known_providers()["openai"].drawing)
    return next((one for one in providers if host and _host(one.base_url) == host), unknown)


def _host(address: str) -> str:
    return urlsplit(address).netloc.replace("localhost", "127.0.0.1")
