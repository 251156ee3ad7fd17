"""Text in dots, for printers that get a picture: letters small enough to fit, and none that the font has not."""

from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont, features

from codes.label_text import FONT_FILE, is_right_to_left
from codes.sheets import SheetError

LEADING: Final = 1.25  # of the letter size
_MISSING: Final = "\uffff"  # no font has it: what is drawn in its place stands for any missing letter

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Line = tuple[str, Font, int]  # text, font, height in dots


def font_of(size_px: float, fonts: Path | None) -> Font:
    """The label font if it was built, which has most scripts; else Pillow's own Latin one."""
    path = fonts / FONT_FILE if fonts else None
    if path and path.is_file():
        # Arabic letters are joined by Raqm only.
        engine = ImageFont.Layout.RAQM if features.check("raqm") else ImageFont.Layout.BASIC
        return ImageFont.truetype(path, size_px, layout_engine=engine)
    return ImageFont.load_default(size_px)


def check_letters(text: str, fonts: Path | None) -> None:
    """Raises SheetError: an empty box on paper helps nobody."""
    font = font_of(24, fonts)
    missing = bytes(font.getmask(_MISSING))
    unknown = sorted(
        {char for char in text if char.isprintable() and not char.isspace() and bytes(font.getmask(char)) == missing}
    )
    if unknown:
        raise SheetError(
            f"{text[:80]!r} has letters that the font for pictures has not: {' '.join(unknown[:10])}. Print the link alone"
            " (wording link), or build the label font: `npm ci && npm run build` (make serve does)."
        )


def fitted(text: str, width: int, sizes: tuple[int, ...], fonts: Path | None) -> Line | None:
    """At the largest of ``sizes`` that is no wider; None: at none."""
    for size in sizes:
        font = font_of(size, fonts)
        if font.getlength(text) <= width:
            return text, font, round(size * LEADING)
    return None


def cut_to(text: str, width: int, size: int, fonts: Path | None) -> Line:
    """With an ellipsis, at this size."""
    font = font_of(size, fonts)
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1].rstrip()
    return f"{text}...", font, round(size * LEADING)


def draw_line(image: Image.Image, text: str, font: Font, middle_x: int, top: int, height: int) -> None:
    """Black, centred."""
    direction = "rtl" if is_right_to_left(text) and _shapes(font) else None
    ImageDraw.Draw(image).text((middle_x, top + height // 2), text, fill=0, font=font, anchor="mm", direction=direction)


def _shapes(font: Font) -> bool:
    """The basic layout knows no direction."""
    return isinstance(font, ImageFont.FreeTypeFont) and font.layout_engine == ImageFont.Layout.RAQM
