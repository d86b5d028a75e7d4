"""A branch: what was said in one session, up to some message, as another one."""

import json
import time
import uuid

from ..exchange import image_ids, renewed_pictures, renewed_summary, with_new_ids
from ..messages import Session
from ..slices import next_slice
from ..storage import SessionState, SessionStore


async def store_branch(store: SessionStore, user_id: str, state: SessionState, place: int) -> Session:
    """A new session with the first `place` messages of the one that was read whole, which knows that it comes
    from there."""
    kept, before = state.messages_before(place), state.session
    await next_slice()
    said = with_new_ids(kept.items, time.time())
    stored = await store.images(user_id, state.session_id, image_ids(kept.items))
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
        head["summary"] = renewed_summary(kept.summary, kept.items, said).to_json()
    images = renewed_pictures(stored, kept.items, said)
    return await store.create(user_id, uuid.uuid4().hex, head, said, images)
