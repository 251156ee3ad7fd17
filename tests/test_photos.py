"""Pictures are made anew: small, upright, without anything that was hidden in the file; bombs and rubbish are refused."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from jobs.photos import LOGO_BYTES, LOGO_SIDE, MAX_PIXELS, PHOTO_BYTES, PHOTO_SIDE, PhotoError, logo_from, photo_from


def file_of(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    made = BytesIO()
    image.save(made, form, **options)
    return made.getvalue()


def read(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise(size, 120).convert("RGB")


def test_a_photo_is_small_and_holds_nothing_of_where_it_was_taken() -> None:
    exif = Image.Exif()
    exif[0x010E] = "hidden words"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}
    given = file_of(noise((3000, 2000)), "JPEG", exif=exif, comment=b"hidden words")
    assert b"hidden words" in given
    made = photo_from(given)
    photo = read(made)
    assert (photo.format, photo.mode) == ("JPEG", "RGB")
    assert max(photo.size) <= PHOTO_SIDE
    assert len(made) <= PHOTO_BYTES
    assert not photo.getexif()
    assert b"hidden words" not in made
    assert b"Exif" not in made


def test_it_is_turned_the_way_the_camera_was_held() -> None:
    image = Image.new("RGB", (80, 40), "white")
    image.paste("red", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    photo = read(photo_from(file_of(image, "JPEG", exif=exif, quality=95)))
    assert photo.size == (40, 80)
    red, _, blue = photo.getpixel((20, 10))  # type: ignore[misc]
    assert red > 200 > 100 > blue
    assert not photo.getexif()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_what_is_transparent_is_white_in_a_photo_and_stays_so_in_a_logo(form: str) -> None:
    data = file_of(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), form)
    assert read(photo_from(data)).getpixel((10, 10)) == (255, 255, 255)
    logo = read(logo_from(data))
    assert (logo.format, logo.getpixel((10, 10))[3]) == ("PNG", 0)  # type: ignore[index]


def test_a_logo_is_small() -> None:
    made = logo_from(file_of(noise((900, 600))))
    assert len(made) <= LOGO_BYTES
    assert max(read(made).size) <= LOGO_SIDE


def bomb() -> bytes:
    side = int(MAX_PIXELS**0.5) + 10
    return file_of(Image.new("1", (side, side)))


REFUSED: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "no JPEG, PNG, WebP or GIF"),
    ("a page", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG, PNG, WebP or GIF"),
    ("a kind we do not read", lambda: file_of(noise((10, 10)), "TIFF"), "no JPEG, PNG, WebP or GIF"),
    ("a torn file", lambda: file_of(noise((200, 200)), "JPEG")[:3000], "cannot be read"),
    ("a torn file without compression at its end", lambda: file_of(noise((200, 200)))[:3000], "cannot be read"),
    ("a bomb", bomb, "more than 60 million"),
    ("a huge file", lambda: bytes(15_000_001), "up to 15 MB"),
]


@pytest.mark.parametrize(("given", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_no_picture_for_us_is_refused_in_words(given: Callable[[], bytes], said: str) -> None:
    data = given()
    for made_from in (photo_from, logo_from):
        with pytest.raises(PhotoError, match=said):
            made_from(data)
