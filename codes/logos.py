"""Logos for the middle of a symbol: read with care, stripped to pixels, kept small. How large one may be is said here."""

import base64
import binascii
import io
import math
import warnings
from dataclasses import dataclass
from typing import Final

from PIL import Image

MAX_LOGO_BYTES: Final = 500_000
MAX_LOGO_PX: Final = 4_000
PLATE_PX: Final = 200
LOGO_ON_PLATE: Final = 0.86  # the rest is free space between logo and modules
MAX_SHARE: Final = {"m": 20, "q": 25, "h": 30}
"""Per cent of the symbol's width by error correction; L has none to spare."""

_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")


class LogoError(ValueError):
    """The picture cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Logo:
    """Pixels alone: no metadata, no second picture, nothing of the file that was sent."""

    image: Image.Image

    def plate(self, light: tuple[int, int, int]) -> Image.Image:
        """A square of the light colour with the logo in it, RGB: what hides the modules."""
        plate = Image.new("RGB", (PLATE_PX, PLATE_PX), light)
        place = ((PLATE_PX - self.image.width) // 2, (PLATE_PX - self.image.height) // 2)
        plate.paste(self.image, place, self.image)
        return plate

    def encoded(self) -> bytes:
        out = io.BytesIO()
        self.image.save(out, "PNG", optimize=True)
        return out.getvalue()


def read_logo(data: bytes) -> Logo:
    """From a file of whoever asks; raises LogoError."""
    if len(data) > MAX_LOGO_BYTES:
        raise LogoError(
            f"The logo has {len(data) // 1000} kB and {MAX_LOGO_BYTES // 1000} are the limit: it is printed a few"
            " millimetres wide. Send a smaller picture."
        )
    image = _pixels(data)
    room = int(PLATE_PX * LOGO_ON_PLATE)
    image.thumbnail((room, room), Image.Resampling.LANCZOS)
    return Logo(Image.frombytes("RGBA", image.size, image.tobytes()))


def logo_from(text: str) -> Logo:
    """From base64; raises LogoError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LogoError("The logo is not base64. Send the picture file's bytes in base64.") from None
    return read_logo(data)


def _pixels(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Pillow only warns of is no logo
            picture = Image.open(io.BytesIO(data), formats=_FORMATS)
            if max(picture.size) <= MAX_LOGO_PX:
                return picture.convert("RGBA")
    except Exception as problem:  # Pillow's readers raise whatever a damaged file makes them
        raise LogoError(
            "The logo cannot be read as a picture. Send PNG, JPEG, WebP or GIF; a drawing (SVG) has to be exported first."
        ) from problem
    raise LogoError(
        f"The logo is {picture.width} x {picture.height} pixels and {MAX_LOGO_PX} are the limit. Make it smaller."
    )


def covered_modules(size: int, error: str, percent: int | None) -> int:
    """How many modules along one edge the plate hides, at most; an odd number, so that it sits in the middle."""
    most = MAX_SHARE.get(error)
    if most is None:
        raise LogoError("A logo hides modules, which error correction L cannot make up for. Choose m, q or h.")
    if percent is None:
        percent = most
    if not 5 <= percent <= most:
        raise LogoError(
            f"A logo over {percent} % of the width does not fit error correction {error.upper()}: 5 to {most} % do"
            " (M 20, Q 25, H 30 at most). Choose a smaller logo or a higher level."
        )
    covered = math.floor(size * percent / 100)
    return max(1, covered - (covered + 1) % 2)
