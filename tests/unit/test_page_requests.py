"""What the page's listeners are sent: whatever comes, it is parsed or refused with a sentence."""

import inspect
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from chat_core.errors import InvalidInput
from chat_ui.page.conversation_handlers import ConversationHandlers
from chat_ui.page.layout import Components
from chat_ui.page.requests import (
    ConversationEvent,
    EditEvent,
    Event,
    ExampleEvent,
    LikeEvent,
    OptionEvent,
    PinEvent,
    RenameEvent,
    RequestParser,
)
from chat_ui.page.tab import EMPTY_TAB, TabState
from chat_ui.page.turn_handlers import TurnHandlers

# Any objects do as keys: the parser only looks values up.
COMPONENTS: Any = SimpleNamespace(**{name: name for name in Components.__dataclass_fields__})
REQUEST: Any = SimpleNamespace(
    username=None,
    headers={"accept-language": "en"},
    client=("127.0.0.1", 1),
    session_hash="page",
    state=SimpleNamespace(),
)


def parse(**values: Any) -> Any:
    return RequestParser(COMPONENTS).parse(values, REQUEST)


def test_what_the_page_sends_is_parsed() -> None:
    tab = TabState(session_id="s1", turn_id="t1", window=40, temporary=True)
    page = parse(
        identity={"user_id": "u_ada", "session_id": "s0", "minutes_west": -60, "language": "zh-CN"},
        tab=tab.model_dump(),
        box={"text": "Hi", "files": [{"path": "a.png", "mime_type": "image/png"}]},
        role="teacher",
        temperature=0.5,
        length=100,
    )
    assert (page.visitor.user_id, page.visitor.language, page.visitor.minutes_west) == ("u_ada", "zh", -60)
    assert page.identity.session_id == "s0"
    assert page.tab == tab
    assert page.draft == ("Hi", ("a.png",))
    assert (page.role, page.model) == ("teacher", "")
    assert (page.sampling.temperature, page.sampling.max_tokens) == (0.5, 100)


def test_what_is_not_sent_has_its_default() -> None:
    page = parse()
    assert (page.visitor.user_id, page.visitor.language, page.tab) == ("", "en", EMPTY_TAB)
    assert (page.draft, page.file, page.query) == (("", ()), b"", "")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"identity": ["u_ada"]}, "identity"),
        ({"identity": {"user_id": 7}}, "identity"),
        ({"identity": {"user_id": "u", "minutes_west": "far"}}, "identity"),
        ({"tab": "s1"}, "tab"),
        ({"tab": {"window": -1}}, "tab"),
        ({"tab": {"session_id": ["s1"]}}, "tab"),
        ({"box": "Hi"}, "message"),
        ({"box": {"text": "Hi", "files": ["a.png"]}}, "message"),
        ({"box": {"text": "Hi", "files": 7}}, "message"),
        ({"search": 7}, "query"),
    ],
    ids=str,
)
def test_what_no_page_sends_is_refused_with_a_sentence(values: dict[str, Any], field: str) -> None:
    with pytest.raises(gr.Error, match=f"^'?{field} must be"):
        parse(**values)


@pytest.mark.parametrize("handlers", [ConversationHandlers, TurnHandlers])
def test_no_handler_takes_more_than_four_parameters(handlers: type) -> None:
    methods = inspect.getmembers(handlers, inspect.isfunction)
    public = {name: len(inspect.signature(fn).parameters) for name, fn in methods if name[0] != "_"}
    assert len(public) > 8
    assert {name: count for name, count in public.items() if count > 4} == {}


def event(data: Any) -> gr.EventData:
    return gr.EventData(None, data)


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        (ConversationEvent, None, "event_data"),
        (ConversationEvent, {}, "session_id"),
        (RenameEvent, {"session_id": "s1", "title": 7}, "title"),
        (PinEvent, {"session_id": "s1", "pinned": "yes"}, "pinned"),
        (ExampleEvent, {"value": "Hi"}, "value"),
        (EditEvent, {"index": "1", "value": "x"}, "index"),
        (EditEvent, {"index": [], "value": "x"}, "index"),
        (LikeEvent, {"index": 1, "liked": None}, "liked"),
    ],
)
def test_an_event_that_no_page_sends_is_refused(kind: type[Event], data: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse().happened(kind, event(data))
    assert refused.value.facts["field"] == field


@pytest.mark.parametrize("value", ["Hi", ["H", {"type": "text", "text": "i"}], {"text": "Hi"}], ids=repr)
def test_a_message_is_edited_in_whichever_form_it_comes(value: Any) -> None:
    edited = parse().happened(EditEvent, event({"index": [2, 0], "value": value}))
    assert (edited.index, edited.text) == (2, "Hi")


def test_a_button_under_a_reply_names_a_version() -> None:
    assert OptionEvent(value="m1 2").version == ("m1", 2)
    for other in ("m1", "m1 x", "m1 ²", "m1 -1", ""):
        with pytest.raises(InvalidInput):
            _ = OptionEvent(value=other).version
