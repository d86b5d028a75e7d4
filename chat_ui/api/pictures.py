"""The endpoints of pictures that models make."""

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from chat_core import PictureOrder

from ..uploads import uploaded_images
from ..visitor import Visitor
from .base import EndpointsBase, Json, yields


class PictureEndpoints(EndpointsBase):
    """See Endpoints."""

    @yields(dict)
    async def generate_image(
        self,
        request: gr.Request,
        user_id: str,
        session_id: str,
        prompt: str,
        images: list[Any] | None = None,
        size: str = "",
        quality: str = "",
        model: str = "",
    ) -> AsyncIterator[Json]:
        """Has a picture made of the prompt, or `images`, as files, changed by it; /models lists the models
        and their sizes and qualities. It is a message "/image ..." and its reply: streams what happens as
        /chat_events does, with {"type": "picture", "id", "image"} for the picture and those that show how
        far it is. "done" has the "pictures" too, as {"id", "filename", "base64"}; see /picture."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown(), self._pacer.watching():
            turn_id = await self._service.start_picture(
                visitor.user_id,
                session_id,
                PictureOrder(prompt, size, quality, model),
                images=await uploaded_images(images),
                address=visitor.address,
            )
            async for event in self._events(visitor, session_id, turn_id):
                if event["type"] == "done":
                    made = event["message"]["images"] if event["message"] else ()
                    event["pictures"] = [await self._file(visitor, session_id, one["id"]) for one in made]
                yield event

    async def picture(self, request: gr.Request, user_id: str, session_id: str, image_id: str) -> Json:
        """A picture in a message of the conversation, sent or made, by its id in /history. Returns {"id",
        "filename", "base64"}: a JPEG."""
        visitor = Visitor.of(request, user_id)
        with visitor.errors_shown():
            return await self._file(visitor, session_id, image_id)

    async def _file(self, visitor: Visitor, session_id: str, image_id: str) -> Json:
        data = await self._service.picture(visitor.user_id, session_id, image_id)
        return {
            "id": image_id,
            "filename": f"picture-{image_id[:8]}.jpg",
            "base64": b64encode(data).decode(),
        }
