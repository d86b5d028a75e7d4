"""Settings: where values come from, what is refused and how, and that secrets stay hidden."""

import os
import re
import tempfile
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from chat_core import ConfigError, Settings
from chat_core.passwords import hash_password
from chat_core.settings import VARIABLES

ROOT = Path(__file__).parents[2]
HASHED = f"ann:scrypt.14.8.5.{'S' * 22}.{'K' * 43}"


def load(**environ: str) -> Settings:
    return Settings.load(environ, env_file=None)


def problems(**environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(**environ)
    return caught.value.problems


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    file = path / ".env"
    file.write_text(text, encoding=encoding)
    return file


# Where values come from


def test_nothing_has_to_be_set():
    settings = load()
    assert settings == Settings()
    assert settings.embeds_model
    assert settings.redis_address == ""
    assert settings.models == ("gpt-4o",)
    assert settings.logins == {}


def test_a_missing_env_file_is_no_mistake(tmp_path):
    assert Settings.load({}, tmp_path / ".env") == Settings()


def test_every_variable_has_a_type():
    settings = load(
        OPENAI_API_KEY="k",
        OPENAI_BASE_URL="https://api.example.org/v1/",
        OPENAI_MODELS=" one, two ,,three ",
        TEXT_ONLY_MODELS="two, three",
        CONTEXT_TOKENS="0",
        SESSION_TTL_DAYS="0.5",
        ROLES_FILE="roles.toml",
        LOG_LEVEL="debug",
        CORS_ORIGINS="https://a.example, https://b.example",
        TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8, ::1, fd00::/8",
    )
    assert settings.openai_api_key == SecretStr("k")
    assert settings.openai_base_url == "https://api.example.org/v1"
    assert settings.openai_models == ("one", "two", "three")
    assert settings.text_only_models == ("two", "three")
    assert settings.context_tokens == 0
    assert settings.session_ttl_days == 0.5
    assert settings.roles_file == Path("roles.toml")
    assert settings.log_level == "DEBUG"
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.trusted_proxies == ("127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8")
    assert not settings.embeds_model


def test_the_environment_wins_over_the_env_file(tmp_path):
    file = write(tmp_path, "OPENAI_MODEL=from-file\nCONTEXT_MESSAGES=3\n")
    settings = Settings.load({"OPENAI_MODEL": "from-environment"}, file)
    assert (settings.openai_model, settings.context_messages) == ("from-environment", 3)


def test_an_empty_variable_counts_as_not_set_and_hides_the_env_file(tmp_path):
    file = write(tmp_path, "OPENAI_API_KEY=k\nREDIS_PORT=\n")
    settings = Settings.load({"OPENAI_API_KEY": " "}, file)
    assert settings.embeds_model
    assert settings.redis_port == 6379


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"], ids=["plain", "with a byte order mark"])
def test_the_env_file_may_have_comments_quotes_and_a_mark_at_its_head(tmp_path, encoding):
    file = write(tmp_path, 'OPENAI_MODEL="a b" # not this\n\n# nor this\nREDIS_HOST=h\n', encoding)
    settings = Settings.load({}, file)
    assert (settings.openai_model, settings.redis_host) == ("a b", "h")


def test_an_env_file_in_another_encoding_is_named(tmp_path):
    file = write(tmp_path, "OPENAI_MODEL=x\n", "utf-16")
    with pytest.raises(ConfigError) as caught:
        Settings.load({}, file)
    assert caught.value.problems == [f"{file}: expected a text file in UTF-8 (UnicodeDecodeError)"]


def test_variables_of_other_programs_are_left_alone(tmp_path):
    assert Settings.load({"PATH": "/bin", "openai_model": "x"}, write(tmp_path, "OTHER=1")) == Settings()


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().openai_model = "x"


# What is refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "你的密钥"),
        ("OPENAI_API_KEY", "sk-two words"),
        ("OPENAI_BASE_URL", "api.example.org/v1"),
        ("OPENAI_BASE_URL", "ftp://api.example.org"),
        ("OPENAI_BASE_URL", "http://"),
        ("OPENAI_BASE_URL", "http://host:port/v1"),
        ("OPENAI_BASE_URL", "http://host:99999/v1"),
        ("OPENAI_BASE_URL", "http://[::1/v1"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://host:port/0"),
        ("REDIS_URL", "memory"),
        ("REDIS_HOST", "localhost:6379"),
        ("REDIS_HOST", "redis://localhost"),
        ("REDIS_PORT", "0"),
        ("REDIS_PORT", "65536"),
        ("REDIS_PORT", "six"),
        ("REDIS_DB", "-1"),
        ("REDIS_SENTINELS", "localhost"),
        ("REDIS_SENTINELS", "localhost:26379,other:port"),
        ("REDIS_CLUSTER", "true"),  # of which no node is known
        ("MAX_STORED_MESSAGES", "-1"),
        ("MAX_STORED_MESSAGES", "1.5"),
        ("CONTEXT_MESSAGES", "ten"),
        ("CONTEXT_TOKENS", "-1"),
        ("SESSION_TTL_DAYS", "-1"),
        ("SESSION_TTL_DAYS", "nan"),
        ("SESSION_TTL_DAYS", "99999"),
        ("RATE_LIMIT", "20"),
        ("RATE_LIMIT", "often"),
        ("RATE_LIMIT", "0/minute"),
        ("RATE_LIMIT", "5/second; 20/minute"),
        ("RATE_LIMIT_ADDRESS", "often"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "127.0.0.1, proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("MAX_MESSAGE_CHARS", "0"),
        ("MAX_CONCURRENT_REPLIES", "0"),
        ("MAX_REPLIES_PER_USER", "-1"),
        ("MAX_REPLIES_PER_ADDRESS", "few"),
        ("MAX_CALLS_PER_ADDRESS", "-1"),
        ("FIRST_TOKEN_SECONDS", "0"),
        ("STALL_SECONDS", "nan"),
        ("AUTH_USERS", "name"),
        ("AUTH_USERS", "name:"),
        ("AUTH_USERS", ":password"),
        ("AUTH_USERS", "na me:password"),
        ("AUTH_USERS", "name:a password in plain text"),
        ("AUTH_USERS", f"{HASHED},bad"),
        ("AUTH_USERS", f"{HASHED},{HASHED}"),
        ("FRAME_ANCESTORS", "example.org"),
        ("FRAME_ANCESTORS", "https://example.org; script-src *"),
        ("LOG_LEVEL", "loud"),
        ("GRADIO_SERVER_PORT", "-1"),
    ],
    ids=lambda value: value,
)
def test_a_mistake_is_told_by_the_variables_name_and_what_it_expects(name, value):
    expected = Settings.model_fields[name.lower()].description
    assert problems(**{name: value}) == [f"{name}: expected {expected}"]


def test_all_mistakes_are_told_at_once():
    told = problems(REDIS_PORT="x", LOG_LEVEL="x", STALL_SECONDS="x", AUTH_USERS="a,b", CONTEXT_TOKENS="1")
    assert [line.split(":")[0] for line in told] == ["REDIS_PORT", "STALL_SECONDS", "AUTH_USERS", "LOG_LEVEL"]


@pytest.mark.parametrize(
    "address",
    [
        "redis://localhost",
        "redis://:password@localhost:6379/1",
        "rediss://user:password@example.org:6380/0",
        "unix:///run/valkey.sock",
        "unix://:password@/run/valkey.sock?db=1",
        "memory://",
    ],
)
def test_addresses_of_stores_are_taken_as_they_are(address):
    assert load(REDIS_URL=address, REDIS_HOST="other").redis_address == address


@pytest.mark.parametrize(
    ("address", "taken"),
    [("valkey://host/1", "redis://host/1"), ("valkeys://:key@host", "rediss://:key@host")],
)
def test_addresses_of_valkey_are_those_of_redis(address, taken):
    assert load(REDIS_URL=address).redis_address == taken


def test_the_port_is_the_one_that_a_host_gives_unless_another_is_set():
    assert load(PORT="8080").gradio_server_port == 8080
    assert load(PORT="8080", GRADIO_SERVER_PORT="8081").gradio_server_port == 8081


@pytest.mark.parametrize("limit", ["1/second", "20/minute", "100 per hour", "20 per 5 minutes", "9/day"])
def test_rate_limits_are_a_number_and_a_time(limit):
    assert load(RATE_LIMIT=limit).rate_limit == limit


def test_an_empty_rate_limit_switches_it_off(tmp_path):
    assert load(RATE_LIMIT="").rate_limit == ""
    assert Settings.load({}, write(tmp_path, "RATE_LIMIT=\n")).rate_limit == ""
    assert load().rate_limit == "20/minute"
    assert load(RATE_LIMIT_ADDRESS="").rate_limit_address == ""
    assert load().rate_limit_address == "60/minute"


# What is made of them


@pytest.mark.parametrize(
    ("parts", "address"),
    [
        ({"REDIS_HOST": "h"}, "redis://h:6379/0"),
        ({"REDIS_HOST": "h", "REDIS_PORT": "7000", "REDIS_DB": "3"}, "redis://h:7000/3"),
        ({"REDIS_HOST": "h", "REDIS_PASSWORD": "p@ss:/?#%w"}, "redis://:p%40ss%3A%2F%3F%23%25w@h:6379/0"),
        ({"REDIS_PASSWORD": "p", "REDIS_PORT": "7000"}, ""),
    ],
    ids=["host", "port and database", "password", "no host"],
)
def test_the_parts_of_a_redis_address_are_put_together(parts, address):
    assert load(**parts).redis_address == address


def test_the_default_model_comes_first_and_none_comes_twice():
    settings = load(OPENAI_MODEL="b", OPENAI_MODELS="a,b,c,a")
    assert settings.models == ("b", "a", "c")


def test_logins_are_names_and_hashes_of_passwords():
    hashes = {"ann@example.org": hash_password("of ann"), "bob": hash_password("of bob")}
    settings = load(AUTH_USERS=", ".join(f"{name}:{text}" for name, text in hashes.items()))
    assert settings.logins == hashes


def test_a_hash_comes_through_a_dotenv_file_whole(tmp_path):
    assert (
        Settings.load({}, write(tmp_path, f"AUTH_USERS={HASHED}\n")).logins == load(AUTH_USERS=HASHED).logins
    )


def test_a_password_in_plain_text_is_refused_with_what_to_do_instead():
    (problem,) = problems(AUTH_USERS="ann:plain-secret")
    assert "plain-secret" not in problem
    assert "python -m chat_core.hash_password NAME" in problem


def test_a_space_may_be_shown_in_the_pages_of_spaces_unless_said_otherwise():
    assert "https://huggingface.co" in load(SPACE_ID="ann/chat").frame_ancestors
    assert load(SPACE_ID="ann/chat", FRAME_ANCESTORS="https://example.org").frame_ancestors == (
        "https://example.org",
    )
    assert load().frame_ancestors == ()


def test_an_address_alone_is_a_model_too():
    assert not load(OPENAI_BASE_URL="http://localhost:11434/v1").embeds_model


# Secrets

SECRETS = {
    "OPENAI_API_KEY": "hidden-key",
    "REDIS_URL": "redis://:hidden-url@localhost/0",
    "REDIS_PASSWORD": "hidden-password",
    "MISTRAL_API_KEY": "hidden-mistral",
    "AUTH_USERS": f"hidden-name:{hash_password('hidden')}",
}
WRONG = "hid" + "den 密钥"  # in two parts, for a traceback quotes lines of code


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(lambda settings: str(settings.model_dump()), id="dump"),
        pytest.param(lambda settings: str(settings.model_dump(mode="json")), id="dump for JSON"),
        pytest.param(lambda settings: settings.model_dump_json(), id="JSON"),
    ],
)
def test_secrets_are_never_shown(show):
    shown = show(load(**SECRETS))
    assert "gpt-4o" in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "OPENAI_BASE_URL", "REDIS_URL", "REDIS_PORT", "RATE_LIMIT", "AUTH_USERS"],
)
def test_a_refused_value_is_not_repeated_for_it_may_be_a_secret_on_the_wrong_line(name):
    with pytest.raises(ConfigError) as caught:
        load(**{name: WRONG})
    error = caught.value
    assert WRONG not in f"{error} {error!r} {error.problems} {error.facts}"
    assert WRONG not in "".join(traceback.format_exception(error))


def test_settings_made_without_an_environment_do_not_repeat_it_either():
    with pytest.raises(ValidationError) as caught:
        Settings(openai_base_url=WRONG)
    assert WRONG not in str(caught.value)


# The example file


def as_written(default: object) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default in (None, ()) else str(default)


FIELDS = {name: Settings.model_fields[name] for name in VARIABLES}


def test_the_example_file_has_every_variable_explained_and_with_its_default():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found: dict[str, str] = {}
    for above, line in zip(["", *lines], lines, strict=False):
        if assignment := re.fullmatch(r"# ([A-Z_]+)=(.*)", line):
            name, found[assignment[1]] = assignment[1], assignment[2]
            assert re.match(r"# \S.* ", above), f"{name} has no explanation"
            assert not re.match(r"# [A-Z_]+=", above), f"{name} has no explanation"
        else:
            assert line == "" or line.startswith("# "), line
    assert found == {name.upper(): as_written(field.default) for name, field in FIELDS.items()}


def test_the_example_file_changes_nothing_with_or_without_its_comment_signs(tmp_path):
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assignments = re.sub(r"(?m)^# (?=[A-Z_]+=.)", "", text)
    assert Settings.load({}, write(tmp_path, text)) == Settings()
    assert Settings.load({}, write(tmp_path, assignments)) == Settings()


def test_on_a_space_its_proxy_is_trusted_unless_others_are_named() -> None:
    assert Settings.load({}, None).trusted_proxies == ()
    assert Settings.load({"SPACE_ID": "ana/chat"}, None).trusted_proxies == ("10.0.0.0/8",)
    assert Settings.load({"SPACE_ID": "ana/chat", "TRUSTED_PROXIES": "192.0.2.1"}, None).trusted_proxies == (
        "192.0.2.1",
    )


# Providers


def test_further_providers_are_set_by_their_names_beside_that_of_openai():
    settings = load(
        OPENAI_API_KEY="k",
        DEEPSEEK_API_KEY="d",
        DASHSCOPE_API_KEY="q",
        QWEN_MODELS="qwen-max",
        OLLAMA_BASE_URL="http://10.0.0.5:11434/v1",
    )
    openai, deepseek, qwen, ollama = settings.providers
    assert [one.title for one in settings.providers] == ["OpenAI", "DeepSeek", "Qwen", "Ollama"]
    assert (openai.models, openai.api_key) == (("gpt-4o",), SecretStr("k"))
    assert deepseek.api_key == SecretStr("d")
    assert (deepseek.base_url, deepseek.models[0]) == ("https://api.deepseek.com/v1", "deepseek-chat")
    assert (qwen.api_key, qwen.models) == (SecretStr("q"), ("qwen-max",))
    assert (ollama.base_url, ollama.models) == ("http://10.0.0.5:11434/v1", ())
    assert not settings.embeds_model


def test_a_further_provider_alone_is_enough():
    settings = load(DEEPSEEK_API_KEY="d", MODELS_PRICES="deepseek/deepseek-chat=0.3/1.1")
    (deepseek,) = settings.providers
    assert not settings.embeds_model
    assert deepseek.capabilities("deepseek-chat").price == (0.3, 1.1)
    assert deepseek.capabilities("deepseek-reasoner").price is None


@pytest.mark.parametrize(
    ("address", "title", "length"),
    [
        ("https://api.openai.com/v1", "OpenAI", "max_completion_tokens"),
        ("http://localhost:11434/v1", "Ollama", "max_tokens"),
        ("https://models.example.org/v1", "models.example.org", "max_tokens"),
    ],
)
def test_the_provider_of_openai_variables_is_known_by_its_address(address, title, length):
    (provider,) = load(OPENAI_BASE_URL=address).providers
    assert (provider.name, provider.title, provider.length) == ("openai", title, length)


def test_a_file_names_providers_too(tmp_path):
    file = tmp_path / "providers.toml"
    file.write_text('[mine]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["a"]\n', encoding="utf-8")
    (mine,) = load(PROVIDERS_FILE=str(file), MINE_API_KEY="m").providers
    assert (mine.models, mine.api_key) == (("a",), SecretStr("m"))


def test_what_is_wrong_with_a_provider_is_told_with_all_else_and_without_its_value(tmp_path):
    told = problems(
        DEEPSEEK_API_KEY=WRONG, QWEN_BASE_URL="nowhere", AZURE_API_KEY="k", PORT="x", MODELS_PRICES="gpt-4o"
    )
    assert [line.split(":")[0] for line in told] == [
        "MODELS_PRICES",
        "GRADIO_SERVER_PORT",
        "DEEPSEEK_API_KEY",
        "QWEN_BASE_URL",
        "AZURE_BASE_URL",
    ]
    assert WRONG not in str(told)


def test_data_lie_where_they_can_and_it_is_known_whether_they_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def where(**environ: str) -> tuple[Path, bool]:
        settings = Settings.load(environ, None)
        return settings.data_dir, settings.data_may_vanish

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chat_core.settings._DISK_OF_SPACES", tmp_path / "disk")
    assert where() == (Path("data"), False)
    assert where(SPACE_ID="ana/chat") == (Path("data"), True)
    assert where(SPACE_ID="ana/chat", DATA_DIR="here") == (Path("here"), False)
    (tmp_path / "disk").mkdir()
    assert where(SPACE_ID="ana/chat") == (tmp_path / "disk" / "chat", False)
    monkeypatch.setattr("os.access", lambda *_: False)
    assert where() == (Path(tempfile.gettempdir()) / f"chat-data-{os.getuid()}", True)
    (tmp_path / "data").mkdir()
    assert where() == (Path("data"), False)


def test_tools_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(MCP="true").mcp
    monkeypatch.setattr("chat_core.settings.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"MCP: .*requirements-mcp\.txt"):
        load(MCP="true")


def test_signing_in_needs_its_package_and_who_may_come_in_by_name_alone_does_not_sign_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not load().signs_in
    settings = load(OAUTH_CLIENT_ID="x", SIGN_IN_REQUIRED="true", SPACE_HOST="a.hf.space,chat.example.org")
    assert (settings.signs_in, settings.asks_who, settings.space_host) == (True, True, "a.hf.space")
    settings = load(OAUTH_CLIENT_ID="x", AUTH_USERS=HASHED)
    assert (settings.signs_in, settings.asks_who) == (False, True)
    assert problems(SIGN_IN_REQUIRED="true")
    monkeypatch.setattr("chat_core.settings.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"OAUTH_CLIENT_ID: .*requirements-oauth\.txt"):
        load(OAUTH_CLIENT_ID="x")


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
    ],
    ids=str,
)
def test_traces_are_asked_for_by_the_variables_of_opentelemetry(environ: dict[str, str], asked: bool) -> None:
    assert load(**environ).traces is asked
