"""Roles: the built-in ones, those of a file, and what is said about a file with mistakes."""

import json
from pathlib import Path

import pytest

from chat_core.errors import ConfigError, UnknownRole
from chat_core.roles import BUILT_IN, Role, Words, load_roles, mentions

CHEF = {"key": "baker", "name": "Chef", "prompt": "Cook.", "welcome_message": "Hungry?"}


def write(path: Path, content: object, name: str = "roles.json") -> Path:
    file = path / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def problems(file: Path) -> list[str]:
    """What is wrong with the file, without the part that names it."""
    with pytest.raises(ConfigError) as caught:
        load_roles(file)
    head = f"ROLES_FILE {file}: "
    assert all(problem.startswith(head) for problem in caught.value.problems)
    return [problem.removeprefix(head) for problem in caught.value.problems]


# Built in


BUILT_IN_KEYS = [role.key for role in BUILT_IN]


def test_fifteen_roles_are_built_in_and_the_assistant_is_the_default():
    roles = load_roles()
    assert list(roles) == BUILT_IN_KEYS
    assert (len(roles), BUILT_IN_KEYS[:3]) == (15, ["assistant", "teacher", "programmer"])
    assert roles.default == "assistant"


@pytest.mark.parametrize(
    ("offered", "default"),
    [
        (("teacher", "assistant"), "assistant"),
        (("chef", "teacher"), "chef"),
    ],
)
def test_some_of_the_built_in_roles_are_offered_in_the_order_that_was_chosen(offered, default):
    roles = load_roles(offered=offered)
    assert (tuple(roles), roles.default) == (offered, default)


def test_a_file_can_bring_all_roles(tmp_path):
    roles = load_roles(write(tmp_path, {"roles": [CHEF]}), offered=("none",))
    assert (list(roles), roles.default) == (["baker"], "baker")


@pytest.mark.parametrize("offered", [("none",), ("asistant",), ("none", "chef")])
def test_roles_that_cannot_be_offered_are_told(offered):
    with pytest.raises(ConfigError, match="BUILT_IN_ROLES: expected"):
        load_roles(offered=offered)


def test_every_built_in_role_is_named_where_they_are_chosen():
    example = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
    assert all(key in example for key in BUILT_IN_KEYS)


@pytest.mark.parametrize("role", load_roles().values(), ids=lambda role: role.key)
def test_a_built_in_role_is_complete_in_both_languages(role):
    assert role.icon
    assert role.prompt
    assert "language of the user" in role.prompt
    for words in (role.name, role.welcome_message, role.description):
        assert words["zh"] != words["en"]
        assert words["en"].isascii()
        assert not words["zh"].isascii()
    for language in ("zh", "en"):
        questions = role.example_questions[language]
        assert len(set(questions)) == 3
        assert all((question.isascii()) == (language == "en") for question in questions)


def test_built_in_roles_do_not_share_their_texts():
    roles = load_roles().values()
    for texts in ([r.prompt for r in roles], [r.icon for r in roles], [r.name.en for r in roles]):
        assert len(set(texts)) == len(texts)


# Looking up


def test_the_empty_key_means_the_default():
    assert load_roles()[""].key == "assistant"


def test_an_unknown_key_is_refused_with_the_known_ones():
    roles = load_roles()
    with pytest.raises(UnknownRole) as caught:
        roles["baker"]
    assert caught.value.facts["role"] == "baker"
    assert caught.value.facts["known"] == ", ".join(BUILT_IN_KEYS)
    assert "baker" not in roles
    assert "teacher" in roles


@pytest.mark.parametrize(("key", "found"), [("teacher", "teacher"), ("gone", "assistant"), ("", "assistant")])
def test_a_key_that_has_gone_means_the_default(key, found):
    assert load_roles().find_or_default(key).key == found


# A file


TOML = """
default = "baker"

[[roles]]
key = "baker"
icon = "🍳"
name = { zh = "厨师", en = "Chef" }
prompt = '''
Cook.
Taste.
'''
welcome_message = "Hungry? 饿了吗？"
example_questions = ["What is for dinner?"]
"""


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_a_toml_file_adds_a_role(tmp_path, mark):
    roles = load_roles(write(tmp_path, mark + TOML, "roles.toml"))
    assert list(roles) == [*BUILT_IN_KEYS, "baker"]
    chef = roles[""]
    assert (chef.key, chef.icon, chef.prompt) == ("baker", "🍳", "Cook.\nTaste.")
    assert (chef.name["zh"], chef.name["en"]) == ("厨师", "Chef")
    assert chef.welcome_message["zh"] == chef.welcome_message["en"] == "Hungry? 饿了吗？"
    assert chef.example_questions["zh"] == chef.example_questions["en"] == ("What is for dinner?",)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_a_json_file_adds_a_role(tmp_path, mark):
    examples = {"en": ["Dinner?"]}
    content = json.dumps({"roles": [{**CHEF, "example_questions": examples}]})
    roles = load_roles(write(tmp_path, mark + content, "roles.JSON"))
    assert roles.default == "assistant"
    assert roles["baker"].name == Words(zh="Chef", en="Chef")
    assert roles["baker"].example_questions["en"] == ("Dinner?",)
    assert roles["baker"].example_questions["zh"] == ()


def test_what_a_role_may_leave_out_has_a_default(tmp_path):
    chef = load_roles(write(tmp_path, {"roles": [CHEF]}))["baker"]
    assert chef == Role(**CHEF)
    assert chef.icon == "💬"
    assert chef.example_questions["zh"] == ()


def test_a_role_of_a_built_in_key_replaces_it_in_its_place(tmp_path):
    roles = load_roles(write(tmp_path, {"roles": [{**CHEF, "key": "teacher"}]}))
    assert list(roles) == BUILT_IN_KEYS
    assert roles["teacher"].prompt == "Cook."


def test_a_file_may_only_choose_the_default(tmp_path):
    assert load_roles(write(tmp_path, 'default = "programmer"', "roles.toml"))[""].key == "programmer"


# A file with mistakes


EMPTY = "string should have at least 1 character"
BAD_KEY = "string should match pattern '^[a-z0-9_-]{1,32}$'"
LONG = "string should have at most 2000 characters"
EXTRA = "extra inputs are not permitted"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"key": "Chef de cuisine"}, [f"key: {BAD_KEY}"]),
        ({"key": "c" * 33}, [f"key: {BAD_KEY}"]),
        ({"name": 5}, ["name: input should be a valid dictionary"]),
        ({"name": " "}, [f"name.zh: {EMPTY}", f"name.en: {EMPTY}"]),
        ({"name": {"zh": "厨师"}}, ["name.en: field required"]),
        ({"name": {"zh": "厨师", "en": "Chef", "fr": "Chef"}}, [f"name.fr: {EXTRA}"]),
        ({"prompt": ""}, [f"prompt: {EMPTY}"]),
        ({"prompt": "x" * 20_001}, ["prompt: string should have at most 20000 characters"]),
        ({"prompt": ["Cook."]}, ["prompt: input should be a valid string"]),
        ({"welcome_message": None}, ["welcome_message: input should be a valid dictionary"]),
        ({"icon": "a whole sentence"}, ["icon: string should have at most 8 characters"]),
        ({"icon": "data:image/svg+xml;base64,AAAA"}, ["icon: string should have at most 8 characters"]),
        ({"temperature": 3}, ["temperature: input should be less than or equal to 2"]),
        ({"max_tokens": 0}, ["max_tokens: input should be greater than or equal to 1"]),
        ({"description": "x" * 2001}, [f"description.{one}: {LONG}" for one in ("zh", "en")]),
        ({"tools": []}, [f"tools: {EXTRA}"]),
        ({"example_questions": {"zh": "吃什么？"}}, ["example_questions.zh: input should be a valid list"]),
        ({"example_questions": {"en": ["Why?", ""]}}, [f"example_questions.en.2: {EMPTY}"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "told",
)
def test_a_mistake_in_a_role_is_told_with_its_place(tmp_path, changes, told):
    file = write(tmp_path, {"roles": [CHEF, {**CHEF, "key": "second", **changes}]})
    assert problems(file) == [f"roles.2.{problem}" for problem in told]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param([CHEF], ["file: input should be a valid dictionary"], id="a list"),
        pytest.param({"roles": {"baker": CHEF}}, ["roles: input should be a valid list"], id="roles by name"),
        pytest.param({"roles": ["baker"]}, ["roles.1: input should be a valid dictionary"], id="only a name"),
        pytest.param({"role": [CHEF]}, ["role: extra inputs are not permitted"], id="misspelt"),
        pytest.param({"roles": [CHEF, CHEF]}, ["two roles have the key 'baker'"], id="the same key twice"),
        pytest.param(
            {"roles": [CHEF], "default": "cook"},
            ["default is 'cook', which no role has as its key"],
            id="unknown default",
        ),
        pytest.param(
            {"roles": [{"key": "baker"}]},
            ["roles.1.name: field required", "roles.1.prompt: field required"],
            id="all that is missing",
        ),
        pytest.param(
            {"roles": [CHEF | {"key": "custom"}]},
            ["the key 'custom' is kept for a role that users write"],
            id="the user's own role",
        ),
        pytest.param(
            {"roles": [CHEF, CHEF], "default": "cook"},
            ["two roles have the key 'baker'", "default is 'cook', which no role has as its key"],
            id="two mistakes",
        ),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path, content, told):
    assert problems(write(tmp_path, content)) == told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("roles.json", '{"roles": [}', "Expecting value: line 1 column 12 (char 11)"),
        ("roles.toml", "[[roles]\n", "Expected ']]' at the end of an array declaration"),
        ("roles.yaml", "roles:\n", "Expected '=' after a key"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_told_with_the_place(tmp_path, name, content, told):
    (problem,) = problems(write(tmp_path, content, name))
    assert problem.startswith(told)


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert problems(tmp_path / "roles.toml") == ["cannot be read (No such file or directory)"]


def test_a_directory_is_no_file(tmp_path):
    assert problems(tmp_path) == ["cannot be read (Is a directory)"]


def test_a_file_that_is_not_text_is_told(tmp_path):
    file = tmp_path / "roles.toml"
    file.write_bytes(b"\xff\xfe\x00")
    (problem,) = problems(file)
    assert "can't decode byte 0xff in position 0" in problem


# Names in messages


@pytest.mark.parametrize(
    ("message", "named", "said"),
    [
        ("@teacher why", ["teacher"], "why"),
        (" @老师，为什么", ["teacher"], "为什么"),
        ("@TEACHER @sql helper: why", ["teacher", "sql-helper"], "why"),
        ("@teacher @teacher why", ["teacher"], "why"),
        ("@teachers why", [], "@teachers why"),
        ("@teacher", [], "@teacher"),
        ("why @teacher ?", [], "why @teacher ?"),
    ],
)
def test_a_message_begins_with_the_names_of_whom_it_is_for(message: str, named: list[str], said: str) -> None:
    assert mentions(message, load_roles().called) == (named, said)
