"""From core objects to what components show. Pure functions: no I/O, no Gradio."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from chat_core import (
    ChatError,
    ChatMessage,
    ConversationExport,
    Headings,
    Image,
    Language,
    ModelOffer,
    Notice,
    PictureOffer,
    Role,
    Roles,
    StoredMessages,
    TokensLeft,
    TurnEnd,
    TurnError,
    Voice,
)

from ..texts import error_text, t, wait_text
from .markdown import escape_user_text, markdown

Bubble = dict[str, Any]
UNKNOWN_ICON = "💬"


class Face(NamedTuple):
    """What a role is recognised by."""

    icon: str
    name: str


class Reader(NamedTuple):
    """For whom something is shown: their language, the roles' faces by key, whether they run the app, and
    what the conversation has cost in US dollars, where that is known."""

    language: Language
    faces: Mapping[str, Face]
    is_operator: bool = False
    cost: float | None = None


def bubble(role: str, text: str, **metadata: Any) -> Bubble:
    """One message in the Chatbot's own form, so that it can be sent without being processed again; given
    as a part of a list its text is shown to the character, as a plain string it would be dedented."""
    shown: Bubble = {"role": role, "content": [{"type": "text", "text": text}]}
    return shown | {"metadata": metadata} if metadata else shown


def conversation(history: StoredMessages, reader: Reader) -> list[Bubble]:
    """Stored messages, oldest first, as bubbles."""
    return [shown for _, bubbles in message_bubbles(history, reader) for shown in bubbles]


def message_at(history: StoredMessages, index: int, reader: Reader) -> ChatMessage | None:
    """The message whose bubble has this index in `conversation`; None for one that belongs to no message."""
    owners = [message for message, bubbles in message_bubbles(history, reader) for _ in bubbles]
    return owners[index] if 0 <= index < len(owners) else None


def message_of_run(history: StoredMessages, run: int, reader: Reader) -> ChatMessage | None:
    """The last message of a run of bubbles, which the page shows as one; None if it has none."""
    owners = (
        (shown["role"], message) for message, bubbles in message_bubbles(history, reader) for shown in bubbles
    )
    runs = [[message for _, message in owned if message] for _, owned in groupby(owners, itemgetter(0))]
    return runs[run][-1] if run < len(runs) and runs[run] else None


def feedback(history: StoredMessages, reader: Reader) -> list[str | None]:
    """What was thought of each reply, as the Chatbot wants it: an entry for each run of replying bubbles, or
    none at all."""
    if not any(message.feedback for message in history.items):
        return []
    return [
        message.feedback.title() or None if message else None
        for message, bubbles in message_bubbles(history, reader)
        if any(shown["role"] == "assistant" for shown in bubbles)
    ]


def message_bubbles(
    history: StoredMessages, reader: Reader
) -> Iterator[tuple[ChatMessage | None, list[Bubble]]]:
    """Each message with its bubbles; None with notes that belong to no message."""
    language = reader.language
    if notes := _beginning(history, language):
        yield None, notes
    role, asked = "", None
    summary = summary_bubbles(history, language)
    through = history.summary.through if summary and history.summary else ""
    if summary and all(message.id != through for message in history.items):
        yield None, summary
        summary = []
    above: list[Bubble] = []  # a reply, as what it answers has it: the summary, what was replaced
    for message in history.items:
        if message.role == "user":
            if asked:  # told apart, for Gradio draws what one side says in a row as one
                yield None, no_reply(asked, reader, last=False) or [_note(t(language, "no_reply"))]
            asked = message
            above = [*(summary if message.id == through else []), *_branch_note(message, language)]
            yield message, user_bubbles(message, language)
            continue
        last = message is history.items[-1]
        panel = _panel_of(asked, message) if last and asked else []
        if panel:
            yield message, [*above, *panel_bubbles(panel, reader)]
            return
        bubbles = [
            *speaker(role, message.role_key, reader),
            *reply(
                language,
                picture_reply(message.content, message.images) or markdown(message.content),
                markdown(message.reasoning),
                seconds=message.reasoning_seconds,
            ),
            *ending(TurnEnd.of_message(message), reader, at=message.timestamp, last=last),
        ]
        if asked and asked.versions:
            bubbles[-1]["options"] = [*bubbles[-1].get("options", ()), *_versions(asked, message)]
        role, asked = message.role_key or role, None
        # Within the run of the reply's bubbles, for Gradio draws what one side says in a row as one.
        below = summary if message.id == through else []
        yield message, [*above, *bubbles, *below]
        above = []
    if asked and (bubbles := no_reply(asked, reader, last=True)):
        yield None, bubbles


def no_reply(asked: ChatMessage, reader: Reader, *, last: bool) -> list[Bubble]:
    """Why a person's message got no reply; nothing if that is not known, or not yet."""
    return ending(TurnEnd(status=asked.status, error=asked.error), reader, at=asked.timestamp, last=last)


def _beginning(history: StoredMessages, language: Language) -> list[Bubble]:
    """What is said at the beginning of what is shown: what a limit has dropped before it, and what cannot be
    read."""
    dropped = 0 if history.older else history.dropped
    missing = (("dropped", dropped), ("unreadable", history.unreadable))
    return [_note(t(language, key, count=count)) for key, count in missing if count]


def _branch_note(asked: ChatMessage, language: Language) -> list[Bubble]:
    """Where that is kept which a person's message has replaced."""
    if not asked.branch:
        return []
    link = f'<a href="?c={escape(asked.branch)}">{escape(t(language, "branch_link"))}</a>'
    return [bubble("assistant", f'<span class="note">{escape(t(language, "branch_kept"))} {link}</span>')]


def summary_bubbles(history: StoredMessages, language: Language) -> list[Bubble]:
    """A line that unfolds to what the model is told in the place of older messages, and what failed."""
    summary = history.summary
    if summary is None:
        return []
    bubbles = [_note(t(language, "summary_failed"))] if summary.failed else []
    if summary.text:
        key = "summary_edited" if summary.edited else "summary"
        title = t(language, key, count=summary.messages)
        edit = f'<span class="edit-summary">{escape(t(language, "edit_summary"))}</span>'
        text = f"{markdown(summary.text)}\n\n{edit}"
        bubbles.append(bubble("assistant", text, title=title, status="done"))
    return bubbles


def questions(history: StoredMessages, language: Language) -> list[dict[str, Any]]:
    """A person's messages, oldest first, each in a line, with how many of the latest messages are shown when
    it is."""
    count = len(history.items) + history.unreadable
    return [
        {
            "text": " ".join(message.content[:_LINE_CHARACTERS].split()) or t(language, "picture"),
            "window": count - index,
        }
        for index, message in enumerate(history.items)
        if message.role == "user"
    ]


_LINE_CHARACTERS = 200


def user_bubbles(message: ChatMessage, language: Language) -> list[Bubble]:
    """A person's message: its pictures, then its text if there is one."""
    pictures = "".join(picture_html(image, t(language, "picture")) for image in message.images)
    bubbles = [bubble("user", pictures)] if pictures else []
    if message.content or not pictures:
        bubbles.append(bubble("user", escape_user_text(message.content)))
    return bubbles


def picture_html(image: Image, name: str) -> str:
    """A picture, small; by its id static/pictures.js asks for the whole one."""
    return _picture("picture", image, name)


def _picture(kind: str, image: Image, name: str) -> str:
    shown = f'class="{kind}" id="picture-{escape(image.id)}" src="{escape(image.preview)}"'
    return f'<img {shown} alt="{escape(name)}">'


def picture_reply(content: str, images: Iterable[Image]) -> str:
    """A reply that is a picture, under the words that stand in its place elsewhere."""
    name = content.removeprefix("[picture: ").removesuffix("]")
    return "".join(_picture("drawn picture", image, name) for image in images)


def picture_models_html(offers: Iterable[PictureOffer]) -> str:
    """The models that make pictures, and what they take, for static/drawing.js."""
    models = [{"name": offer.name, **offer.takes.model_dump(include=_SHOWN_TAKES)} for offer in offers]
    return f'<div data-models="{escape(json.dumps(models))}"></div>'


_SHOWN_TAKES = {"sizes", "qualities", "edits"}


def speaker(before: str, after: str, reader: Reader) -> list[Bubble]:
    """At a reply: the face of its role, and above the first of several replies in a row the name."""
    if not after:
        return []
    icon, name = reader.faces.get(after) or Face(UNKNOWN_ICON, t(reader.language, "former_role"))
    shown = f"<b>{escape(name)}</b>" if before != after else ""
    return [bubble("assistant", f'<span class="speaker">{icon_html(icon)}{shown}</span>')]


def last_role(messages: Iterable[ChatMessage]) -> str:
    """The key of the role that spoke last, as far as it is known."""
    return next((m.role_key for m in reversed([*messages]) if m.role_key), "")


def _versions(asked: ChatMessage, shown: ChatMessage) -> list[dict[str, str]]:
    """Buttons under a reply that was tried again: to the version before, which this one is, to the next."""
    times = sorted(version.timestamp for version in (*asked.versions, shown))
    number, count = times.index(shown.timestamp) + 1, len(times)
    targets = (("‹", number - 1), (f"{number}/{count}", number), ("›", number + 1))
    return [
        {"label": label, "value": f"{asked.id} {target}"} for label, target in targets if 1 <= target <= count
    ]


def reply(
    language: Language,
    text: str,
    reasoning: str,
    *,
    running: bool = False,
    seconds: float | None = None,
    drawn_since: float | None = None,
) -> list[Bubble]:
    """A reply, whole or as far as it has come, in Markdown: its reasoning in a block that is open while it
    goes on and then folds, with the `seconds` it took, then its text. While it is a picture that is drawn
    `drawn_since` that time, the seconds are counted (static/countdown.js)."""
    thinks = running and not text
    bubbles = []
    if reasoning:
        title = t(language, "thinking" if thinks else "thought")
        took = {"duration": seconds} if seconds and seconds >= _MOMENT_SECONDS and not thinks else {}
        bubbles.append(
            bubble("assistant", reasoning, title=title, status="pending" if thinks else "done", **took)
        )
    if text:
        bubbles.append(bubble("assistant", text))
    elif running and not reasoning:
        bubbles.append(bubble("assistant", TYPING_INDICATOR))
    if running and drawn_since:
        since = datetime.fromtimestamp(drawn_since, UTC).isoformat(timespec="seconds")
        counted = f'<time class="elapsed" datetime="{since}"></time>'
        drawing = escape(t(language, "drawing"))
        bubbles.append(bubble("assistant", f'<span class="note">{drawing} {counted}</span>'))
    return bubbles


_MOMENT_SECONDS = 0.1


class PanelReply(NamedTuple):
    """The reply of one of several side by side: who that is, its text in Markdown, and its end if it has
    ended, at `ended_at`."""

    voice: Voice
    text: str
    end: TurnEnd | None = None
    ended_at: float = 0.0


def _panel_of(asked: ChatMessage, reply: ChatMessage) -> list[PanelReply]:
    """The replies to a message that was put to several, as long as none of them was chosen."""
    replies = {message.turn_id: message for message in (reply, *asked.versions)}
    if len(asked.voices) < 2 or all(voice.turn_id != reply.turn_id for voice in asked.voices):
        return []
    panel = []
    for voice in asked.voices:
        said = replies.get(voice.turn_id)
        end = TurnEnd.of_message(said) if said else TurnEnd(status=voice.status, error=voice.error)
        text = markdown(said.content) if said else ""
        panel.append(PanelReply(voice, text, end, said.timestamp if said else reply.timestamp))
    return panel


def panel_bubbles(panel: Sequence[PanelReply], reader: Reader) -> list[Bubble]:
    """Replies side by side (static/replies.css), a bubble for each; with buttons to choose one of those that
    have ended."""
    language = reader.language
    bubbles, options = [], []
    for voice, text, end, ended_at in panel:
        icon, name = reader.faces.get(voice.role) or Face(UNKNOWN_ICON, t(language, "former_role"))
        if len({other.voice.model for other in panel}) > 1:
            name = f"{name} · {voice.model}"
        parts = [f'<span class="voice">{icon_html(icon)}<b>{escape(name)}</b></span>']
        parts.append(text if text or end else TYPING_INDICATOR)
        if end and end.error:
            why = error_html(language, end.error, ended_at, is_operator=reader.is_operator)
            parts.append(f'<div class="failure">\n\n{why}\n\n</div>')
        elif end and end.status != "done":
            parts.append(f'<span class="note">{escape(t(language, end.status))}</span>')
        bubbles.append(bubble("assistant", "\n\n".join(filter(None, parts))))
        if end and end.message:
            label = t(language, "use_reply", name=name)
            options.append({"label": f"✓ {label}", "value": f"{CHOOSE} {voice.turn_id}"})
    if options:
        bubbles[-1]["options"] = options
    return bubbles


def ending(end: TurnEnd, reader: Reader, *, at: float = 0.0, last: bool = True) -> list[Bubble]:
    """What is said under a reply: why it failed, and in one quiet line how it ended and what it took; with
    buttons to try again and to go on if it is the `last` one. `at` is when it ended."""
    language = reader.language
    bubbles = []
    is_unfinished = last and end.message is not None and end.message.is_unfinished
    go_on = [{"label": f"→ {t(language, 'continue')}", "value": CONTINUE}] if is_unfinished else []
    if end.error:
        why = error_html(language, end.error, at, is_operator=reader.is_operator)
        told = f"**⚠️ {t(language, 'error')}**\n\n{why}"
        failure = bubble("assistant", f'<div class="failure">\n\n{told}\n\n</div>')
        options = [{"label": f"↻ {t(language, 'retry')}", "value": RETRY}]
        if 'class="countdown"' in why:
            options.append({"label": f"⏱ {t(language, 'retry_later')}", "value": RETRY})
        bubbles.append(failure | {"options": [*options, *go_on]} if last else failure)
    cut = [t(language, end.status)] if end.status in ("stopped", "interrupted") else []
    if end.message and end.message.finish_reason:
        cut.append(t(language, f"finish.{end.message.finish_reason}"))
    spent = reader.cost if last else None
    if facts := [*cut, *(_facts(end.message, language, spent) if end.message else [])]:
        quiet = end.status == "done" and not cut
        bubbles.append(_note(" · ".join(facts), "note facts" if quiet else "note"))
        if go_on and not end.error:
            bubbles[-1]["options"] = go_on
    return bubbles


RETRY = "retry"
CONTINUE = "continue"
CHOOSE = "choose"


def error_html(
    language: Language, error: ChatError | TurnError, at: float, *, is_operator: bool = False
) -> str:
    """What went wrong, `at` that time, with the seconds to wait as a `<time>` that countdown.js counts down,
    and what is said in their place when they are over."""

    def wait(language: Language, seconds: int) -> str:
        until = datetime.fromtimestamp(at + seconds, UTC).isoformat(timespec="seconds")
        counted = f'<time class="countdown" datetime="{until}">{seconds}</time>'
        sentence = wait_text(language, seconds).replace(str(seconds), counted, 1)
        return (
            f'<span class="wait">{sentence}</span><span class="wait-over">{t(language, "wait_over")}</span>'
        )

    return error_text(language, error, is_operator=is_operator, wait=wait)


def _facts(reply: ChatMessage, language: Language, spent: float | None) -> list[str]:
    """What the reply took, and what the conversation has cost with it where that is more."""
    facts = [reply.model] if reply.model else []
    if reply.instead_of:
        facts = [t(language, "fact.instead_of", model=reply.model, asked=reply.instead_of)]
    if reply.seconds_to_first_token is not None:
        facts.append(t(language, "fact.first_token", seconds=reply.seconds_to_first_token))
    if reply.usage:
        facts.append(t(language, "fact.tokens", tokens=reply.usage.completion_tokens))
        if reply.usage.cost is not None:
            facts.append(dollars(reply.usage.cost))
    own = (reply.usage and reply.usage.cost) or 0
    if spent is not None and dollars(spent) != dollars(own) and spent > own:
        facts.append(t(language, "fact.spent", cost=dollars(spent)))
    if reply.context and reply.context.dropped:
        total = reply.context.sent + reply.context.dropped
        key = "fact.context_summary" if reply.context.summary else "fact.context"
        facts.append(t(language, key, sent=reply.context.sent, total=total))
    if reply.context and reply.context.notes:
        facts.append(t(language, "fact.notes", count=reply.context.notes))
    return facts


def faces_of(roles: Iterable[Role], language: Language) -> dict[str, Face]:
    """The roles' faces by key."""
    return {role.key: Face(role.icon, " ".join(role.name[language].split())) for role in roles}


def dollars(cost: float) -> str:
    """A sum of money, with two digits that count."""
    return f"${cost:.2f}" if cost >= 0.1 or cost == 0 else f"${cost:.2g}" if cost >= 0.0001 else "<$0.0001"


def model_choices(offers: Sequence[ModelOffer]) -> list[tuple[str, str]]:
    """The models by the words of the picker, the default one first and the others in groups by provider,
    where there are several."""
    several = len({offer.provider.name for offer in offers}) > 1
    return [(_offer_label(offer) if several else offer.name, offer.name) for offer in offers]


def _offer_label(offer: ModelOffer) -> str:
    provider = offer.provider
    return f"{provider.icon} {provider.title} · {offer.model}" if provider.title else offer.name


def is_picture(icon: str) -> bool:
    """Whether a role's icon is a picture, as a data URL, and no emoji."""
    return icon.startswith("data:")


def icon_html(icon: str) -> str:
    """A role's icon, of which the name beside it says all."""
    if is_picture(icon):
        return f'<img class="face" src="{escape(icon)}" alt="">'
    return f'<i class="face" aria-hidden="true">{escape(icon)}</i>'


def headings(language: Language, faces: Mapping[str, Face]) -> Headings:
    """The words of an exported document. `faces` are the roles' faces by key."""
    names = {key: name if is_picture(icon) else f"{icon} {name}" for key, (icon, name) in faces.items()}
    user, assistant, thought, untitled = (
        t(language, key) for key in ("you", "assistant", "thought", "untitled")
    )
    return Headings(user=user, assistant=assistant, roles=names, reasoning=thought, untitled=untitled)


def document(exported: ConversationExport, roles: Roles, language: Language) -> str:
    """An exported conversation as Markdown, with the names of those `roles` that spoke in it."""
    return exported.to_markdown(headings(language, faces_of(roles.values(), language)))


def greeting(role: Role, language: Language, *, asked_in: Language) -> dict[str, Any]:
    """What an empty conversation shows, as properties of the Chatbot: the welcome, and questions to click, in
    a language that the model speaks."""
    words = role.welcome_message[language] or role.name[language]
    welcome = f"{icon_html(role.icon)}\n\n## {words}"
    questions = [{"text": question} for question in role.example_questions[asked_in]]
    return {"placeholder": welcome, "examples": questions}


def notice(
    notices: Sequence[Notice],
    model: str,
    language: Language,
    *,
    on_space: bool = False,
    store: bool = True,
    temporary: bool = False,
    branched_from: str = "",
) -> str:
    """What a person should know about where this chat runs, on a Space or elsewhere, and where a
    conversation comes from, as Markdown; empty if nothing. What is no warning has a button that closes it
    (static/notice.js)."""
    keys = [f"notice.{key}" for key in notices]
    keys += [] if store else ["notice.store_away"]
    keys += ["notice.temporary"] if temporary else []
    keys += ["notice.branch"] if branched_from else []
    set_up = t(language, "set_up.space" if on_space else "set_up")
    facts = {"model": model, "branched_from": branched_from, "set_up": set_up}
    told = {key: t(language, key, **facts) for key in keys}
    if closable := told.get("notice.embedded_model"):
        close = escape(t(language, "close_notice"))
        closable += f' <span class="close-notice">{close}</span>'
        told["notice.embedded_model"] = f'<div class="closable">\n\n{closable}\n\n</div>'
    return "\n\n".join(told.values())


def activity(running: bool, language: Language, tokens: TokensLeft | None = None) -> str:
    """A mark for box.css, whether Send or Stop is shown; how many tokens are left, where that is told."""
    left = f"<p>{escape(t(language, 'tokens_left', **tokens._asdict()))}</p>" if tokens else ""
    return f'<i data-running="{str(running).lower()}"></i>{left}'


TYPING_INDICATOR = '<span class="typing"><i></i><i></i><i></i></span>'


def _note(text: str, kind: str = "note") -> Bubble:
    return bubble("assistant", f'<span class="{kind}">{escape(text)}</span>')
