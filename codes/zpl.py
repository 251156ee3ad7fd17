"""Symbols for label printers that speak ZPL II: one bitmap in a ^GFA field, and the same bitmap read back.

Format: ZPL II Programming Guide, ^GF: ASCII hexadecimal, byte counts up to 99999, most significant bit left, 1 is black.
"""

import re
from typing import Final

from PIL import Image

MAX_FIELD_BYTES: Final = 99_999
_FIELD = re.compile(r"\^FX (\d{1,5}) dots wide\^FS\n\^FO0,0\^GFA,(\d{1,6}),(\d{1,6}),(\d{1,6}),([0-9A-F\s]*)\^FS")


class ZplError(ValueError):
    """The bitmap does not fit, or the text holds none."""


def zpl(image: Image.Image) -> bytes:
    """At the label's origin; the printer's own settings (darkness, width, speed) are left alone."""
    black = image.convert("L").point(lambda shade: 255 if shade < 128 else 0).convert("1")  # in ZPL a set bit is ink
    bytes_per_row = (black.width + 7) // 8
    total = bytes_per_row * black.height
    if total > MAX_FIELD_BYTES:
        raise ZplError(
            f"The bitmap has {black.width} x {black.height} dots, {total} bytes, and a printer takes {MAX_FIELD_BYTES}."
        )
    rows = black.tobytes().hex().upper()  # Pillow pads each row to whole bytes
    lines = [rows[at : at + 2 * bytes_per_row] for at in range(0, len(rows), 2 * bytes_per_row)]
    data = "\n".join(lines)
    return (
        f"^XA\n^FX {black.width} dots wide^FS\n^FO0,0^GFA,{total},{total},{bytes_per_row},\n{data}\n^FS\n^XZ\n".encode(
            "ascii"
        )
    )


def bitmap(artefact: bytes) -> Image.Image:
    """What a printer would put on the label: black on white; raises ZplError."""
    text = artefact.decode("ascii")
    field = _FIELD.search(text)
    if not (text.startswith("^XA") and text.endswith("^XZ\n") and field):
        raise ZplError("it has no ^GFA field between ^XA and ^XZ")
    width, sent, total, bytes_per_row = (int(number) for number in field.groups()[:4])
    data = bytes.fromhex(field[5])
    if not (sent == total == len(data) <= MAX_FIELD_BYTES) or bytes_per_row != (width + 7) // 8:
        raise ZplError("its byte counts do not fit its data")
    ink = Image.frombytes("1", (width, total // bytes_per_row), data)
    return ink.convert("L").point(lambda shade: 255 - shade)
