"""Pictures: what a person sends, made upright, small and anonymous for models and for the page."""

import base64
import uuid
from contextlib import suppress
from io import BytesIO

import PIL.Image
import PIL.ImageOps

from .errors import ImageTooLarge, ImageUnreadable
from .messages import Image

MAX_IMAGES = 4  # in one message
MAX_MEGABYTES = 10
MAX_MEGAPIXELS = 40
LONGEST_SIDE = 1280
PREVIEW_SIDE = 480
_PREVIEW_BYTES = 15_000

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
# JPEG, whatever came: servers built on llama.cpp read no WebP.
_MEDIA_TYPE = "image/jpeg"
_BACKGROUND = "white"

# What costs a decoder far more than its few bytes: each scan (FF DA) of a JPEG goes over the whole picture,
# each part of its EXIF (FF E1) and each comment of a GIF (21 FE) is joined to a copy of those before. A file
# made of them would take an hour. Chance alone puts any two bytes into 10 MB some 160 times.
_COSTLY = {b"\xff\xd8": (b"\xff\xda", b"\xff\xe1"), b"GI": (b"\x21\xfe",)}
_COSTLY_AT_MOST = 240

_SCALABLE = ("L", "RGB", "CMYK")


def read_image(data: bytes) -> tuple[Image, str]:
    """The picture in `data` and the data URL that models are sent. Its kind is told from the content, of a
    moving one the first frame is taken; nothing of its metadata is left. Raises ImageTooLarge or
    ImageUnreadable. Blocks, for a second or so with the largest ones."""
    if len(data) > MAX_MEGABYTES * 1024**2:
        raise ImageTooLarge(MAX_MEGABYTES, MAX_MEGAPIXELS)
    try:
        picture = _decoded(data)
    except (ImageTooLarge, PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise ImageTooLarge(MAX_MEGABYTES, MAX_MEGAPIXELS) from None
    except Exception as error:  # a broken file can break a decoder in any way
        raise ImageUnreadable() from error
    sent = PIL.Image.new("RGB", picture.size, _BACKGROUND)
    sent.paste(picture, mask=picture if picture.mode == "RGBA" else None)
    image = Image(
        id=uuid.uuid4().hex,
        media_type=_MEDIA_TYPE,
        width=sent.width,
        height=sent.height,
        preview=_preview(picture),
    )
    return image, _data_url(_MEDIA_TYPE, _encoded(sent, "JPEG", 85))


def file_of(data_url: str) -> bytes:
    """The content of the file in a data URL that `read_image` made."""
    return base64.b64decode(data_url.partition(",")[2])


def _decoded(data: bytes) -> PIL.Image.Image:
    """The picture, RGB or RGBA, upright and no larger than it is sent. Raises whatever goes wrong."""
    if any(data.count(part) > _COSTLY_AT_MOST for part in _COSTLY.get(data[:2], ())):
        raise ImageUnreadable()
    with PIL.Image.open(BytesIO(data), formats=_FORMATS) as picture:  # decodes nothing yet
        if picture.width * picture.height > MAX_MEGAPIXELS * 1_000_000:
            raise ImageTooLarge(MAX_MEGABYTES, MAX_MEGAPIXELS)
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        decoded = picture.point(lambda grey: grey / 256) if picture.mode == "I;16" else picture
        if mode == "RGBA" or decoded.mode not in _SCALABLE:
            decoded = decoded.convert(mode)
        decoded.thumbnail((LONGEST_SIDE, LONGEST_SIDE))  # may decode a JPEG at a fraction of its size
        decoded = decoded.convert(mode)
    with suppress(Exception):  # a camera's slip in the EXIF is no reason to refuse what it took
        PIL.ImageOps.exif_transpose(decoded, in_place=True)
    return decoded


def _preview(picture: PIL.Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    for quality in (75, 50, 25, 5):
        encoded = _encoded(small, "WEBP", quality)
        if len(encoded) <= _PREVIEW_BYTES:
            break
    return _data_url("image/webp", encoded)


def _encoded(picture: PIL.Image.Image, kind: str, quality: int) -> bytes:
    file = BytesIO()
    picture.save(file, kind, quality=quality)
    return file.getvalue()


def _data_url(media_type: str, encoded: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(encoded).decode()}"
