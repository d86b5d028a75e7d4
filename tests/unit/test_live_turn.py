"""LiveTurn keeps a long reply in few objects, and what it tells of it does not show that."""

import gc

from chat_core.messages import Delta
from chat_core.turns import LiveTurn

TOKENS = 2000


def long_turn() -> LiveTurn:
    turn = LiveTurn("t1", "user", "session")
    for number in range(TOKENS):
        turn.append("reasoning" if number < TOKENS // 2 else "text", f" {number % 10}")
    return turn


def test_a_long_reply_is_few_objects() -> None:
    gc.collect()
    before = len(gc.get_objects())
    turn = long_turn()
    assert len(gc.get_objects()) - before < TOKENS / 10
    assert turn.position == 2 * TOKENS


def test_it_is_read_from_any_position() -> None:
    turn = long_turn()
    reasoning, text = turn.text("reasoning"), turn.text("text")
    for after in (0, 1, 999, TOKENS - 1):
        assert turn.read(after) == [
            Delta("reasoning", reasoning[after:], TOKENS),
            Delta("text", text, 2 * TOKENS),
        ]
    for after in (TOKENS, TOKENS + 777, 2 * TOKENS - 1):
        assert turn.read(after) == [Delta("text", text[after - TOKENS :], 2 * TOKENS)]
    assert turn.read(2 * TOKENS) == []


def test_pictures_and_what_others_say_stay_apart() -> None:
    turn = LiveTurn("t1", "user", "session", replies=2)
    for kind, text, voice in (
        ("text", "a", 0),
        ("text", "b", 1),
        ("text", "c", 1),
        ("picture", "{1}", 1),
        ("picture", "{2}", 1),
    ):
        turn.append(kind, text, voice)
    assert turn.read() == [
        Delta("text", "a", 1, 0),
        Delta("text", "bc", 3, 1),
        Delta("picture", "{2}", 5, 1),
    ]
