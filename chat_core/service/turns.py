"""Turns: the part of ChatService that starts, follows, stops and changes turns."""

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from itertools import pairwise
from typing import NamedTuple, get_args

from ..errors import InvalidInput, MessageNotFound, SessionBusy, TurnNotFound
from ..images import file_of
from ..messages import ChatMessage, Feedback, Sampling, Session, TurnEnd, TurnEvent, Voice, VoiceEnd
from ..pictures import PictureOrder
from ..storage import (
    STORE_TIMEOUT_SECONDS,
    SessionState,
    TokensLeft,
    redis_errors_as_store_unavailable,
    require_last_turn,
)
from ..turns import ContinuedTurn, TurnRequest
from ..validation import validate_count, validate_id, validate_ids, validate_text
from .base import ServiceBase

_STOP_SECONDS = 5.0
_VOICE_SECONDS = 0.5
_LAST_TURN = 2  # messages, of which the user's says who was asked

# Which of the replies to a user's message, oldest first, is wanted; None where that is another one's.
Selection = Callable[[ChatMessage, Sequence[ChatMessage]], ChatMessage | None]


class StopResult(NamedTuple):
    """What a stop did: whether it ended a reply, which turn, and how many characters of text are kept."""

    stopped: bool
    turn_id: str
    characters: int


class UndoResult(NamedTuple):
    """What was taken back: the message's text and its images, as `start_turn` takes them, and the id under
    which `restore` brings it back."""

    message: str
    images: list[bytes]
    restore_id: str


class Turns(ServiceBase):
    """See ChatService."""

    async def start_turn(
        self,
        user_id: str,
        session_id: str,
        message: str,
        role: str = "",
        model: str = "",
        *,
        sampling: Sampling | None = None,
        variables: Mapping[str, str] | None = None,
        replaces: str = "",
        keep_version: bool = False,
        images: Sequence[bytes] = (),
        last_turn: str | None = None,
        address: str = "",
    ) -> str:
        """Stores the user's message and begins the reply; the turn's id. The reply goes on whoever
        follows it or not.

        What is given of `role`, `model`, `sampling` and `variables`, the values of the variables in the
        role's prompt by name, stays with the session from this turn on. `replaces` is the id of an earlier
        message of the user's whose place this one takes, with all that followed, and whose images it keeps;
        `keep_version` keeps the reply to it as another version. `images` are files' contents; with images the
        message may be empty. `last_turn` is the session's last turn as the caller saw it, here and in every
        other method that has it: when there is another one, nothing is changed. `address` is where the user
        is, in any form that is the same for the same place; empty when that is not known.

        A message that begins with "/image" asks for a picture (see PictureOrder), made of its `images` if it
        has any; the reply has it among its own.

        Raises InvalidInput (MessageEmpty, MessageTooLong, UnknownRole, UnknownModel, ImageUnreadable,
        ImageTooLarge, TooManyImages, ImagesUnsupported, PicturesUnavailable, PictureEditsUnsupported),
        RateLimited, TokensUsedUp (TokensUsedUpAtAddress), MessageNotFound, SessionBusy, SessionChanged,
        TooManyReplies (TooManyRepliesOfUser, TooManyRepliesFromAddress) or ShuttingDown; then nothing is
        stored.
        """
        request = TurnRequest(
            user_id,
            session_id,
            message,
            role,
            model,
            sampling,
            variables,
            replaces,
            keep_version,
            images,
            last_turn,
            address,
        )
        return await self._starter.start(request)

    async def start_panel(
        self,
        user_id: str,
        session_id: str,
        message: str,
        roles: Sequence[str],
        *,
        role: str = "",
        model: str = "",
        sampling: Sampling | None = None,
        variables: Mapping[str, str] | None = None,
        images: Sequence[bytes] = (),
        last_turn: str | None = None,
        address: str = "",
    ) -> str:
        """As `start_turn`, with a reply from each of two to four `roles`, by their keys, or models, which
        speak in the conversation's role; the turn's id. They reply side by side in this one turn, and each
        counts as a message and as a running reply. When all have ended, the first is the conversation's reply
        and the others are versions of it; see `choose_reply`. Raises what `start_turn` does."""
        if not roles:
            raise InvalidInput("roles", "a list of roles or models")
        request = TurnRequest(
            user_id,
            session_id,
            message,
            role,
            model,
            sampling,
            variables,
            images=images,
            last_turn=last_turn,
            address=address,
            voices=roles,
        )
        return await self._starter.start(request)

    async def start_picture(
        self,
        user_id: str,
        session_id: str,
        order: PictureOrder,
        *,
        images: Sequence[bytes] = (),
        address: str = "",
    ) -> str:
        """As `start_turn` with the message that has this order. Raises InvalidInput too for a part of it
        that is not one word."""
        validate_text(**order._asdict())
        for field in ("size", "quality", "model"):
            if re.search(r"\s", getattr(order, field)):
                raise InvalidInput(field, "a word")
        return await self.start_turn(user_id, session_id, order.message, images=images, address=address)

    @redis_errors_as_store_unavailable()
    async def picture(self, user_id: str, session_id: str, image_id: str) -> bytes:
        """The file, a JPEG, of a picture in a message of the session. Raises MessageNotFound when it is not
        there (any more): of a conversation that was imported there are the previews alone."""
        validate_ids(user_id, session_id)
        validate_id("image_id", image_id)
        stored = await self._store.images(user_id, session_id, [image_id])
        if not stored:
            await self.session(user_id, session_id)
            raise MessageNotFound()
        return file_of(stored[image_id])

    def tokens_nearly_used_up(self, user_id: str, address: str = "") -> TokensLeft | None:
        """What is left of the day's tokens where that is little, as far as this process knows."""
        return self._budget.nearly_used_up(user_id, address)

    @redis_errors_as_store_unavailable()
    async def regenerate(
        self,
        user_id: str,
        session_id: str,
        role: str = "",
        model: str = "",
        *,
        sampling: Sampling | None = None,
        variables: Mapping[str, str] | None = None,
        all_voices: bool = False,
        last_turn: str | None = None,
        address: str = "",
    ) -> str:
        """Begins another reply to the user's latest message; the turn's id. The reply it has is kept as
        another version. With `all_voices` all are asked again who replied side by side, as long as none of
        their replies was chosen. Raises what `start_turn` does, and TurnNotFound when nothing was said."""
        session, asked = await self._latest_user_message(user_id, session_id, last_turn)
        request = TurnRequest(
            user_id,
            session_id,
            asked.content,
            role,
            model,
            sampling,
            variables,
            replaces=asked.id,
            keep_version=True,
            last_turn=session.last_turn,
            address=address,
            voices=_names_of(asked.voices, session) if all_voices else (),
        )
        return await self._starter.start(request)

    async def continue_reply(
        self, user_id: str, session_id: str, *, last_turn: str | None = None, address: str = ""
    ) -> ContinuedTurn:
        """Goes on with the last reply where it was stopped, interrupted or cut, in the same message: a turn
        of its own that begins with the text that is there, and whose new events come after that position.
        Counts as a message. Raises NothingToContinue when that reply is whole or there is none, and what
        `start_turn` does."""
        request = TurnRequest(user_id, session_id, "", last_turn=last_turn, address=address)
        return await self._starter.continue_reply(request)

    async def edit_message(
        self, user_id: str, session_id: str, message_id: str, message: str, *, address: str = ""
    ) -> str:
        """Begins a turn with `message` in the place of the user's earlier one of that id, with all that
        followed; the turn's id. Raises what `start_turn` does."""
        validate_id("message_id", message_id)
        return await self.start_turn(user_id, session_id, message, replaces=message_id, address=address)

    @redis_errors_as_store_unavailable()
    async def undo(self, user_id: str, session_id: str, *, last_turn: str | None = None) -> UndoResult:
        """Removes the user's latest message with its reply, which is stopped if it runs. Raises TurnNotFound
        when nothing was said, and SessionBusy or SessionChanged when another message came first."""
        session, asked = await self._latest_user_message(user_id, session_id, last_turn)
        images = await self._store.images(user_id, session_id, [image.id for image in asked.images])
        if session.open_turn:
            await self.stop(user_id, session_id, session.open_turn)
        restore_id = uuid.uuid4().hex
        await self._store.truncate(
            user_id, session_id, asked.id, restore_id=restore_id, last_turn=session.last_turn
        )
        return UndoResult(asked.content, [file_of(url) for url in images.values()], restore_id)

    @redis_errors_as_store_unavailable()
    async def restore(self, user_id: str, session_id: str, restore_id: str) -> None:
        """Brings back what was taken back last, within ten minutes. Raises MessageNotFound when there is
        nothing under this id, and SessionBusy or SessionChanged when the conversation has gone on."""
        validate_ids(user_id, session_id)
        validate_id("restore_id", restore_id)
        await self._store.restore(user_id, session_id, restore_id)

    @redis_errors_as_store_unavailable()
    async def rate(self, user_id: str, session_id: str, message_id: str, feedback: str) -> None:
        """Notes what the user thinks of a reply. Raises MessageNotFound."""
        validate_ids(user_id, session_id)
        validate_text(message_id=message_id)
        if feedback not in get_args(Feedback):
            raise InvalidInput("feedback", "like, dislike or empty")

        def rated(state: SessionState) -> dict[str, ChatMessage]:
            replies = (m for m in state.messages.items if m.id == message_id and m.role == "assistant")
            return {reply.id: reply.model_copy(update={"feedback": feedback}) for reply in replies}

        if not await self._store.replace(user_id, session_id, rated):
            raise MessageNotFound()

    @redis_errors_as_store_unavailable()
    async def select_version(self, user_id: str, session_id: str, message_id: str, number: int) -> None:
        """Puts the version `number` (from 1, oldest first) in the place of the reply to the user's message
        of that id. Raises MessageNotFound, also when there is no such version, and SessionBusy while a reply
        runs, for it answers what was said before it."""

        await self._select(
            user_id,
            session_id,
            lambda asked, versions: (
                versions[number - 1] if asked.id == message_id and 1 <= number <= len(versions) else None
            ),
        )

    @redis_errors_as_store_unavailable(STORE_TIMEOUT_SECONDS + _STOP_SECONDS)
    async def choose_reply(self, user_id: str, session_id: str, turn_id: str) -> None:
        """Makes the reply of that turn the conversation's reply to the message that it answers; the others
        stay as its versions. Those that still run are stopped: whoever has chosen goes on. Raises what
        `select_version` does, SessionBusy also while that reply itself runs."""
        validate_text(turn_id=turn_id)
        session, history = await self.conversation(user_id, session_id, _LAST_TURN)
        voices = [voice.turn_id for voice in history.panel]
        if session.open_turn and turn_id in voices:
            if not await self._voice_replied(user_id, session_id, session.open_turn, voices.index(turn_id)):
                raise SessionBusy(session.open_turn)
            await self.stop(user_id, session_id, session.open_turn)
        await self._select(
            user_id,
            session_id,
            lambda _, versions: next((version for version in versions if version.turn_id == turn_id), None),
        )

    async def _voice_replied(self, user_id: str, session_id: str, turn_id: str, voice: int) -> bool:
        """Whether that one of several has ended with a reply, as far as the turn's log says so by now: it is
        written a little later than those hear of it who follow the turn in its own process."""
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(_VOICE_SECONDS),
                aclosing(self.follow(user_id, session_id, turn_id)) as events,
            ):
                async for event in events:
                    if isinstance(event, VoiceEnd) and event.voice == voice:
                        return event.ended.message is not None
                    if isinstance(event, TurnEnd):
                        return True  # what is stored says which have replied
        return False

    async def _select(self, user_id: str, session_id: str, choose: Selection) -> None:
        def selected(state: SessionState) -> dict[str, ChatMessage]:
            if state.open_turn:
                raise SessionBusy(state.open_turn)
            for asked, reply in pairwise(state.messages.items):
                versions = sorted((*asked.versions, reply), key=lambda version: version.timestamp)
                if reply.role == "assistant" and (chosen := choose(asked, versions)):
                    versions.remove(chosen)
                    kept = {"versions": tuple(versions), "voices": ()}
                    return {asked.id: asked.model_copy(update=kept), reply.id: chosen}
            return {}

        await self.session(user_id, session_id)
        if not await self._store.replace(user_id, session_id, selected):
            raise MessageNotFound()

    async def follow(
        self,
        user_id: str,
        session_id: str,
        turn_id: str = "",
        after: int = 0,
        *,
        interval: Callable[[], float] | None = None,
    ) -> AsyncGenerator[TurnEvent, None]:
        """The events of a turn after the position `after` (the last one seen): pieces of the reply as
        they come, then its TurnEnd. Without a `turn_id`, of the session's last turn. Any number of
        followers may come and go. `interval` is asked after each piece how many seconds to collect the
        next one. Raises TurnNotFound when there is none."""
        validate_ids(user_id, session_id)
        validate_text(turn_id=turn_id)
        validate_count("after", after)
        async with redis_errors_as_store_unavailable(None):
            live = self._live_turn(user_id, session_id, turn_id)
            if live is not None:
                events = live.follow(after, interval)
            else:
                session = await self.session(user_id, session_id)
                turn_id = turn_id or session.last_turn
                if not turn_id:
                    raise TurnNotFound()
                validate_id("turn_id", turn_id)
                events = self._log.follow(user_id, session_id, turn_id, after)
            self._followers += 1
            try:
                async with aclosing(events):
                    async for event in events:
                        yield event
            finally:
                self._followers -= 1

    @redis_errors_as_store_unavailable(STORE_TIMEOUT_SECONDS + _STOP_SECONDS)
    async def stop(self, user_id: str, session_id: str, turn_id: str = "") -> StopResult:
        """Stops the session's running reply, or only that of `turn_id`, wherever it runs, and waits until
        what there is of it is stored. Stopping nothing is no error."""
        validate_ids(user_id, session_id)
        validate_text(turn_id=turn_id)
        live = self._live_turn(user_id, session_id, turn_id)
        if live is not None:
            live.cancel("stopped")
            turn_id = live.id
        else:
            open_turn = (await self.session(user_id, session_id)).open_turn
            if not open_turn or turn_id not in ("", open_turn):
                return StopResult(False, "", 0)
            turn_id = open_turn
            await self._log.request_stop(user_id, turn_id)
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(_STOP_SECONDS),
                aclosing(self.follow(user_id, session_id, turn_id)) as events,
            ):
                async for event in events:
                    if isinstance(event, TurnEnd):
                        messages = (end.message for end in event.voices or (event,))
                        kept = sum(len(message.content) for message in messages if message)
                        return StopResult(event.status == "stopped", turn_id, kept)
        return StopResult(False, turn_id, 0)

    async def _latest_user_message(
        self, user_id: str, session_id: str, last_turn: str | None
    ) -> tuple[Session, ChatMessage]:
        """The session's head, and the message. Raises TurnNotFound and what `require_last_turn` does."""
        session, stored = await self.conversation(user_id, session_id)
        require_last_turn(session, last_turn)
        asked = next((message for message in reversed(stored.items) if message.role == "user"), None)
        if asked is None:
            raise TurnNotFound()
        return session, asked

    async def _stop_last_turn(self, user_id: str, session_id: str, last_turn: str | None) -> str:
        """Stops the session's last turn, if it runs; its id. Raises what `require_last_turn` does."""
        session = await self.session(user_id, session_id)
        require_last_turn(session, last_turn)
        if session.open_turn:
            await self.stop(user_id, session_id, session.open_turn)
        return session.last_turn


def _names_of(voices: Sequence[Voice], session: Session) -> list[str]:
    """What those are named by who replied side by side in that conversation; none for fewer. A model that was
    asked by its own name speaks in the conversation's role."""
    roles = [voice.role for voice in voices]
    usual = (session.role, session.model)
    is_role = [
        roles.count(voice.role) == 1 and (voice.role != session.role or (voice.role, voice.model) == usual)
        for voice in voices
    ]
    names = [voice.role if by_role else voice.model for voice, by_role in zip(voices, is_role, strict=True)]
    return names if len(names) > 1 else []
