"""The decoder of pictures: a script that reads a file from its input and writes what models and the page are
shown of it. The only user of Pillow.

It runs in a process of its own, because what a large picture takes of memory, some 600 MB, comes back for
certain only with the end of the process, and because any file may come, a broken one that breaks the decoder
too. It imports nothing of this package: that would take ten times as long as most pictures do.
"""

import base64
import json
import sys
from contextlib import suppress
from io import BytesIO

import PIL.Image
import PIL.ImageOps

MAX_MEGAPIXELS = 40
LONGEST_SIDE = 1280
PREVIEW_SIDE = 480
_PREVIEW_BYTES = 15_000

# The exit status when the picture has more pixels than are allowed; 1 and 2 are Python's own.
TOO_LARGE = 3

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
# JPEG, whatever came: servers built on llama.cpp read no WebP.
MEDIA_TYPE = "image/jpeg"
_BACKGROUND = "white"

# What costs a decoder far more than its few bytes: each scan (FF DA) of a JPEG goes over the whole picture,
# each part of its EXIF (FF E1) and each comment of a GIF (21 FE) is joined to a copy of those before. A file
# made of them would take an hour. Chance alone puts any two bytes into 10 MB some 160 times.
_COSTLY = {b"\xff\xd8": (b"\xff\xda", b"\xff\xe1"), b"GI": (b"\x21\xfe",)}
_COSTLY_AT_MOST = 240

_SCALABLE = ("L", "RGB", "CMYK")


class TooLarge(Exception):
    """The picture has more than MAX_MEGAPIXELS."""


def decode(data: bytes, longest_side: int = LONGEST_SIDE) -> dict[str, str | int]:
    """The picture in `data`, no larger than `longest_side`: its `media_type`, `width` and `height` as it is
    sent, the data URL `sent` to models and the smaller one of its `preview`. Raises TooLarge, and for a file
    that is no picture, or a broken one, anything."""
    try:
        picture = _decoded(data, longest_side)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise TooLarge from None
    sent = PIL.Image.new("RGB", picture.size, _BACKGROUND)
    sent.paste(picture, mask=picture if picture.mode == "RGBA" else None)
    return {
        "media_type": MEDIA_TYPE,
        "width": sent.width,
        "height": sent.height,
        "preview": _preview(picture),
        "sent": _data_url(MEDIA_TYPE, _encoded(sent, "JPEG", 85)),
    }


def _decoded(data: bytes, longest_side: int) -> PIL.Image.Image:
    """The picture, RGB or RGBA, upright and no larger than it is sent. Raises whatever goes wrong."""
    if any(data.count(part) > _COSTLY_AT_MOST for part in _COSTLY.get(data[:2], ())):
        raise ValueError("a file made to keep the decoder busy")
    with PIL.Image.open(BytesIO(data), formats=_FORMATS) as picture:  # decodes nothing yet
        if picture.width * picture.height > MAX_MEGAPIXELS * 1_000_000:
            raise TooLarge
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        decoded = picture.point(lambda grey: grey / 256) if picture.mode == "I;16" else picture
        if mode == "RGBA" or decoded.mode not in _SCALABLE:
            decoded = decoded.convert(mode)
        decoded.thumbnail((longest_side, longest_side))  # may decode a JPEG at a fraction of its size
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


if __name__ == "__main__":
    try:
        json.dump(decode(sys.stdin.buffer.read(), *map(int, sys.argv[1:])), sys.stdout)
    except TooLarge:
        sys.exit(TOO_LARGE)
