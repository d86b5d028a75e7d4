"""build_context: what is sent, what is left out, and what the receipt says."""

import pytest

from chat_core.context import (
    TOKENS_PER_IMAGE,
    TOKENS_PER_MESSAGE,
    build_context,
    estimate_tokens,
    images_to_send,
)
from chat_core.messages import ChatMessage, ContextReceipt, Image

PROMPT = "Be brief."  # 9 Latin characters: 3 tokens


def said(number: int, content: str | None = None) -> ChatMessage:
    role = "assistant" if number % 2 else "user"
    return ChatMessage(id=f"m{number}", role=role, content=content or f"message {number}", timestamp=number)


def history(count: int) -> list[ChatMessage]:
    """`count` messages, oldest first, of 3 + 4 tokens each."""
    return [said(number) for number in range(count)]


NEW = said(8, "new one!")  # 8 Latin characters: 2 tokens
EACH = 3 + TOKENS_PER_MESSAGE
FRAME = 3 + TOKENS_PER_MESSAGE + 2 + TOKENS_PER_MESSAGE  # the prompt and the new message


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("four", 1),
        ("fives", 2),
        ("x" * 400, 100),
        ("naïve café", 3),
        ("你好", 2),
        ("你好，世界！", 6),
        ("Привет", 6),
        ("🎈", 1),
        ("Redis 是什么", 2 + 3),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_the_estimate_is_a_quarter_of_the_latin_characters_and_all_others(text, tokens):
    assert estimate_tokens(text) == tokens + TOKENS_PER_MESSAGE


@pytest.mark.parametrize(
    ("stored", "max_messages", "max_tokens", "first"),
    [
        pytest.param(0, 10, 16_000, 0, id="nothing stored"),
        pytest.param(4, 10, 16_000, 0, id="below both limits"),
        pytest.param(8, 8, 0, 0, id="just at the limit of messages"),
        pytest.param(8, 7, 0, 1, id="one over the limit of messages"),
        pytest.param(8, 1, 0, 7, id="only the latest"),
        pytest.param(8, 0, 0, 0, id="no limits"),
        pytest.param(8, 0, FRAME + 8 * EACH, 0, id="just at the limit of tokens"),
        pytest.param(8, 0, FRAME + 8 * EACH - 1, 1, id="one over the limit of tokens"),
        pytest.param(8, 0, FRAME + 2 * EACH, 6, id="room for two"),
        pytest.param(8, 0, FRAME, 8, id="room for the new one"),
        pytest.param(8, 0, 1, 8, id="no room at all"),
        pytest.param(8, 3, FRAME + 2 * EACH, 6, id="the tokens are the tighter limit"),
        pytest.param(8, 2, FRAME + 3 * EACH, 6, id="the messages are the tighter limit"),
    ],
)
def test_the_latest_messages_within_both_limits_are_sent(stored, max_messages, max_tokens, first):
    before = history(stored)
    messages, receipt = build_context(PROMPT, before, NEW, max_messages=max_messages, max_tokens=max_tokens)
    assert messages == [
        {"role": "system", "content": PROMPT},
        *({"role": message.role, "content": message.content} for message in before[first:]),
        {"role": "user", "content": "new one!"},
    ]
    assert receipt == ContextReceipt(
        sent=stored - first + 1, dropped=first, estimated_tokens=FRAME + (stored - first) * EACH
    )


def test_an_older_message_does_not_slip_in_where_a_newer_one_was_too_big():
    before = [said(0, "tiny"), said(1, "x" * 4000), said(2, "tiny")]
    messages, receipt = build_context(PROMPT, before, NEW, max_messages=0, max_tokens=100)
    assert [message["content"] for message in messages] == [PROMPT, "tiny", "new one!"]
    assert (receipt.sent, receipt.dropped) == (2, 2)


def test_messages_that_say_the_same_are_each_sent_once():
    before = [said(number, "again") for number in range(4)]
    messages, _ = build_context(PROMPT, before, said(4, "again"), max_messages=0, max_tokens=0)
    assert [message["content"] for message in messages[1:]] == ["again"] * 5
    assert [message["role"] for message in messages[1:]] == ["user", "assistant"] * 2 + ["user"]


def test_a_chinese_conversation_fills_the_budget_sooner():
    latin = [said(number, "a" * 100) for number in range(10)]
    chinese = [said(number, "好" * 100) for number in range(10)]
    limits = {"max_messages": 0, "max_tokens": 500}
    assert build_context(PROMPT, latin, NEW, **limits).receipt.dropped == 0
    assert build_context(PROMPT, chinese, NEW, **limits).receipt.dropped == 6


# Images


def looking(number: int, *image_ids: str, content: str = "") -> ChatMessage:
    """A message with images of these ids."""
    images = [Image(id=i, media_type="image/jpeg", width=8, height=6, preview="data:,") for i in image_ids]
    return said(number).model_copy(update={"images": tuple(images), "content": content})


def url(image_id: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": f"data:{image_id}"}}


URLS = {image_id: f"data:{image_id}" for image_id in "abc"}
NO_LIMITS = {"max_messages": 0, "max_tokens": 0}


def test_a_message_with_images_is_sent_in_parts_and_all_others_as_text():
    before = [looking(0, "a", "b", content="Look!"), said(1)]
    messages, receipt = build_context(PROMPT, before, looking(2, "c"), **NO_LIMITS, images=URLS)
    assert [message["content"] for message in messages] == [
        PROMPT,
        [{"type": "text", "text": "Look!"}, url("a"), url("b")],
        "message 1",
        [url("c")],
    ]
    text = sum(map(estimate_tokens, [PROMPT, "Look!", "message 1", ""]))
    assert receipt.estimated_tokens == text + 3 * TOKENS_PER_IMAGE


def test_a_model_that_cannot_see_is_sent_the_text_and_a_word_where_there_is_none():
    before = [looking(0, "a", content="Look!"), said(1), looking(2, "b"), said(3)]
    messages, receipt = build_context(PROMPT, before, NEW, **NO_LIMITS)
    assert [message["content"] for message in messages] == [
        PROMPT,
        "Look!",
        "message 1",
        "[image]",
        "message 3",
        "new one!",
    ]
    assert receipt.estimated_tokens < TOKENS_PER_IMAGE


def test_an_image_that_is_not_there_is_left_out_and_counts_nothing():
    message = looking(0, "a", "gone", content="Look!")
    messages, receipt = build_context(PROMPT, [], message, **NO_LIMITS, images=URLS)
    assert messages[1]["content"] == [{"type": "text", "text": "Look!"}, url("a")]
    text = estimate_tokens(PROMPT) + estimate_tokens("Look!")
    assert receipt.estimated_tokens == text + TOKENS_PER_IMAGE


LOOKING = [looking(0, "a", content="m 0"), said(1, "m 1"), looking(2, "b", content="m 2"), said(3, "m 3")]
SHORT = 1 + TOKENS_PER_MESSAGE  # each of them, without its image


@pytest.mark.parametrize(
    ("max_messages", "max_tokens", "sent", "with_images"),
    [
        pytest.param(0, 0, 4, ["a", "b"], id="no limits"),
        pytest.param(2, 0, 2, ["b"], id="only the latest messages"),
        pytest.param(1, 0, 1, [], id="only the one without an image"),
        pytest.param(0, FRAME + 4 * SHORT + 2 * TOKENS_PER_IMAGE, 4, ["a", "b"], id="just enough for all"),
        pytest.param(0, FRAME + 4 * SHORT + 2 * TOKENS_PER_IMAGE - 1, 4, ["b"], id="room for one image"),
        pytest.param(0, FRAME + 4 * SHORT, 4, [], id="room for the text alone"),
        pytest.param(0, FRAME + SHORT, 1, [], id="room for one message"),
    ],
)
def test_images_that_do_not_fit_are_left_out_before_any_text(max_messages, max_tokens, sent, with_images):
    budget = {"max_messages": max_messages, "max_tokens": max_tokens}
    assert images_to_send(PROMPT, LOOKING, NEW, **budget) == with_images
    everything = build_context(PROMPT, LOOKING, NEW, **budget, images=URLS)
    assert everything.receipt == ContextReceipt(
        sent=sent + 1,
        dropped=4 - sent,
        estimated_tokens=FRAME + sent * SHORT + len(with_images) * TOKENS_PER_IMAGE,
    )
    in_parts = [message["content"] for message in everything.messages if isinstance(message["content"], list)]
    assert [parts[1:] for parts in in_parts] == [[url(image_id)] for image_id in with_images]
    only_those = {image_id: URLS[image_id] for image_id in with_images}
    assert build_context(PROMPT, LOOKING, NEW, **budget, images=only_those) == everything


def test_the_images_of_the_new_message_always_go_in():
    message = looking(8, "a", "b", content="new one!")
    budget = {"max_messages": 0, "max_tokens": 1}
    assert images_to_send(PROMPT, LOOKING, message, **budget) == ["a", "b"]
    _, receipt = build_context(PROMPT, LOOKING, message, **budget, images=URLS)
    expected = {"sent": 1, "dropped": 4, "estimated_tokens": FRAME + 2 * TOKENS_PER_IMAGE}
    assert receipt == ContextReceipt(**expected)


def test_notes_stand_between_the_prompt_and_the_summary_and_are_counted() -> None:
    context = build_context(
        PROMPT, [], NEW, max_messages=10, max_tokens=0, summary="Ada counts.", notes=["No meat.", "No fish."]
    )
    prompt, noted, summary = str(context.messages[0]["content"]).split("\n\n")
    assert prompt == PROMPT
    assert noted.splitlines()[1:] == ["- No meat.", "- No fish."]
    assert summary.endswith("Ada counts.")
    assert (context.receipt.notes, context.receipt.summary) == (2, True)


@pytest.mark.parametrize(
    ("max_tokens", "sent"), [(0, 10), (16_000, 10), (400, 3), (40, 0)], ids=["none", "ample", "some", "tight"]
)
def test_notes_have_a_quarter_of_the_budget_and_the_latest_go_first(max_tokens: int, sent: int) -> None:
    notes = [f"{number} {'x' * 98}" for number in range(10)]  # of 25 + 4 tokens each
    context = build_context(PROMPT, [], NEW, max_messages=10, max_tokens=max_tokens, notes=notes)
    assert context.receipt.notes == sent
    told = str(context.messages[0]["content"]).splitlines()[3:]
    assert told == [f"- {note}" for note in notes[len(notes) - sent :]]
