"""Pictures that people upload, made anew: nothing of the file itself is kept, no place, no camera, no hidden parts."""

from io import BytesIO
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from codes.alphabet import CodeError

MAX_UPLOAD_BYTES: Final = 15_000_000
MAX_PIXELS: Final = 60_000_000  # three bytes each while it is read
FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF")
PHOTO_SIDE: Final = 1200
PHOTO_BYTES: Final = 200_000
LOGO_SIDE: Final = 320
LOGO_BYTES: Final = 60_000

_QUALITIES: Final = (85, 75, 65, 55, 45)
_SMALLER: Final = 0.75


class PhotoError(CodeError):
    """A picture that cannot be used; the message says why and what to do."""


def photo_from(data: bytes) -> bytes:
    """A JPEG of at most 1200 pixels a side and 200 kB, upright. Blocking: up to a second. Raises PhotoError."""
    picture = _bare(_flat(_opened(data, PHOTO_SIDE)))
    side = PHOTO_SIDE
    while True:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            made = _jpeg(picture, quality)
            if len(made) <= PHOTO_BYTES:
                return made
        side = round(max(picture.size) * _SMALLER)


def logo_from(data: bytes) -> bytes:
    """A PNG of at most 320 pixels a side and 60 kB; transparent parts stay so. Blocking. Raises PhotoError."""
    picture = _bare(_opened(data, LOGO_SIDE).convert("RGBA"))
    side = LOGO_SIDE
    while True:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        made = BytesIO()
        picture.save(made, "PNG", optimize=True)
        if made.tell() <= LOGO_BYTES:
            return made.getvalue()
        side = round(max(picture.size) * _SMALLER)


def _opened(data: bytes, side: int) -> Image.Image:
    """Upright and whole in memory; its size is known, and judged, before a pixel is unpacked."""
    if len(data) > MAX_UPLOAD_BYTES:
        raise PhotoError(
            f"the picture has {len(data) / 1e6:.0f} MB; up to {MAX_UPLOAD_BYTES // 1_000_000} MB are taken. Make it smaller."
        )
    try:
        picture = Image.open(BytesIO(data), formats=FORMATS)
        _refuse_bomb(*picture.size)
        picture.draft("RGB", (side, side))  # a large JPEG is unpacked at a fraction of its size
        picture.load()
        return ImageOps.exif_transpose(picture)
    except PhotoError:
        raise
    except UnidentifiedImageError:
        raise PhotoError("this is no JPEG, PNG, WebP or GIF picture. Take or save it as one of these.") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, MemoryError) as error:
        raise PhotoError(f"the picture cannot be read: {str(error) or 'it is damaged'}. Save it anew.") from error


def _refuse_bomb(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PhotoError(
            f"the picture has {width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} million. Make it smaller."
        )


def _flat(picture: Image.Image) -> Image.Image:
    """On white where it was transparent: JPEG knows no transparency."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        ground = Image.new("RGB", over.size, "white")
        ground.paste(over, mask=over.getchannel("A"))
        return ground
    return picture.convert("RGB")


def _bare(picture: Image.Image) -> Image.Image:
    """Pixels only: comments, profiles and texts would be written into the new file."""
    picture.info = {}
    return picture


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    made = BytesIO()
    picture.save(made, "JPEG", quality=quality, optimize=True, progressive=True)
    return made.getvalue()
