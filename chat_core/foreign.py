"""Conversations from the `conversations.json` of ChatGPT's and of Claude's data exports.

Both are lists of conversations. ChatGPT has each as a tree of nodes (`mapping`), of which the way from the
root to `current_node` is what its reader saw; Claude as a list (`chat_messages`). Neither form is documented,
so whatever of a conversation is not as expected is left out, and what has nothing left is refused. Tools'
messages, files and pictures are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

from .errors import ImportRejected
from .exchange import MAX_LINE_CHARS, MAX_REPLY_CHARS, ConversationExport, with_new_ids
from .messages import ChatMessage, title_from, title_of

Tree = Mapping[str, Any]


class _Said(NamedTuple):
    """What somebody said at some time, with `others`: what was said in its place before."""

    role: str
    text: str
    at: float
    reasoning: str = ""
    model: str = ""
    others: Sequence["_Said"] = ()


def is_foreign(tree: Any) -> bool:
    """Whether this is one of these conversations."""
    return isinstance(tree, dict) and ("mapping" in tree or "chat_messages" in tree)


def parse_foreign(tree: Tree, now: float) -> ConversationExport:
    """One of these conversations, fit to be stored. Raises ImportRejected when nothing in it can be read."""
    said = list(_joined(_of_chatgpt(tree) if "mapping" in tree else _of_claude(tree)))
    if not said:
        raise ImportRejected("messages", "some text")
    messages: list[ChatMessage] = []
    turn = ""
    for part in said:
        turn = uuid4().hex if part.role == "user" else turn
        messages.append(_message(part, turn))
        if part.others and len(messages) > 1:
            versions = tuple(_message(other, uuid4().hex) for other in part.others)
            messages[-2] = messages[-2].model_copy(update={"versions": versions})
    title = title_of(_text(tree.get("title")) or _text(tree.get("name"))) or title_from(messages[0])
    model = next((part.model for part in reversed(said) if part.model), "")
    exported = ConversationExport.of(with_new_ids(messages, now), title=title, role="", model=model)
    return exported.model_copy(update={"exported_at": min(now, said[-1].at or now)})


def _message(said: _Said, turn_id: str) -> ChatMessage:
    is_reply = said.role == "assistant"
    return ChatMessage(
        id=uuid4().hex,
        role="assistant" if is_reply else "user",
        content=said.text[:MAX_REPLY_CHARS],
        timestamp=said.at,
        turn_id=turn_id,
        reasoning=said.reasoning[:MAX_REPLY_CHARS] if is_reply else "",
        model=said.model[:MAX_LINE_CHARS] if is_reply else "",
    )


def _joined(said: Iterator[_Said]) -> Iterator[_Said]:
    """What an assistant said in several parts, for instance before and after it asked a tool, as one reply;
    nothing without text."""
    before: _Said | None = None
    for part in said:
        if before and before.role == part.role == "assistant":
            texts = (text for text in (before.text, part.text) if text)
            thoughts = (text for text in (before.reasoning, part.reasoning) if text)
            before = before._replace(
                text="\n\n".join(texts), reasoning="\n\n".join(thoughts), model=part.model or before.model
            )
            continue
        if before and before.text.strip():
            yield before
        before = part
    if before and before.text.strip():
        yield before


# ChatGPT


def _of_chatgpt(tree: Tree) -> Iterator[_Said]:
    nodes = tree["mapping"] if isinstance(tree["mapping"], dict) else {}
    way = _way_to(nodes, tree.get("current_node"))
    shown = set(way)
    for node_id in way:
        said = _said_in_node(nodes[node_id])
        if said is None:
            continue
        if said.role == "assistant":
            siblings = [
                sibling for sibling in _children(nodes, nodes[node_id].get("parent")) if sibling not in shown
            ]
            others = [other for other in (_said_in_node(nodes[sibling]) for sibling in siblings) if other]
            said = said._replace(others=[o for o in others if o.role == "assistant" and o.text])
        yield said


def _way_to(nodes: Tree, last: Any) -> list[str]:
    """The ids of the nodes from the root to the last one; without one, along the latest branches."""
    way: list[str] = []
    if not (isinstance(last, str) and isinstance(nodes.get(last), dict)):
        last = _latest_leaf(nodes)
    seen = set()
    while isinstance(last, str) and last not in seen and isinstance(nodes.get(last), dict):
        seen.add(last)
        way.append(last)
        last = nodes[last].get("parent")
    return way[::-1]


def _latest_leaf(nodes: Tree) -> str | None:
    roots = [node_id for node_id, node in nodes.items() if isinstance(node, dict) and not node.get("parent")]
    at = roots[0] if roots else None
    seen = set()
    while at and at not in seen and (below := _children(nodes, at)):
        seen.add(at)
        at = below[-1]
    return at


def _children(nodes: Tree, node_id: Any) -> list[str]:
    node = nodes.get(node_id) if isinstance(node_id, str) else None
    children = node.get("children") if isinstance(node, dict) else None
    if not isinstance(children, list):
        return []
    return [child for child in children if isinstance(child, str) and isinstance(nodes.get(child), dict)]


def _said_in_node(node: Tree) -> _Said | None:
    """None for what no reader saw: of the system, of tools and to them."""
    message = node.get("message")
    if not isinstance(message, dict):
        return None
    metadata, content, author = (_object(message.get(name)) for name in ("metadata", "content", "author"))
    role = author.get("role")
    is_hidden = metadata.get("is_visually_hidden_from_conversation") or message.get("recipient") not in (
        None,
        "all",
    )
    if role not in ("user", "assistant") or is_hidden:
        return None
    at, model = _seconds(message.get("create_time")), _text(metadata.get("model_slug"))
    if content.get("content_type") == "thoughts":
        thoughts = content.get("thoughts")
        parts = [_text(_object(thought).get("content")) for thought in _list(thoughts)]
        return _Said(role, "", at, reasoning=_paragraphs(parts), model=model)
    if content.get("content_type") not in ("text", "multimodal_text"):
        return None
    return _Said(role, _paragraphs(map(_text, _list(content.get("parts")))), at, model=model)


# Claude


def _of_claude(tree: Tree) -> Iterator[_Said]:
    for message in map(_object, _list(tree["chat_messages"])):
        role = {"human": "user", "assistant": "assistant"}.get(_text(message.get("sender")))
        if role is None:
            continue
        blocks = [_object(block) for block in _list(message.get("content"))]
        texts = [_text(block.get("text")) for block in blocks if block.get("type") == "text"]
        thoughts = [_text(block.get("thinking")) for block in blocks if block.get("type") == "thinking"]
        text = _paragraphs(texts) or _text(message.get("text"))
        yield _Said(role, text, _seconds(message.get("created_at")), reasoning=_paragraphs(thoughts))


# Values of whatever type


def _object(value: Any) -> Tree:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _paragraphs(texts: Any) -> str:
    return "\n\n".join(text for text in texts if text.strip())


def _seconds(value: Any) -> float:
    """Seconds since 1970, or a time as ISO 8601 has it; 0 for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
