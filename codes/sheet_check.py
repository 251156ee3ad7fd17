"""Reads a finished sheet back: each label by itself at three sizes, and each page as a whole."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

import pypdfium2
import pypdfium2.raw as raw
import zxingcpp
from PIL import Image

from codes.decode import MIN_SPARE, PDFIUM, SCALES, QrError, Render, check_symbol, check_with_zbar, modules_read
from codes.sheets import Box, Placed

PT_PER_MM: Final = 72 / 25.4
PAGE_PX_PER_MODULE: Final = 3


def check_sheets(document: bytes, placed: Sequence[Placed], progress: Callable[[int], None]) -> None:
    """Raises QrError unless every label reads exactly, alone and on its page, with whole quiet zone and no damage."""
    with PDFIUM:
        pdf = pypdfium2.PdfDocument(document)
    try:
        done = 0
        for number, entries in groupby(placed, key=lambda entry: entry.page):
            on_page = list(entries)
            with PDFIUM:
                page = pdf[number]
            for entry in on_page:
                _check_label(page, entry)
                done += 1
                progress(done)
            _check_page(page, number, on_page)
            with PDFIUM:
                page.close()
    except pypdfium2.PdfiumError as error:
        raise QrError(f"The sheet is damaged and cannot be drawn: {error}. Make it again.") from error
    finally:
        with PDFIUM:
            pdf.close()


def _check_label(page: Any, entry: Placed) -> None:
    renders = []
    for px in SCALES:
        where = f"sheet {entry.page + 1}, label {entry.cell + 1}, {px} px per module"
        render = Render("sheet", where, _picture(page, entry.code, px / entry.module_mm))
        size = modules_read(render, entry.expected, spare=MIN_SPARE if entry.covered else 1.0)
        check_symbol(render, size, entry.covered)
        renders.append(render)
    check_with_zbar(renders[1:2], [entry.expected])


def _check_page(page: Any, number: int, on_page: Sequence[Placed]) -> None:
    """As a phone above the sheet sees it: all of them, and nothing else."""
    with PDFIUM:
        width, height = page.get_size()
    whole = Box(0, 0, width / PT_PER_MM, height / PT_PER_MM)
    image = _picture(page, whole, PAGE_PX_PER_MODULE / min(entry.module_mm for entry in on_page))
    found = zxingcpp.read_barcodes(
        image.convert("L"), formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode), try_invert=False
    )
    texts = sorted(barcode.text for barcode in found)
    expected = sorted(entry.expected for entry in on_page)
    if texts != expected:
        raise QrError(
            f"The sheet was held back: on page {number + 1} a scanner reads {len(texts)} codes where {len(expected)} different"
            " ones should be, or reads them wrong. Choose larger labels or make the sheet again."
        )


def _picture(page: Any, box: Box, px_per_mm: float) -> Image.Image:
    """That part of the page on white paper, its corner on a pixel's; pypdfium2's own cropping is a pixel off at times."""
    width, height = round(box.width * px_per_mm), round(box.height * px_per_mm)
    scale = width / (box.width * PT_PER_MM)
    left, top = box.x * PT_PER_MM * scale, box.y * PT_PER_MM * scale
    with PDFIUM:
        bitmap = pypdfium2.PdfBitmap.new_native(width, height, raw.FPDFBitmap_BGRx)
        bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
        moved = raw.FS_MATRIX(scale, 0, 0, scale, -left, -top)
        raw.FPDF_RenderPageBitmapWithMatrix(bitmap, page, moved, raw.FS_RECTF(0, 0, width, height), 0)
        return bitmap.to_pil().convert("RGBA")  # type: ignore[no-any-return]
