"""Variables in a role's texts: what is one, and what stands in its place."""

import pytest

from chat_core.errors import InvalidInput
from chat_core.roles import parse_role
from chat_core.variables import MAX_VARIABLES, VALUE_CHARS, fill_in, parse_variables, variables_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Teach {{topic}} at the level {{ level = a beginner }}.", {"topic": "", "level": "a beginner"}),
        ("{{主题}} {{learner name=Ada}}", {"主题": "", "learner name": "Ada"}),
        ("{{topic}}, yes, {{topic=fractions}}, {{topic=sums}}", {"topic": "fractions"}),
        ("{topic} {{}} {{=x}} {{1st}} {{a.b}} {{a\nb}} {{#if x}} {{{", {}),
        (f"{{{{{'a' * 41}}}}}", {}),
    ],
    ids=["named", "any language", "named twice", "none", "too long"],
)
def test_variables_are_found_in_the_order_they_are_named(text: str, found: dict[str, str]):
    assert variables_in(text) == found
    assert list(variables_in(text)) == list(found)


@pytest.mark.parametrize(
    ("values", "filled"),
    [
        ({}, "topic at a beginner's level, topic again"),
        ({"topic": "sums"}, "sums at a beginner's level, sums again"),
        ({"topic": "{{level}} \\1", "level": "my"}, "{{level}} \\1 at my level, {{level}} \\1 again"),
        ({"level": ""}, "topic at a beginner's level, topic again"),
        ({"other": "x"}, "topic at a beginner's level, topic again"),
    ],
    ids=["nothing given", "one given", "a value is no text with variables", "an empty one", "another one"],
)
def test_a_text_is_filled_in_with_what_was_given_or_its_own(values: dict[str, str], filled: str):
    assert fill_in("{{topic}} at {{level=a beginner's}} level, {{topic}} again", values) == filled


def test_a_role_speaks_with_the_values_in_both_languages():
    words = {"zh": "聊聊{{topic}}", "en": "Let us talk about {{topic}}"}
    role = parse_role(
        {
            "name": "Tutor",
            "prompt": "Teach {{topic=sums}}.",
            "welcome_message": words,
            "example_questions": {"zh": ["什么是{{topic}}？"], "en": ["What are {{topic}}?"]},
        },
        "own-1",
    )
    spoken = role.with_values({"topic": "x" * VALUE_CHARS})
    assert spoken.prompt == f"Teach {'x' * VALUE_CHARS}."
    assert spoken.welcome_message["zh"] == f"聊聊{'x' * VALUE_CHARS}"
    assert role.with_values({}).welcome_message["en"] == "Let us talk about sums"
    assert role.with_values({}).example_questions["zh"] == ("什么是sums？",)
    assert role.with_values({}).example_questions["en"] == ("What are sums?",)


def test_a_role_has_no_more_variables_than_can_be_asked_for():
    def prompt(count: int) -> dict[str, str]:
        return {"name": "Tutor", "prompt": " ".join(f"{{{{v{number}}}}}" for number in range(count))}

    assert len(parse_role(prompt(MAX_VARIABLES), "own-1").variables) == MAX_VARIABLES
    with pytest.raises(InvalidInput, match=r"role.prompt must be .*20"):
        parse_role(prompt(MAX_VARIABLES + 1), "own-1")


def test_values_are_kept_by_name_without_those_that_are_empty():
    assert parse_variables({"topic": " sums ", "learner name": "Ada", "level": " "}) == {
        "topic": "sums",
        "learner name": "Ada",
    }


@pytest.mark.parametrize(
    "value",
    [
        ["topic"],
        "topic=sums",
        {"topic": 3},
        {3: "topic"},
        {"topic": "\ud800"},
        {"a.b": "x"},
        {"topic=sums": "x"},
        {"topic": "x" * (VALUE_CHARS + 1)},
        {f"v{number}": "x" for number in range(MAX_VARIABLES + 1)},
    ],
    ids=["list", "text", "number", "a name of no text", "half a pair", "no name", "default", "long", "many"],
)
def test_values_of_another_form_are_refused(value: object):
    with pytest.raises(InvalidInput, match="variables"):
        parse_variables(value)
