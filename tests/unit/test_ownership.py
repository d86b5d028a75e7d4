"""Whose something is, and for how long that is known."""

from chat_ui.ownership import Owners


def test_several_may_own_the_same_and_nobody_what_is_not_known():
    owners = Owners()
    for user in ("ana", "bob", "ana"):
        owners.add("file", user)
    assert owners.of("file") == {"ana", "bob"}
    assert owners.of("other") == set()


def test_what_was_named_last_is_known_longest():
    owners = Owners(most=2)
    owners.add("first", "ana")
    owners.add("second", "ana")
    assert owners.of("first") == {"ana"}
    owners.add("third", "bob")
    assert (owners.of("first"), owners.of("second")) == ({"ana"}, set())
