"""PictureReply: a reply that is a picture."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from ..errors import ImageTooLarge, ImageUnreadable, ModelPictureUnusable, ModelSilent
from ..messages import Image, Usage
from ..models import DrawnPicture, Piece
from ..pictures import PictureOrder
from .reply import Reply

# What is kept of a picture that a model has made is larger than what models are sent of others.
LONGEST_SIDE = 2048

ReadImage = Callable[[bytes], Awaitable[tuple[Image, str]]]


class PictureReply(Reply):
    """A picture on its way from the model into its turn, see Reply. Its text is a few words in its place; the
    turn is given what is to be stored of it, and its followers what they are shown."""

    async def draw(
        self, items: AsyncGenerator[DrawnPicture | Usage, None], order: PictureOrder, read: ReadImage
    ) -> None:
        """Reads what the model sends to its end. Raises ModelError. Cancelling it stops the picture, of which
        the latest that came is kept."""
        is_whole = False
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Usage):
                    self._usage = item
                    continue
                try:
                    image, url = await read(item.data)
                except (ImageUnreadable, ImageTooLarge) as error:
                    raise ModelPictureUnusable() from error
                self._show(image, url, order)
                is_whole = is_whole or not item.is_partial
        if not is_whole:
            raise ModelSilent()

    def _show(self, image: Image, url: str, order: PictureOrder) -> None:
        if not self._images:
            self._append(Piece("text", order.mark), None)
        self._images = (image,)
        self._turn.images = {image.id: url}
        self._turn.append("picture", image.to_json(), self._voice)
