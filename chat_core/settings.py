"""Settings: the one reader of the environment and of `.env`."""

import math
import os
import re
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import limits
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)

from .errors import ConfigError
from .passwords import is_password_hash
from .providers import Provider, Rule, known_providers, load_providers, provider_at
from .store_address import StoreAddress
from .validation import USER_ID


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _header_value(value: SecretStr) -> SecretStr:
    # It travels in an HTTP header: a placeholder like "你的密钥" would fail only when somebody chats.
    if not re.fullmatch(r"[!-~]*", value.get_secret_value()):
        raise ValueError
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    # Asking for the port raises ValueError for one that is none.
    if value and not (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0):
        raise ValueError
    return value.rstrip("/")


def _redis_address(value: SecretStr) -> SecretStr:
    # redis-py does not know Valkey's own schemes, valkey:// and valkeys://.
    address = re.sub(r"^valkey(?=s?://)", "redis", value.get_secret_value())
    parts = urlsplit(address)
    known = parts.scheme in ("redis", "rediss", "unix") and (parts.hostname or parts.path) and parts.port != 0
    if address and not known and address != "memory://":
        raise ValueError
    return SecretStr(address)


def _hosts_with_ports(value: tuple[str, ...]) -> tuple[str, ...]:
    for place in value:
        parts = urlsplit(f"//{place}")
        if not (parts.hostname and parts.port) or parts.path:  # the port raises ValueError, too
            raise ValueError
    return value


def _has_address(is_cluster: bool, info: ValidationInfo) -> bool:
    url, host = (info.data.get(name) for name in ("redis_url", "redis_host"))
    has_address = host or (url and url.get_secret_value())
    if is_cluster and (not has_address or info.data.get("redis_sentinels")):
        raise ValueError
    return is_cluster


def _rate_limit(value: str) -> str:
    # The library takes several limits in one string, of which only the first would count.
    if value and [limit.amount > 0 for limit in limits.parse_many(value)] != [True]:
        raise ValueError
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        ip_network(network)  # raises ValueError
    return value


def _logins(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    logins = [login.get_secret_value().partition(":") for login in value]
    if not all(USER_ID.fullmatch(name) and is_password_hash(text) for name, _, text in logins):
        raise ValueError
    if len({name for name, _, _ in logins}) < len(logins):
        raise ValueError
    return value


def _api_keys(value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    # They are all that stands between the internet and what the models cost.
    if not all(re.fullmatch(r"[!-~]{16,}", key.get_secret_value()) for key in value):
        raise ValueError
    return value


def _token(value: SecretStr) -> SecretStr:
    if value.get_secret_value():
        _api_keys((value,))
    return value


def _has_sign_in(is_required: bool, info: ValidationInfo) -> bool:
    if is_required and not info.data.get("oauth_client_id"):
        raise ValueError
    return is_required


def _needs_authlib(client_id: str) -> str:
    if client_id and not find_spec("authlib"):
        raise ValueError
    return client_id


def _mcp(is_wanted: bool) -> bool:
    if is_wanted and not find_spec("mcp"):
        raise ValueError
    return is_wanted


def _prices(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(r"[^=]+=\d+(\.\d+)?/\d+(\.\d+)?", price, re.ASCII) for price in value):
        raise ValueError
    return value


def _frame_ancestors(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        if not re.fullmatch(r"https?://(\*\.)?[\w.-]+(:\d+)?", origin, re.ASCII):
            raise ValueError
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Count = Annotated[int, Field(ge=0)]
ApiKey = Annotated[SecretStr, AfterValidator(_header_value)]
# How limits name the app's own machine, by whichever of its addresses it was reached.
THIS_MACHINE = "127.0.0.1"

BaseUrl = Annotated[str, AfterValidator(_web_address)]

_API_KEY = "the provider's API key, ASCII characters without spaces"
_BASE_URL = "an http:// or https:// address, usually ending in /v1"


class _ProviderVariables(BaseModel):
    """What can be set of a provider: the variables that begin with its name."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    api_key: ApiKey = Field(SecretStr(""), description=_API_KEY)
    base_url: BaseUrl = Field("", repr=False, description=_BASE_URL)
    models: Names = Field((), description="models' names, separated by commas")


class Settings(BaseModel):
    """Everything that can be set from outside. Each field is the environment variable of the same name
    in capitals; its description says what is expected. An empty variable counts as not set, except
    RATE_LIMIT and RATE_LIMIT_ADDRESS, where it switches the limit off."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    openai_api_key: ApiKey = Field(SecretStr(""), description=_API_KEY)
    openai_base_url: BaseUrl = Field("", repr=False, description=_BASE_URL)
    openai_model: str = Field("gpt-4o", description="a model's name")
    openai_models: Names = Field((), description="models' names, separated by commas")
    text_only_models: Names = Field((), description="models' names, separated by commas")
    default_model: str = Field("", description="a model's name, or provider/model")
    fallback_models: Names = Field((), description="models' names, separated by commas")
    image_model: str = Field("", description="a model's name, or provider/model, or off")
    models_prices: Annotated[Names, AfterValidator(_prices)] = Field(
        (),
        description="pairs like gpt-4o=2.5/10, separated by commas: what a million tokens of requests and of "
        "replies cost in US dollars",
    )
    providers_file: Path | None = Field(None, description="a path to a .toml file")

    redis_url: Annotated[SecretStr, AfterValidator(_redis_address)] = Field(
        SecretStr(""),
        description="a redis://, rediss://, valkey://, valkeys:// or unix:// address, or memory://",
    )
    redis_host: str = Field(
        "", pattern=r"^[\w.-]*$", description="a host name or IPv4 address, without a port"
    )
    redis_port: int = Field(6379, ge=1, le=65535, description="a port from 1 to 65535")
    redis_password: SecretStr = Field(SecretStr(""), description="a password")
    redis_db: Count = Field(0, description="a whole number, 0 or more")
    redis_sentinels: Annotated[Names, AfterValidator(_hosts_with_ports)] = Field(
        (), description="host:port pairs, separated by commas"
    )
    redis_master: str = Field("mymaster", min_length=1, description="the master's name")
    redis_cluster: Annotated[bool, AfterValidator(_has_address)] = Field(
        False, description="true or false; true with a REDIS_URL or REDIS_HOST, without REDIS_SENTINELS"
    )

    max_stored_messages: Count = Field(1000, description="a whole number, 0 (all) or more")
    context_messages: Count = Field(10, description="a whole number, 0 (all) or more")
    context_tokens: Count = Field(16_000, description="a whole number, 0 (no limit) or more")
    memory: Literal["", "on", "off"] = Field("", description="on or off")
    memory_model: str = Field("", description="a model's name")
    title_model: str = Field("", description="a model's name, or off")
    session_ttl_days: float = Field(7, ge=0, le=36_500, description="days, 0 (for ever) or more")
    rate_limit: Annotated[str, AfterValidator(_rate_limit)] = Field(
        "20/minute", description='a number per second, minute, hour or day, like "20/minute"'
    )
    rate_limit_address: Annotated[str, AfterValidator(_rate_limit)] = Field(
        "60/minute", description='a number per second, minute, hour or day, like "60/minute"'
    )
    daily_tokens: Count = Field(0, description="a whole number, 0 (no limit) or more")
    daily_tokens_address: Count = Field(0, description="a whole number, 0 (no limit) or more")
    max_message_chars: int = Field(16_000, ge=1, description="a whole number, 1 or more")
    max_concurrent_replies: int = Field(200, ge=1, description="a whole number, 1 or more")
    max_replies_per_user: Count = Field(4, description="a whole number, 0 (no limit) or more")
    max_replies_per_address: Count = Field(12, description="a whole number, 0 (no limit) or more")
    max_calls_per_address: Count = Field(64, description="a whole number, 0 (no limit) or more")
    first_token_seconds: float = Field(120, gt=0, description="seconds, more than 0")
    stall_seconds: float = Field(60, gt=0, description="seconds, more than 0")

    built_in_roles: Names = Field((), description="keys of built-in roles, separated by commas, or none")
    roles_file: Path | None = Field(None, description="a path to a .toml or .json file")
    data_dir: Path = Field(Path("data"), description="a path to a directory")
    embedded_model: Path | None = Field(None, description="a path to a .gguf file")
    auth_users: Annotated[tuple[SecretStr, ...], BeforeValidator(_split), AfterValidator(_logins)] = Field(
        (),
        description="name:hash pairs, separated by commas, no name twice. Passwords in plain text are not "
        "taken: `python -m chat_core.hash_password NAME` asks for one and prints its pair",
    )
    oauth_client_id: Annotated[str, AfterValidator(_needs_authlib)] = Field(
        "", description="an id that a provider gave, where `pip install -r requirements-oauth.txt` was done"
    )
    oauth_client_secret: SecretStr = Field(SecretStr(""), description="the secret that belongs to it")
    oauth_scopes: str = Field("openid profile", description="scopes, separated by spaces")
    openid_provider_url: BaseUrl = Field(
        "https://huggingface.co", description="an http:// or https:// address"
    )
    sign_in_required: Annotated[bool, AfterValidator(_has_sign_in)] = Field(
        False, description="true or false; true with an OAUTH_CLIENT_ID"
    )
    api_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(_split), AfterValidator(_api_keys)] = Field(
        (), description="keys of at least 16 ASCII characters without spaces, separated by commas"
    )
    mcp: Annotated[bool, AfterValidator(_mcp)] = Field(
        False, description="true or false; true where `pip install -r requirements-mcp.txt` was done"
    )
    trusted_proxies: Annotated[Names, AfterValidator(_networks)] = Field(
        (), description="IP addresses and networks like 10.0.0.0/8, separated by commas"
    )
    cors_origins: Names = Field((), description="origins, separated by commas")
    frame_ancestors: Annotated[Names, AfterValidator(_frame_ancestors)] = Field(
        (), description="origins like https://example.org or https://*.example.org, separated by commas"
    )
    root_path: str = Field(
        "", pattern=r"^(/[\w.~-]+)*/?$", description="the path that a reverse proxy takes away, like /chat"
    )
    drain_seconds: float = Field(0, ge=0, le=3600, description="seconds, 0 (none) to 3600")
    log_format: Literal["text", "json"] = Field("text", description="text or json")
    metrics_token: Annotated[SecretStr, AfterValidator(_token)] = Field(
        SecretStr(""), description="at least 16 ASCII characters without spaces"
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="a port from 1 to 65535, or 0 for none")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    gradio_server_name: str = Field("127.0.0.1", description="an address to listen on")
    gradio_server_port: int = Field(7860, ge=0, le=65535, description="a port from 0 to 65535")

    # No variables of their own: from PROVIDERS_FILE and the variables that begin with a provider's name; and
    # from where this runs.
    more_providers: tuple[Provider, ...] = ()
    on_space: bool = False
    space_host: str = ""
    traces: bool = False
    data_may_vanish: bool = False

    @classmethod
    def load(
        cls, environ: Mapping[str, str] = os.environ, env_file: Path | None = Path(".env")
    ) -> "Settings":
        """Settings from `environ` and the dotenv file `env_file`; the environment wins.

        Raises ConfigError with a sentence for every variable that is wrong.
        """
        try:
            written = dotenv_values(env_file) if env_file else {}
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                [f"{env_file}: expected a text file in UTF-8 ({type(error).__name__})"]
            ) from None
        found = {**written, **environ}
        if "PORT" in environ:  # as many hosts tell where they look for an app
            found.setdefault("GRADIO_SERVER_PORT", environ["PORT"])
        values: dict[str, Any] = {}
        for field in VARIABLES:
            value = (found.get(field.upper()) or "").strip()
            if value or (field in ("rate_limit", "rate_limit_address") and field.upper() in found):
                values[field] = value.upper() if field == "log_level" else value
        values["traces"] = _asks_for_traces(environ)
        values["on_space"] = "SPACE_ID" in environ
        values["space_host"] = environ.get("SPACE_HOST", "").partition(",")[0]
        if "data_dir" not in values:
            values["data_dir"], values["data_may_vanish"] = _usual_data_dir(values["on_space"])
        if values["on_space"]:
            values.setdefault("trusted_proxies", _PROXIES_OF_SPACES)
            values.setdefault("frame_ancestors", _FRAMES_OF_SPACES)
        problems = []
        try:
            values["more_providers"] = _more_providers(values.get("providers_file"), found)
        except ConfigError as error:
            problems += error.problems
        try:
            settings = cls(**values)
        except ValidationError as error:
            wrong = dict.fromkeys(str(detail["loc"][0]) for detail in error.errors())
            problems = [_problem(field) for field in wrong] + problems
        if problems:
            raise ConfigError(problems) from None
        return settings

    def spared(self, limit: str) -> str:
        """The address that this limit of addresses leaves out: THIS_MACHINE, unless somebody has set the
        limit. Who comes from there sits at it, or comes through a proxy that nobody has named, as all others
        do then."""
        return "" if limit in self.model_fields_set else THIS_MACHINE

    @property
    def redis_address(self) -> str:
        """REDIS_URL, or the same from its parts; empty when neither is set. Holds the password."""
        if url := self.redis_url.get_secret_value():
            return url
        if not (self.redis_host or self.redis_sentinels):
            return ""
        host = self.redis_host or "localhost"  # which sentinels know better
        password = quote(self.redis_password.get_secret_value(), safe="")
        login = f":{password}@" if password else ""
        return f"redis://{login}{host}:{self.redis_port}/{self.redis_db}"

    @property
    def store_address(self) -> StoreAddress:
        """Where the store is, from all of REDIS_*."""
        places = [urlsplit(f"//{place}") for place in self.redis_sentinels]
        sentinels = tuple((place.hostname or "", place.port or 0) for place in places)
        return StoreAddress(self.redis_address, self.redis_cluster, sentinels, self.redis_master)

    @property
    def session_ttl_seconds(self) -> int:
        """SESSION_TTL_DAYS in whole seconds."""
        return math.ceil(self.session_ttl_days * 24 * 3600)

    @property
    def embeds_model(self) -> bool:
        """Whether no provider is set, so that the embedded model serves."""
        return not (self._has_openai or self.more_providers)

    @property
    def _has_openai(self) -> bool:
        return bool(self.openai_api_key.get_secret_value() or self.openai_base_url)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The providers that are set, that of OPENAI_* first, with MODELS_PRICES; that one alone, without a
        key, where none is."""
        providers = self.more_providers
        if self._has_openai or not providers:
            rows = load_providers(self.providers_file)
            url = self.openai_base_url
            row = provider_at(url, rows.values()) if url else rows["openai"]
            key = self.openai_api_key
            mine = row.updated(name="openai", base_url=url, api_key=key, models=self.models)
            providers = (mine, *providers)
        return tuple(
            provider.updated(rules=provider.rules + self._price_rules(provider)) for provider in providers
        )

    def _price_rules(self, provider: Provider) -> tuple[Rule, ...]:
        rules = []
        for pair in self.models_prices:
            name, _, price = pair.rpartition("=")
            asked, _, answered = price.partition("/")
            model = name.removeprefix(f"{provider.name}/")
            rules.append(Rule(for_models=(model,), price=(float(asked), float(answered))))
        return tuple(rules)

    @property
    def models(self) -> tuple[str, ...]:
        """The configured models' names, the default first."""
        return tuple(dict.fromkeys((self.openai_model, *self.openai_models)))

    @property
    def signs_in(self) -> bool:
        """Whether visitors can sign in with a provider. Where AUTH_USERS names who comes in, they cannot."""
        return bool(self.oauth_client_id and not self.auth_users)

    @property
    def asks_who(self) -> bool:
        """Whether nobody comes in without a login."""
        return bool(self.auth_users) or (self.signs_in and self.sign_in_required)

    @property
    def logins(self) -> dict[str, str]:
        """AUTH_USERS: the hashes of the users' passwords by their names."""
        pairs = (login.get_secret_value().partition(":") for login in self.auth_users)
        return {name: password_hash for name, _, password_hash in pairs}


_NO_VARIABLES = ("more_providers", "on_space", "space_host", "traces", "data_may_vanish")
VARIABLES = tuple(name for name in Settings.model_fields if name not in _NO_VARIABLES)


def _asks_for_traces(environ: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables, which its packages read, ask for traces."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "")
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return exporter == "otlp" or (not exporter and any(environ.get(name) for name in endpoints))


def _usual_data_dir(on_space: bool) -> tuple[Path, bool]:
    """Where data are kept when no variable says where, and whether a restart may take them away."""
    if on_space and os.access(_DISK_OF_SPACES, os.W_OK):
        return _DISK_OF_SPACES / "chat", False
    usual = Path("data")
    if usual.exists() or os.access(Path(), os.W_OK):  # what was kept there must not seem lost
        return usual, on_space
    owner = os.getuid() if hasattr(os, "getuid") else ""
    return Path(tempfile.gettempdir()) / f"chat-data-{owner}", True


def _more_providers(file: str | None, found: Mapping[str, str | None]) -> tuple[Provider, ...]:
    """The providers beside that of OPENAI_* for which there is a variable, or a row in `file`."""
    rows = load_providers(Path(file) if file else None)
    providers: list[Provider] = []
    problems: list[str] = []
    for name, row in rows.items():
        prefixes = [prefix.upper().replace("-", "_") for prefix in (name, *row.aliases)]
        given = {
            field: value
            for field in _ProviderVariables.model_fields
            for prefix in reversed(prefixes)
            if (value := (found.get(f"{prefix}_{field.upper()}") or "").strip())
        }
        if name == "openai" or not (given or row != known_providers().get(name)):
            continue
        try:
            providers.append(row.updated(**dict(_ProviderVariables.model_validate(given))))
        except ValidationError as error:
            wrong = dict.fromkeys(str(detail["loc"][0]) for detail in error.errors())
            problems += [f"{prefixes[0]}_{_problem(field, _ProviderVariables)}" for field in wrong]
            continue
        if not providers[-1].base_url:
            problems.append(f"{prefixes[0]}_{_problem('base_url', _ProviderVariables)}")
    if problems:
        raise ConfigError(problems)
    return tuple(providers)


# There where a Space has a disk that outlives it.
_DISK_OF_SPACES = Path("/data")
# Where the proxy of Hugging Face Spaces stands, in front of all visitors.
_PROXIES_OF_SPACES = "10.0.0.0/8"
# The pages of Spaces, which show the app in a frame.
_FRAMES_OF_SPACES = "https://huggingface.co,https://*.huggingface.co,https://*.hf.space"


def _problem(field: str, of: type[BaseModel] = Settings) -> str:
    # The value is left out on purpose: it may be a secret written on the wrong line.
    return f"{field.upper()}: expected {of.model_fields[field].description}"
