"""A branch: what was said in one session, up to some message, as another one."""

import json
import time
import uuid
from collections.abc import Iterable

from ..exchange import with_new_ids
from ..messages import ChatMessage, Session
from ..storage import SessionState, SessionStore


async def store_branch(store: SessionStore, user_id: str, state: SessionState, place: int) -> Session:
    """A new session with the first `place` messages of the one that was read whole, which knows that it comes
    from there."""
    kept, before = state.messages_before(place), state.session
    said = with_new_ids(kept.items, time.time())
    stored = await store.images(user_id, state.session_id, _image_ids(kept.items))
    renewed = zip(_image_ids(kept.items), _image_ids(said), strict=True)
    head = {
        "title": before.title,
        "role": before.role,
        "model": before.model,
        "sampling": before.sampling.to_json(),
        "variables": json.dumps(before.variables),
        "folder": before.folder,
        "branched_from": state.session_id,
    }
    if kept.summary:
        ids = {old.id: new.id for old, new in zip(kept.items, said, strict=True)}
        through = ids.get(kept.summary.through, "")
        head["summary"] = kept.summary.model_copy(update={"through": through}).to_json()
    images = {new: stored[old] for old, new in renewed if old in stored}
    return await store.create(user_id, uuid.uuid4().hex, head, said, images)


def _image_ids(messages: Iterable[ChatMessage]) -> list[str]:
    return [
        image.id
        for message in messages
        for version in (message, *message.versions)
        for image in version.images
    ]
