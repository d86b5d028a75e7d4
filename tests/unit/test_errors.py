"""The error tree: complete in its own docstring, with codes for translations and facts for the wire."""

import json
import re
from collections.abc import Iterator

import pytest

from chat_core import errors
from chat_core.errors import ChatError, ConfigError, ModelError
from chat_core.messages import TurnError

# What the constructors of some classes need; the others need nothing.
ARGUMENTS = {
    errors.ConfigError: [["A: expected b."]],
    errors.InvalidInput: ["limit", "0 or more"],
    errors.MessageTooLong: [11, 10],
    errors.UnknownRole: ["x" * 100, ["assistant", "teacher"]],
    errors.UnknownModel: ["x" * 100, ["gpt-4o"]],
    errors.TooManyRoles: [100],
    errors.TooManyNotes: [100],
    errors.TooManyShares: [100],
    errors.ImportRejected: ["messages.3.content", "text"],
    errors.ImageTooLarge: [10, 40],
    errors.TooManyImages: [5, 4],
    errors.ImagesUnsupported: ["small", ["big"]],
    errors.PictureEditsUnsupported: ["painter", ["sketcher"]],
    errors.SessionBusy: ["turn"],
    errors.RateLimited: [12.4],
    errors.TokensUsedUp: [1000, 3600.0, "2026-01-02 00:00"],
    errors.TokensUsedUpAtAddress: [1000, 3600.0, "2026-01-02 00:00"],
    errors.TooManyLoginTries: [12.4],
    errors.TooManyReplies: [200],
    errors.TooManyRepliesOfUser: [4],
    errors.TooManyRepliesFromAddress: [12],
}


def tree(kind: type[ChatError], depth: int = 0) -> Iterator[tuple[int, type[ChatError]]]:
    """Every class and how deep it stands, parents first."""
    yield depth, kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child, depth + 1)


KINDS = [kind for _, kind in tree(ChatError)]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def make(kind: type[ChatError]) -> ChatError:
    return kind(*ARGUMENTS.get(kind, []))


def test_the_docstring_shows_the_whole_tree():
    shown = re.findall(r"^    ([│ ]*)(?:[├└]── )?([A-Z]\w+)", errors.__doc__, re.MULTILINE)
    real = list(tree(ChatError))
    assert [name for _, name in shown] == [kind.__name__ for _, kind in real]
    assert [len(bars) // 4 + (name != "ChatError") for bars, name in shown] == [depth for depth, _ in real]


def test_every_exception_of_the_module_is_in_the_tree():
    classes = {value for value in vars(errors).values() if isinstance(value, type)}
    assert {value for value in classes if issubclass(value, BaseException)} == set(KINDS)


def test_codes_are_unique_and_made_for_translations():
    codes = [vars(kind)["code"] for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z][a-z_]*", code) for code in codes)


@each_kind
def test_an_error_is_a_sentence_for_the_log(kind):
    assert kind.__doc__
    assert str(make(kind)).endswith(".")


@each_kind
def test_an_error_crosses_processes_as_json(kind):
    error = make(kind)
    assert json.loads(json.dumps(error.facts, allow_nan=False)) == error.facts
    sent = TurnError.of(error)
    assert TurnError.model_validate_json(sent.to_json()) == sent
    assert (sent.code, sent.message, sent.facts) == (kind.code, str(error), error.facts)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, ModelError)])
def test_an_error_of_the_model_has_its_own_summary_and_the_providers_reason(kind):
    assert "summary" in vars(kind)
    bare, told = kind(), kind("Because.", retry_after=3.0)
    assert (str(bare), bare.facts, bare.retry_after) == (kind.summary, {"reason": ""}, None)
    assert str(told) == f"{kind.summary} Because."
    assert told.facts == {"reason": "Because.", "retry_after": 3.0}
    assert (told.reason, told.retry_after) == ("Because.", 3.0)


def test_a_mistaken_configuration_has_a_line_for_each_mistake():
    error = ConfigError(["A: expected b", "C: expected d"])
    assert str(error) == "A: expected b\nC: expected d"
    assert error.problems == ["A: expected b", "C: expected d"]


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (errors.InvalidInput("limit", "0 or more"), {"field": "limit", "expected": "0 or more"}),
        (errors.MessageTooLong(11, 10), {"field": "message", "length": 11, "limit": 10}),
        (errors.UnknownRole("r", ["a", "b"]), {"field": "role", "role": "r", "known": "a, b"}),
        (errors.UnknownModel("m", ["a"]), {"field": "model", "model": "m", "known": "a"}),
        (errors.ImageTooLarge(10, 40), {"field": "images", "megabytes": 10, "megapixels": 40}),
        (errors.TooManyImages(5, 4), {"field": "images", "count": 5, "limit": 4}),
        (errors.ImagesUnsupported("m", ["a", "b"]), {"field": "images", "model": "m", "known": "a, b"}),
        (errors.ImagesUnsupported("m", []), {"model": "m", "known": "–"}),
        (errors.RateLimited(12.4), {"retry_after": 12.4}),
        (errors.TooManyReplies(200), {"limit": 200}),
        (errors.StoreUnavailable("ConnectionError"), {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ChatError) else None,
)
def test_the_facts_are_what_the_words_need(error, facts):
    assert facts.items() <= error.facts.items()


@pytest.mark.parametrize("kind", [errors.UnknownRole, errors.UnknownModel])
def test_a_made_up_name_is_not_repeated_at_length(kind):
    error = kind("x" * 10_000, ["a"])
    assert len(str(error.facts)) < 200
    assert len(str(error)) < 200
