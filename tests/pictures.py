"""Pictures to send, made on the spot; and how to look at what became of one."""

import base64
from io import BytesIO
from typing import Any

import PIL.Image


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6), mode: str = "RGB", **options: Any) -> bytes:
    """A file: a grey picture of that kind, saved with these options."""
    file = BytesIO()
    PIL.Image.new(mode, size, 128 if mode in ("1", "L", "P") else "grey").save(file, kind, **options)
    return file.getvalue()


def seen(data_url: str) -> PIL.Image.Image:
    """The picture in a data URL, of the kind that the URL says."""
    head, _, data = data_url.partition(";base64,")
    shown = PIL.Image.open(BytesIO(base64.b64decode(data, validate=True)))
    assert head == f"data:{shown.get_format_mimetype()}"
    shown.load()
    return shown
