"""A long conversation takes no more work than it has to."""

from chat_core.messages import ChatMessage
from chat_core.storage.changes import Change
from chat_core.storage.rows import index_of

MESSAGES = [ChatMessage(id=f"m{n}", role="user", content=f"Question {n}", timestamp=0) for n in range(20)]


def test_of_many_messages_the_head_is_told_the_last_one_only() -> None:
    change = Change("user", "session")
    change.append(*MESSAGES)
    sent = change.call(now=0, ttl_seconds=0, max_messages=0).arguments
    assert sent.count("RPUSH") == len(MESSAGES)
    assert sent.count("HSET") == 1
    assert sent[-1] == "Question 19"


def test_a_message_is_found_by_its_id_and_not_by_what_another_one_says_of_it() -> None:
    talks_of_it = ChatMessage(id="other", role="user", content='{"id":"m7"}', timestamp=0)
    rows = [talks_of_it.to_json(), "m7, unreadable", *(message.to_json() for message in MESSAGES)]
    assert index_of(rows, "m7") == 9
    assert index_of(rows, "m99") is None
