"""What is joined to a reply that was cut off."""

import pytest

from chat_core.turns.continuation import Continuation


@pytest.mark.parametrize(
    ("before", "pieces", "after"),
    [
        ("The fox jumps ", ["over ", "it."], "over it."),
        ("The fox jumps ov", ["er it."], "er it."),
        ("The quick fox jum", ["quick ", "fox ", "jumps"], "ps"),
        ("The quick fox jum", ["The quick", " fox jumps"], "ps"),
        ("It is a hous", ["house."], "e."),
        ("Is it a ", ["a", "nt?"], "ant?"),
        ("a bal", ["l"], "l"),
        ("The end.", ["The ", "end."], ""),
        ("A line.\n", ["\nA paragraph."], "\nA paragraph."),
        ("从前有一座山，山里有一座", ["山，山里有一座庙"], "庙"),
        ("哈哈", ["哈！"], "哈！"),
        ("one two", [" three ", "one two"], " three one two"),
        ("one two three", ["one two four"], "one two four"),
        ("one two", [], ""),
    ],
    ids=[
        "a new word",
        "the rest of a word",
        "the last words again",
        "all again",
        "a word begun again",
        "a letter that may be chance",
        "the letter that is missing",
        "nothing but what there was",
        "an empty line",
        "Chinese",
        "a laugh",
        "words of before later on",
        "another version",
        "nothing",
    ],
)
def test_what_is_repeated_is_left_out(before: str, pieces: list[str], after: str) -> None:
    for parts in (pieces, list("".join(pieces))):  # however it is cut
        continuation = Continuation(before)
        assert "".join([*map(continuation.feed, parts), continuation.close()]) == after


def test_what_is_no_repetition_is_passed_on_at_once() -> None:
    continuation = Continuation("The fox jumps ")
    assert continuation.feed("over ") == "over "
    assert continuation.feed("The fox") == "The fox"
