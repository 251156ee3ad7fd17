"""Pictures for receipt printers that speak ESC/POS: raster bands (GS v 0), feed and cut, and the same picture read back.

GS v 0 m xL xH yL yH: bytes across and rows down, most significant bit left, 1 is black. Every printer takes it, also those
that know no newer command.
"""

import re
from typing import Final

from PIL import Image

BAND_ROWS: Final = 240  # small printers hold only so much at once; bands follow each other without a gap
MAX_FEED_LINES: Final = 20

_RASTER: Final = b"\x1dv0\x00"
_CUT: Final = b"\x1dVB\x00"  # feeds to the knife, then cuts all but one point
_END: Final = re.compile(rb"\x1bd(.)(\x1dVB\x00)?", re.DOTALL)


class EscPosError(ValueError):
    """The bytes are not such a picture, or the picture is too wide."""


def escpos(image: Image.Image, *, feed_lines: int = 3, cut: bool = False) -> bytes:
    """The printer's own settings are left alone, so that it fits into a receipt, at the beginning of a line."""
    if image.width % 8 or image.width > 8 * 255:
        raise EscPosError(f"A band of {image.width} dots has no whole bytes, or too many.")
    black = image.convert("L").point(lambda shade: 255 if shade < 128 else 0).convert("1")  # a set bit is ink
    across, data = image.width // 8, black.tobytes()
    bands = []
    for top in range(0, image.height, BAND_ROWS):
        rows = data[top * across : (top + BAND_ROWS) * across]
        head = across.to_bytes(2, "little") + (len(rows) // across).to_bytes(2, "little")
        bands.append(_RASTER + head + rows)
    return b"".join([*bands, b"\x1bd", bytes([feed_lines]), _CUT if cut else b""])


def bitmap(artefact: bytes) -> Image.Image:
    """What would be on the paper: black on white; raises EscPosError."""
    at, width, data = 0, 0, b""
    while artefact.startswith(_RASTER, at):
        start = at + len(_RASTER) + 4
        across = int.from_bytes(artefact[start - 4 : start - 2], "little")
        rows = int.from_bytes(artefact[start - 2 : start], "little")
        if not across or not rows or width not in (0, across * 8) or len(artefact) < start + across * rows:
            raise EscPosError("its byte counts do not fit its data")
        width, at = across * 8, start + across * rows
        data += artefact[start:at]
    end = _END.fullmatch(artefact, at)
    if not width or end is None or end[1][0] > MAX_FEED_LINES:
        raise EscPosError("it is not raster bands, a feed and perhaps a cut")
    ink = Image.frombytes("1", (width, len(data) * 8 // width), data)
    return ink.convert("L").point(lambda shade: 255 - shade)
