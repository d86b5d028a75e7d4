"""Pictures: what a person sends, or a model has made; made upright, small and anonymous for models and for
the page."""

import asyncio
import base64
import json
import sys
import uuid
from asyncio.subprocess import DEVNULL, PIPE

from . import decoder
from .errors import ImageTooLarge, ImageUnreadable
from .messages import Image

MAX_IMAGES = 4  # in one message
MAX_MEGABYTES = 10
# The largest takes two or three; a machine that does much else gets its time.
_DECODING_SECONDS = 30.0


async def read_image(data: bytes, longest_side: int = decoder.LONGEST_SIDE) -> tuple[Image, str]:
    """The picture in `data` and the data URL that models are sent, of no more than `longest_side` pixels. Its
    kind is told from the content, of a moving one the first frame is taken; nothing of its metadata is left.
    Raises ImageTooLarge or ImageUnreadable."""
    if len(data) > MAX_MEGABYTES * 1024**2:
        raise ImageTooLarge(MAX_MEGABYTES, decoder.MAX_MEGAPIXELS)
    status, output = await _run_decoder(data, longest_side)
    if status == decoder.TOO_LARGE:
        raise ImageTooLarge(MAX_MEGABYTES, decoder.MAX_MEGAPIXELS)
    if status:
        raise ImageUnreadable()
    decoded = json.loads(output)
    return Image(id=uuid.uuid4().hex, **decoded), decoded["sent"]


def url_of(file: bytes) -> str:
    """The data URL of what models are sent."""
    return f"data:{decoder.MEDIA_TYPE};base64,{base64.b64encode(file).decode()}"


def file_of(data_url: str) -> bytes:
    """The content of the file in a data URL that `read_image` made."""
    return base64.b64decode(data_url.partition(",")[2])


async def _run_decoder(data: bytes, longest_side: int) -> tuple[int, bytes]:
    """The exit status and the output. Ends the process too when nobody waits for it any more."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", decoder.__file__, str(longest_side)),  # this directory is none to import from
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        start_new_session=True,  # the terminal's Ctrl+C ends the app, which ends this
    )
    try:
        async with asyncio.timeout(_DECODING_SECONDS):
            output, _ = await process.communicate(data)
    except TimeoutError:
        raise ImageUnreadable() from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return await process.wait(), output
