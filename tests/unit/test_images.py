"""read_image: which files are taken, what is made of them, and what cannot do harm."""

import asyncio
import struct
import warnings
import zlib
from io import BytesIO

import PIL.Image
import PIL.ImageDraw
import PIL.PngImagePlugin
import pytest

from chat_core import decoder, images
from chat_core.decoder import LONGEST_SIDE, PREVIEW_SIDE
from chat_core.errors import ImageTooLarge, ImageUnreadable
from chat_core.images import MAX_MEGABYTES
from tests.pictures import picture, seen

KINDS = ("PNG", "JPEG", "WEBP", "GIF")
ORIENTATION, MAKER, GPS = 0x0112, 0x010F, 0x8825


def read_image(data: bytes):
    return asyncio.run(images.read_image(data))


def saved(image: PIL.Image.Image, kind: str, **options) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it is so large and has no more than its head."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [png_chunk(b"IHDR", head), png_chunk(b"IDAT", zlib.compress(b"")), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# What is taken


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read_and_sent_as_jpeg(kind):
    image, url = read_image(picture(kind, (40, 30)))
    assert (image.media_type, image.width, image.height) == ("image/jpeg", 40, 30)
    assert (seen(url).format, seen(url).size) == ("JPEG", (40, 30))
    assert (seen(image.preview).format, seen(image.preview).size) == ("WEBP", (40, 30))
    assert all(abs(value - 128) < 8 for value in seen(url).getpixel((5, 5)))


def test_every_image_has_an_id_of_its_own():
    ids = {read_image(picture())[0].id for _ in range(3)}
    assert len(ids) == 3
    assert all(len(image_id) == 32 and int(image_id, 16) for image_id in ids)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_a_moving_picture_the_first_frame_is_taken(kind):
    red, blue = (PIL.Image.new("RGB", (10, 10), color) for color in ("red", "blue"))
    _, url = read_image(saved(red, kind, save_all=True, append_images=[blue]))
    assert seen(url).getpixel((5, 5))[0] > 200


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_picture_may_store_its_colours_in_any_way(mode):
    _, url = read_image(saved(PIL.Image.linear_gradient("L").convert(mode), "PNG"))
    assert seen(url).mode == "RGB"
    assert max(seen(url).getpixel((128, 5))) < 60
    assert min(seen(url).getpixel((128, 250))) > 200


def test_sixteen_bits_of_grey_are_no_white():
    grey = PIL.Image.new("I;16", (8, 8), 0x8000)
    assert seen(read_image(saved(grey, "PNG"))[1]).getpixel((4, 4)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("mode", "options", "blended"),
    [("1", {}, (128, 128, 128)), ("RGB", {"transparency": (0, 0, 0)}, (255, 255, 255))],
    ids=["black and white", "black is transparent"],
)
def test_what_is_too_fine_to_be_seen_is_blended(mode, options, blended):
    fine = PIL.Image.frombytes("L", (2560, 2560), (b"\0\xff" * 1280 + b"\xff\0" * 1280) * 1280)
    _, url = read_image(saved(fine.convert(mode), "PNG", **options))
    assert all(abs(a - b) < 6 for a, b in zip(seen(url).getpixel((90, 90)), blended, strict=True))


def test_a_print_picture_is_read():
    assert seen(read_image(picture("JPEG", mode="CMYK"))[1]).mode == "RGB"


# What is made of it


@pytest.mark.parametrize(
    ("size", "sent", "preview"),
    [
        ((1, 1), (1, 1), (1, 1)),
        ((480, 300), (480, 300), (480, 300)),
        ((1280, 640), (1280, 640), (480, 240)),
        ((640, 1281), (640, 1280), (240, 480)),
        ((4000, 3000), (1280, 960), (480, 360)),
        ((20_000, 2), (1280, 1), (480, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_picture_is_made_smaller_and_a_small_one_no_larger(kind, size, sent, preview):
    image, url = read_image(picture(kind, size))
    assert (image.width, image.height) == seen(url).size == sent
    assert seen(image.preview).size == preview
    assert max(sent) <= LONGEST_SIDE
    assert max(preview) <= PREVIEW_SIDE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_sent_the_way_the_camera_was_held(kind, orientation):
    upright = PIL.Image.new("RGB", (60, 40), "white")
    PIL.ImageDraw.Draw(upright).rectangle((0, 0, 29, 19), "black")  # the corner at the top left
    turned = {
        1: (),
        2: (PIL.Image.Transpose.FLIP_LEFT_RIGHT,),
        3: (PIL.Image.Transpose.ROTATE_180,),
        4: (PIL.Image.Transpose.FLIP_TOP_BOTTOM,),
        5: (PIL.Image.Transpose.TRANSPOSE,),
        6: (PIL.Image.Transpose.ROTATE_90,),
        7: (PIL.Image.Transpose.TRANSVERSE,),
        8: (PIL.Image.Transpose.ROTATE_270,),
    }
    taken = upright
    for method in turned[orientation]:
        taken = taken.transpose(method)
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    image, url = read_image(saved(taken, kind, exif=exif))
    assert (image.width, image.height) == (60, 40)
    for shown in (seen(url), seen(image.preview)):
        corners = [shown.convert("L").getpixel(at) for at in ((5, 5), (55, 5), (5, 35), (55, 35))]
        assert [corner < 128 for corner in corners] == [True, False, False, False]


def test_a_slip_in_the_exif_is_no_reason_to_refuse_a_picture():
    broken = b"Exif\0\0II*\0"
    image, _ = read_image(picture("WEBP", (40, 30), exif=broken))
    assert (image.width, image.height) == (40, 30)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_what_the_file_says_about_itself(kind):
    exif = PIL.Image.Exif()
    exif[MAKER] = "SECRET"
    exif[GPS] = {1: "N", 2: (48.0, 8.0, 0.0)}
    note = {"comment": b"SECRET", "exif": exif, "icc_profile": b"SECRET" * 30, "xmp": b"<x>SECRET</x>"}
    if kind == "PNG":
        note |= {"pnginfo": PIL.PngImagePlugin.PngInfo()}
        note["pnginfo"].add_text("comment", "SECRET")
    data = picture(kind, **note)
    assert b"SECRET" in data
    image, url = read_image(data)
    for shown in (seen(url), seen(image.preview)):
        assert shown.getexif() == {}
        assert shown.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", *_OF_EVERY_WEBP}


_OF_EVERY_WEBP = {"loop", "background", "timestamp", "duration"}


def test_what_is_transparent_is_white_for_models_and_stays_transparent_in_the_preview():
    image, url = read_image(saved(PIL.Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG"))
    assert min(seen(url).getpixel((4, 4))) > 250
    assert seen(image.preview).getpixel((4, 4))[3] == 0


def test_a_colour_of_a_palette_can_be_transparent():
    _, url = read_image(picture("GIF", mode="P", transparency=128))
    assert min(seen(url).getpixel((4, 4))) > 250


def test_even_the_preview_of_noise_is_small():
    noise = PIL.Image.effect_noise((2000, 2000), 200).convert("RGB")
    image, url = read_image(saved(noise, "JPEG"))
    assert len(image.preview) <= 20_100
    assert len(url) < 2_000_000


# What is refused


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"This is no picture, whatever its name ends in.", id="text"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', id="SVG"),
        pytest.param(b"%PDF-1.7\n", id="PDF"),
        pytest.param(picture("BMP"), id="BMP"),
        pytest.param(picture("TIFF"), id="TIFF"),
        pytest.param(picture("ICO"), id="ICO"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="a PNG of nothing"),
        pytest.param(png_of(8, 8), id="a PNG without pixels"),
        pytest.param(picture().replace(b"\0\0\0\x0dIHDR", b"\0\0\0\x01IHDR"), id="a PNG without its size"),
    ],
)
def test_what_is_no_picture_of_these_kinds_is_refused(data):
    with pytest.raises(ImageUnreadable):
        read_image(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_is_refused(kind):
    data = saved(PIL.Image.effect_noise((60, 40), 90), kind)
    with pytest.raises(ImageUnreadable):
        read_image(data[: len(data) // 2])


def test_a_file_of_too_many_bytes_is_refused():
    whole = picture()
    limit = MAX_MEGABYTES * 1024**2
    assert read_image(whole.ljust(limit, b"\0"))[0].width == 8
    with pytest.raises(ImageTooLarge) as caught:
        read_image(whole.ljust(limit + 1, b"\0"))
    assert caught.value.facts["megabytes"] == MAX_MEGABYTES


@pytest.mark.parametrize(
    "size",
    [(8001, 5000), (12_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)],
    ids=["just above", "where Pillow warns", "where Pillow refuses", "largest"],
)
@pytest.mark.parametrize("strict", [True, False], ids=["warnings are errors", "warnings are ignored"])
def test_a_bomb_is_not_decoded(monkeypatch, size, strict):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("it was decoded"))
    bomb = png_of(*size)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if strict else "ignore")
        with pytest.raises(decoder.TooLarge):
            decoder.decode(bomb)


def test_a_picture_of_too_many_pixels_is_refused():
    with pytest.raises(ImageTooLarge) as caught:
        read_image(png_of(8001, 5000))
    assert caught.value.facts["megapixels"] == 40


def test_the_largest_picture_is_welcome():
    assert read_image(picture("PNG", (8000, 5000), mode="1"))[0].width == LONGEST_SIDE


def of_many_scans(times: int) -> bytes:
    data = picture("JPEG", (64, 64), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * times + data[-2:]


def of_many_comments(times: int) -> bytes:
    data = picture("GIF")
    start = data.index(b",", 13)
    return data[:start] + b"!\xfe\x01a\0" * times + data[start:]


def of_much_exif(times: int) -> bytes:
    data = picture("JPEG")
    return data[:2] + b"\xff\xe1\x00\x09Exif\0\0a" * times + data[2:]


@pytest.mark.parametrize("made", [of_many_scans, of_many_comments, of_much_exif])
def test_a_small_file_that_would_keep_the_decoder_busy_is_refused_unopened(monkeypatch, made):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for the EXIF, which is none
        assert decoder.decode(made(10))["width"]
    with pytest.raises(ImageUnreadable):
        read_image(made(1000))
    monkeypatch.setattr(decoder.PIL.Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(ValueError, match="busy"):
        decoder.decode(made(1000))
