"""What the page shows of core objects."""

import random
import re
from html import unescape
from itertools import groupby

import pytest

from chat_core import ChatMessage, Language, Session, SessionList, StoredMessages, Summary, TurnEnd, TurnError
from chat_core.errors import ModelRateLimited, ModelStalled
from chat_core.models import CatalogOptions, ModelCatalog
from chat_core.providers import Provider
from chat_core.roles import load_roles
from chat_ui.page import view
from chat_ui.page.markdown import GrowingMarkdown, markdown
from chat_ui.page.session_list import session_list

MAKEFILE = "  all:\n\techo hi\n\n"


def message(role: str, content: str, **fields: object) -> ChatMessage:
    return ChatMessage.model_validate(
        {"id": "m", "role": role, "content": content, "timestamp": 1.0, **fields}
    )


def conversation(*messages: ChatMessage, language: Language = "en", unreadable: int = 0) -> list[view.Bubble]:
    return view.conversation(StoredMessages([*messages], unreadable), view.Reader(language, FACES))


FACES = {"assistant": view.Face("✨", "Assistant"), "teacher": view.Face("📚", "Teacher")}
READER = view.Reader("en", FACES)


def texts(bubbles: list[view.Bubble]) -> list[tuple[str, str]]:
    return [(b["role"], b["content"][0]["text"]) for b in bubbles]


def test_messages_keep_every_character() -> None:
    shown = conversation(message("user", MAKEFILE), message("assistant", MAKEFILE))
    assert texts(shown)[1] == ("assistant", MAKEFILE)
    assert {key for b in shown for key in b} == {"role", "content"}


def test_a_cut_reply_says_how_it_ended() -> None:
    shown = conversation(message("assistant", "half", status="interrupted"))
    assert len(shown) == 2
    assert "restarted" in shown[1]["content"][0]["text"]


def test_a_failed_reply_keeps_its_text_and_explains_the_failure() -> None:
    error = TurnError.of(ModelStalled())
    failed = message("assistant", "half", status="failed", error=error)
    shown = conversation(failed, language="zh")
    assert texts(shown)[0] == ("assistant", "half")
    assert "模型中途停住了" in shown[1]["content"][0]["text"]
    assert shown[1]["options"] == [
        {"label": "↻ 重试", "value": view.RETRY},
        {"label": "→ 继续", "value": view.CONTINUE},
    ]
    assert conversation(failed, message("user", "so?"), language="zh")[1].get("options") is None


def test_only_the_last_reply_that_is_not_whole_can_be_continued() -> None:
    go_on = [{"label": "→ Continue", "value": view.CONTINUE}]
    cut = message("assistant", "half", finish_reason="length")
    assert texts(conversation(cut))[1] == (
        "assistant",
        '<span class="note">Cut off at its maximum length</span>',
    )
    assert conversation(cut)[1]["options"] == go_on
    assert conversation(message("assistant", "half", status="stopped"))[1]["options"] == go_on
    filtered = conversation(message("assistant", "half", finish_reason="content_filter"))
    assert "content filter" in filtered[1]["content"][0]["text"]
    for shown in (filtered, conversation(cut, message("user", "so?"))):
        assert all("options" not in bubble for bubble in shown)


def test_the_seconds_to_wait_stand_where_the_page_can_count_them_down() -> None:
    error = ModelRateLimited("Only 30 a day", retry_after=30)
    assert view.error_html("en", error, at=1.0) == (
        "The model's provider asks to slow down. "
        '<span class="wait">Please try again in '
        '<time class="countdown" datetime="1970-01-01T00:00:31+00:00">30</time> seconds.</span>'
        '<span class="wait-over">You can try again now.</span> '
        "Reason: Only 30 a day"
    )
    assert "<time" not in view.error_html("en", ModelStalled(), at=1.0)


def test_every_reply_has_its_roles_face_and_the_first_of_a_run_its_name() -> None:
    shown = conversation(
        message("assistant", "one", role_key="assistant"),
        message("user", "?"),
        message("assistant", "two", role_key="teacher"),
        message("user", "?"),
        message("assistant", "three", role_key="teacher"),
        message("user", "?"),
        message("assistant", "four", role_key="own-1"),
        message("assistant", "five"),
    )
    said = [
        text.removeprefix('<span class="speaker"><i class="face" aria-hidden="true">')
        for _, text in texts(shown)
    ]
    assert [text for text in said if not text.startswith("<pre")] == [
        *("✨</i><b>Assistant</b></span>", "one"),
        *("📚</i><b>Teacher</b></span>", "two"),
        *("📚</i></span>", "three"),
        *("💬</i><b>A deleted role</b></span>", "four"),
        "five",
    ]


def test_a_face_is_no_markup_whatever_it_is_called() -> None:
    picture = "data:image/png;base64,AAAA"
    faces = {"a": view.Face(picture, "<b>Ann"), "b": view.Face("<i>", "Bob")}
    reader = view.Reader("en", faces)
    shown = [view.speaker("", key, reader)[0]["content"][0]["text"] for key in faces]
    assert shown == [
        f'<span class="speaker"><img class="face" src="{picture}" alt=""><b>&lt;b&gt;Ann</b></span>',
        '<span class="speaker"><i class="face" aria-hidden="true">&lt;i&gt;</i><b>Bob</b></span>',
    ]
    names = view.headings("en", faces | {"c": view.Face("📚", "Teacher")}).roles
    assert names == {"a": "<b>Ann", "b": "<i> Bob", "c": "📚 Teacher"}


def test_what_a_person_wrote_is_not_markdown_but_itself() -> None:
    text = "\n\t<b>**x**</b> & $y$ \\(z\\)  \r\n```\n</pre>你好 🎈\n"
    ((_, shown),) = texts(conversation(message("user", text)))
    inner = re.fullmatch(r'<pre class="user-text">&#10;(.*)</pre>', shown)
    assert inner
    assert not set(inner[1]) & set("<>*`$\\\n\t")
    assert unescape(inner[1].replace("&#13;", "\r")) == text


def test_unreadable_rows_are_mentioned() -> None:
    assert "3 stored messages" in conversation(unreadable=3)[0]["content"][0]["text"]


@pytest.mark.parametrize(("language", "words"), [("en", "12 earlier messages"), ("zh", "更早的 12 条消息")])
def test_the_beginning_says_what_the_limit_has_dropped(language: Language, words: str) -> None:
    history = StoredMessages([message("user", "q")], unreadable=3, dropped=12)
    shown = [text for _, text in texts(view.conversation(history, view.Reader(language, FACES)))]
    assert (words in shown[0], "3" in shown[1], len(shown)) == (True, True, 3)
    assert view.message_at(history, 2, view.Reader(language, FACES)) == history.items[0]
    later = [
        text for _, text in texts(view.conversation(history._replace(older=1), view.Reader(language, FACES)))
    ]
    assert words not in "".join(later)


@pytest.mark.parametrize("through", ["q1", "a1", "gone"])
def test_the_summary_stands_where_what_it_covers_ends(through: str) -> None:
    said = [
        message(role, text).model_copy(update={"id": text, "feedback": "like" if text == "a2" else ""})
        for role, text in (("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2"))
    ]
    history = StoredMessages(said, summary=Summary(text="**Ada** counts.", through=through, messages=9))
    shown = view.conversation(history, READER)
    (at,) = [at for at, bubble in enumerate(shown) if "Ada" in bubble["content"][0]["text"]]
    assert at == {"gone": 0, "q1": 1, "a1": 2}[through]
    assert shown[at]["metadata"]["title"] == "Summary of 9 messages, which the model is told in their place"
    runs = [role for role, _ in groupby(shown, key=lambda bubble: bubble["role"])]
    assert len(view.feedback(history, READER)) == runs.count("assistant")
    failed = history._replace(summary=Summary(failed=True))
    assert "could not be brought up to date" in view.conversation(failed, READER)[0]["content"][0]["text"]


def test_a_reply_types_then_thinks_then_speaks() -> None:
    (typing,) = view.reply("en", "", "", running=True)
    assert typing["content"][0]["text"] == view.TYPING_INDICATOR
    (thinking,) = view.reply("en", "", "hm", running=True)
    assert thinking["metadata"] == {"title": "Thinking…", "status": "pending"}
    thought, spoken = view.reply("en", "well", "hm", running=True, seconds=2.5)
    assert thought["metadata"] == {"title": "Thoughts", "status": "done", "duration": 2.5}
    assert texts([spoken]) == [("assistant", "well")]
    assert view.reply("en", "", "") == []


def test_a_good_end_needs_no_word() -> None:
    assert view.ending(TurnEnd(status="done"), READER) == []


def test_titles_in_the_list_are_text_not_html() -> None:
    evil = Session(
        id="s1", role="assistant", created_at=1, updated_at=1, title="<img src=x onerror=alert(1)>"
    )
    plain = Session(id="s2", role="assistant", created_at=1, updated_at=1, running=True)
    shown = session_list(SessionList([evil, plain]), "s2", "en")
    assert "<img" not in shown
    assert "&lt;img src=x" in shown
    assert shown.count("aria-current") == 1
    assert shown.count('class="dot"') == 1
    assert "New chat" in shown


def test_an_empty_list_says_so() -> None:
    assert "No conversations yet" in session_list(SessionList([]), "", "en")


def test_the_greeting_and_the_choices_are_in_the_readers_language() -> None:
    roles = load_roles()
    greeting = view.greeting(roles["teacher"], "zh", asked_in="zh")
    assert "老师" in greeting["placeholder"]
    assert {"text": "为什么天空是蓝色的？"} in greeting["examples"]
    assert view.faces_of(roles.values(), "en")["teacher"] == ("📚", "Teacher")


def test_the_notice_tells_the_embedded_model_and_how_to_get_a_real_one() -> None:
    notice = view.notice(("embedded_model",), "Small-1", "en")
    assert "Small-1" in notice
    assert "OPENAI_BASE_URL=http://localhost:11434/v1" in notice
    assert "OPENAI_MODEL" in notice
    assert "OPENAI_API_KEY" in notice
    assert view.notice((), "gpt-4o", "en") == ""
    assert "does not answer" in view.notice((), "gpt-4o", "en", store=False)
    assert "nothing is stored" in view.notice((), "gpt-4o", "en", temporary=True)


def test_a_bubble_leads_back_to_its_message_whatever_stands_between() -> None:
    said = [
        message("user", "one"),
        message("assistant", "half", reasoning="hm", status="stopped", role_key="assistant"),
        message("user", "two").model_copy(update={"id": "second"}),
        message("assistant", "whole", role_key="teacher"),
    ]
    history = StoredMessages(said, unreadable=1)
    bubbles = view.conversation(history, READER)
    owners = [view.message_at(history, index, READER) for index in range(-1, len(bubbles) + 1)]
    assert owners == [None, None, said[0], *[said[1]] * 4, said[2], *[said[3]] * 2, None]


def test_a_reply_that_was_tried_again_offers_its_versions() -> None:
    first = message("assistant", "first").model_copy(update={"id": "r1", "timestamp": 1.0})
    third = message("assistant", "third").model_copy(update={"id": "r3", "timestamp": 3.0})
    second = message("assistant", "second").model_copy(update={"id": "r2", "timestamp": 2.0})
    asked = message("user", "?").model_copy(update={"id": "q", "versions": (third, first)})
    (_, reply) = conversation(asked, second)
    assert [(o["label"], o["value"]) for o in reply["options"]] == [
        ("‹", "q 1"),
        ("2/3", "q 2"),
        ("›", "q 3"),
    ]


def test_a_message_without_a_reply_stands_apart_from_the_next() -> None:
    said = [
        message("user", "lost"),
        message("user", "again").model_copy(update={"id": "second"}),
        message("assistant", "here", feedback="like"),
    ]
    history = StoredMessages(said)
    assert texts(view.conversation(history, READER))[1] == (
        "assistant",
        '<span class="note">No reply came.</span>',
    )
    assert [view.message_at(history, index, READER) for index in range(4)] == [
        *(said[0], None),
        *said[1:],
    ]
    assert view.feedback(history, READER) == [None, "Like"]


def test_a_message_says_why_it_got_no_reply_also_when_another_one_follows() -> None:
    lost = message("user", "lost", status="failed", error=TurnError.of(ModelStalled()))
    reason = "The model stopped in the middle of its reply."
    (_, last) = conversation(lost)
    assert reason in last["content"][0]["text"]
    assert [option["value"] for option in last["options"]] == [view.RETRY]
    (_, between, _) = conversation(lost, message("user", "again"))
    assert reason in between["content"][0]["text"]
    assert "options" not in between
    (_, stopped, _) = conversation(message("user", "x", status="stopped"), message("user", "again"))
    assert stopped["content"][0]["text"] == '<span class="note">Stopped</span>'


def test_feedback_stands_at_the_reply_it_is_about() -> None:
    liked = message("assistant", "a", feedback="like")
    history = StoredMessages([message("user", "q"), liked, message("assistant", "b")], unreadable=2)
    assert view.feedback(history, READER) == [None, "Like", None]


NOON = 1_000_000_000 // 86_400 * 86_400 + 43_200  # in Greenwich
HOUR = 3600


def listed(*ages_in_hours: float, minutes_west: int = 0, pinned: int = -1) -> list[str]:
    """The headings and titles of conversations of these ages, as they stand in the list at noon."""
    sessions = [
        Session(
            id=f"s{i}",
            role="assistant",
            title=f"{age}h",
            created_at=1,
            updated_at=NOON - age * HOUR,
            pinned=i == pinned,
        )
        for i, age in enumerate(ages_in_hours)
    ]
    shown = session_list(SessionList(sessions), "", "en", now=NOON, minutes_west=minutes_west)
    return re.findall(r"<(?:h2|span)>(.*?)</", shown)


def test_conversations_stand_under_the_day_of_their_last_change() -> None:
    assert listed(0, 11, 13, 30, 37, 7 * 24, 9 * 24) == [
        *("Today", "0h", "11h"),
        *("Yesterday", "13h", "30h"),
        *("Last 7 days", "37h", "168h"),
        *("Older", "216h"),
    ]


def test_days_are_the_readers_own() -> None:
    assert listed(11, 13) == ["Today", "11h", "Yesterday", "13h"]
    assert listed(11, 13, minutes_west=-11 * 60) == ["Today", "11h", "13h"]
    assert listed(3, 5, minutes_west=8 * 60) == ["Today", "3h", "Yesterday", "5h"]


def test_pinned_conversations_come_first() -> None:
    assert listed(0, 900, pinned=1) == ["Pinned", "900h", "Today", "0h"]


@pytest.mark.parametrize(
    ("hours_left", "words"),
    [(24 * 6.5, "expires in 6 days"), (30, "expires in a day"), (3, "expires within a day")],
)
def test_the_list_tells_how_long_a_conversation_is_kept(hours_left: float, words: str) -> None:
    session = Session(
        id="s", role="assistant", created_at=1, updated_at=NOON, expires_at=NOON + hours_left * HOUR
    )
    assert words in session_list(SessionList([session]), "", "en", now=NOON)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "950 older conversations"), ("zh", "更早的 950 个对话")]
)
def test_the_end_of_the_list_offers_the_older_ones(language: Language, words: str) -> None:
    session = Session(id="s", role="assistant", created_at=1, updated_at=1)
    shown = session_list(SessionList([session], older=950), "", language)
    assert re.search(
        rf'</ul><button type="button" data-action="older">[^<]*{words}[^<]*</button></nav>', shown
    )
    assert "older" not in session_list(SessionList([session]), "", "zh")


def test_a_search_without_result_says_so() -> None:
    assert "Nothing found" in session_list(SessionList([]), "", "en", searched=True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$x^2$", r"\(x^2\)"),
        ("so $a+b$, and $c$.", r"so \(a+b\), and \(c\)."),
        ("$5 and $6", "$5 and $6"),
        ("$5-$6 or US$7", "$5-$6 or US$7"),
        ("a $ b $ c", "a $ b $ c"),
        ("$$x$$", "$$x$$"),
        (r"\$x$ y$", r"\$x$ y$"),
        ("`$x$` and ```\n$y$\n``` and $z$", "`$x$` and ```\n$y$\n``` and " + r"\(z\)"),
        ("```sh\necho $HOME$PATH$", "```sh\necho $HOME$PATH$"),
        ("$x\ny$", "$x\ny$"),
        ("```\nx\n```\n\ty", "```\nx\n```\n\ty"),
        ("```\na:\n\tb\n  c\n```", " ```\na:\n\ufeff\tb\n\ufeff  c\n```"),
        (r"\(x\) \[y\]", r"\(x\) \[y\]"),
    ],
)
def test_formulas_between_dollars_are_formulas_and_prices_are_prices(text: str, shown: str) -> None:
    assert markdown(text) == shown


def test_one_quiet_line_says_how_a_reply_ended_and_what_it_took() -> None:
    reply = message(
        "assistant",
        "half",
        status="stopped",
        model="gpt-4o",
        seconds_to_first_token=0.31,
        usage={"completion_tokens": 12},
        context={"sent": 8, "dropped": 6, "estimated_tokens": 99},
    )
    note = conversation(reply)[1]["content"][0]["text"]
    assert "Stopped · gpt-4o · began after 0.3\N{NO-BREAK SPACE}s · 12 tokens · 8 of 14 messages sent" in note
    whole = reply.model_copy(update={"status": "done", "context": None})
    assert "gpt-4o · 0.3 秒后开始 · 12 个词元<" in conversation(whole, language="zh")[1]["content"][0]["text"]


PARTS = [
    "$x$ ",
    "$5 and $6",
    "\n",
    "\n\n",
    "```",
    "~~~",
    "`a$b$`",
    "\tx",
    "text ",
    "``",
    "`",
    "~",
    "```make\n\tfoo\n```\n",
]


@pytest.mark.parametrize("seed", range(20))
def test_a_growing_text_is_converted_as_the_whole_would_be(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        whole = "".join(chance.choices(PARTS, k=chance.randint(1, 14)))
        growing, position = GrowingMarkdown(), 0
        while position < len(whole):
            piece = whole[position : position + chance.randint(1, 5)]
            position += len(piece)
            growing.append(piece)
            assert str(growing) == markdown(whole[:position])


def test_a_reply_of_another_model_than_the_one_asked_says_so_and_what_it_cost() -> None:
    usage = {"completion_tokens": 5, "cost": 0.00123}
    answered = message("assistant", "Hello", model="b", instead_of="a", usage=usage)
    assert texts(conversation(answered))[1] == (
        "assistant",
        '<span class="note facts">answered by b instead of a · 5 tokens · $0.0012</span>',
    )


@pytest.mark.parametrize(
    ("spent", "told"),
    [(None, ""), (0.00123, ""), (0.0524, " · $0.052 in all")],
    ids=["unknown", "same", "more"],
)
def test_the_last_reply_tells_what_the_conversation_has_cost(spent: float | None, told: str) -> None:
    answered = message("assistant", "Hello", usage={"completion_tokens": 5, "cost": 0.00123})
    said = [answered, message("user", "And?"), answered.model_copy()]
    bubbles = view.conversation(StoredMessages(said), READER._replace(cost=spent))
    facts = [text for _, text in texts(bubbles) if "facts" in text]
    assert facts == [
        '<span class="note facts">5 tokens · $0.0012</span>',
        f'<span class="note facts">5 tokens · $0.0012{told}</span>',
    ]


@pytest.mark.parametrize(
    ("cost", "shown"), [(0, "$0.00"), (0.00001, "<$0.0001"), (0.0123, "$0.012"), (1.234, "$1.23")]
)
def test_money_is_shown_with_the_digits_that_count(cost: float, shown: str) -> None:
    assert view.dollars(cost) == shown


def test_the_picker_names_the_providers_where_there_are_several() -> None:
    one = Provider(name="one", title="One", icon="⚪", models=("a",))
    two = Provider(name="two", title="Two", icon="🐋", models=("a", "b"))
    catalog = ModelCatalog(CatalogOptions((one, two)))
    labels = [("⚪ One · a", "one/a"), ("🐋 Two · a", "two/a"), ("🐋 Two · b", "b")]
    assert view.model_choices(catalog.offers) == labels
    assert view.model_choices(catalog.offers[1:]) == [("two/a", "two/a"), ("b", "b")]


def test_questions_are_a_line_each_and_tell_how_many_messages_are_shown_with_them() -> None:
    said = [message("user", "first\n  line"), message("assistant", "yes"), message("user", "")]
    assert view.questions(StoredMessages(said, 2), "en") == [
        {"text": "first line", "window": 5},
        {"text": "Picture", "window": 3},
    ]


def test_several_replies_stand_side_by_side_until_another_message_follows() -> None:
    down = TurnError.of(ModelStalled())
    asked = message(
        "user",
        "why",
        voices=[
            {"turn_id": "t1", "role": "teacher", "model": "big"},
            {"turn_id": "t2", "role": "assistant", "model": "small", "status": "failed", "error": down},
            {"turn_id": "t3", "role": "assistant", "model": "big"},
        ],
        earlier=[message("assistant", "So", turn_id="t3", status="stopped", role_key="assistant")],
    )
    reply = message("assistant", "Because", turn_id="t1", role_key="teacher")
    _, *shown = conversation(asked, reply)
    heads = [text.partition("</b>")[0].partition("<b>")[2] for _, text in texts(shown)]
    assert heads == ["Teacher · big", "Assistant · small", "Assistant · big"]
    said = [text.partition("</span>")[2].strip() for _, text in texts(shown)]
    assert (said[0], said[2]) == ("Because", 'So\n\n<span class="note">Stopped</span>')
    assert "stopped in the middle" in said[1]
    assert shown[-1]["options"] == [
        {"label": "✓ Use Teacher · big", "value": "choose t1"},
        {"label": "✓ Use Assistant · big", "value": "choose t3"},
    ]
    later = conversation(asked, reply, message("user", "and"), message("assistant", "Then"))
    assert ("assistant", "Because") in texts(later)
