"""QR symbols over the API: a code's own, static ones, and how large to print them."""

import asyncio
import base64
import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from codes.advisor import MAX_DISTANCE_M, MIN_DISTANCE_M, smallest_safe_size
from codes.codes import Code, get_code
from codes.destinations import check_destination
from codes.logos import MAX_LOGO_BYTES, logo_from
from codes.qr import FORMATS, STATIC_WARNING, QrStyle, media_type, render, render_static, symbol_version
from dashboard.access import Editor, TheParts, Viewer

router = APIRouter(tags=["QR codes"])
IMAGES: dict[int | str, dict[str, Any]] = {200: {"content": {media_type(kind): {} for kind in FORMATS}}}
Kind = Literal["svg", "png", "pdf", "eps", "zpl"]
Level = Literal["l", "m", "q", "h"]
Domain = Annotated[str | None, Query(description="Short domain; the default one when left out.")]
SAMPLE = "0123456789"  # as long as a generated code
_NOT_FILE_NAME = re.compile(r"[^A-Za-z0-9_-]")  # imported codes may hold anything


class StyleIn(BaseModel):
    """How a symbol looks; everything may be left out."""

    model_config = ConfigDict(extra="forbid")

    dark: str = Field("#000000", max_length=9)
    light: str = Field("#ffffff", max_length=9, description="At least 40 % of luminance lighter than dark.")
    error: Level = "m"
    module_px: int = Field(10, ge=1, le=50)
    size_mm: float | None = Field(None, ge=10, le=5000, description="Edge in print, quiet zone included.")
    dpi: int | None = Field(None, ge=72, le=2400, description="With size_mm: pixels or printer dots.")
    caption: bool = Field(False, description="Write the link below.")
    logo: str | None = Field(
        None, max_length=MAX_LOGO_BYTES * 4 // 3 + 4, description="PNG, JPEG, WebP or GIF in base64, up to 500 kB."
    )
    logo_percent: int | None = Field(None, ge=5, le=30, description="Of the symbol's width: 20 at M, 25 at Q, 30 at H.")

    def style(self) -> QrStyle:
        plain = self.model_dump(include=set(StyleIn.model_fields) - {"logo"})
        return QrStyle(**plain, logo=logo_from(self.logo) if self.logo else None)


class SymbolIn(StyleIn):
    format: Kind = "svg"


class StaticIn(SymbolIn):
    target: str = Field(max_length=2_000, examples=["https://example.com/menu.pdf"])


class StaticOut(BaseModel):
    """``content`` is the file in base64."""

    warning: str
    target: str
    format: str
    media_type: str
    content: str


class AdviceOut(BaseModel):
    """Sizes count the quiet zone; ``symbol_mm`` is the symbol without it."""

    distance_m: float
    size_mm: float
    symbol_mm: float
    module_mm: float
    module_dots: int | None
    modules: int
    short_url: str


@router.get("/codes/{code}/qr.{kind}", response_class=Response, responses=IMAGES)
async def code_qr(
    code: str,
    kind: Kind,
    _who: Viewer,
    parts: TheParts,
    domain: Domain = None,
    dark: Annotated[str, Query(max_length=9)] = "#000000",
    light: Annotated[str, Query(max_length=9)] = "#ffffff",
    error: Level = "m",
    module_px: Annotated[int, Query(ge=1, le=50)] = 10,
    size_mm: Annotated[float | None, Query(ge=10, le=5000)] = None,
    dpi: Annotated[int | None, Query(ge=72, le=2400)] = None,
    caption: bool = False,
    download: Annotated[str | None, Query(max_length=9, description="To be saved rather than shown.")] = None,
) -> Response:
    """The symbol, decoded in its final form before it is handed out."""
    style = QrStyle(dark=dark, light=light, error=error, module_px=module_px, size_mm=size_mm, dpi=dpi, caption=caption)
    found = await _code(parts, code, domain)
    return await symbol_of(found, kind, style, download=download is not None)


@router.post("/codes/{code}/qr", response_class=Response, responses=IMAGES)
async def styled_code_qr(code: str, body: SymbolIn, _who: Viewer, parts: TheParts, domain: Domain = None) -> Response:
    """The same with a logo, which no address can carry."""
    return await symbol_of(await _code(parts, code, domain), body.format, body.style(), download=True)


@router.post("/qr/static")
async def static_qr(body: StaticIn, _who: Editor, parts: TheParts) -> StaticOut:
    """A symbol that holds the target itself: it cannot be changed afterwards, and nobody counts its scans."""
    target = check_destination(body.target, parts.settings.policy)
    image = await asyncio.to_thread(render_static, target, body.format, body.style())
    return StaticOut(
        warning=STATIC_WARNING,
        target=target,
        format=body.format,
        media_type=media_type(body.format),
        content=base64.b64encode(image).decode("ascii"),
    )


@router.get("/qr/advice")
async def advice(
    _who: Viewer,
    parts: TheParts,
    distance_m: Annotated[float, Query(ge=MIN_DISTANCE_M, le=MAX_DISTANCE_M, allow_inf_nan=False)],
    code: Annotated[str | None, Query(max_length=256, description="Else a generated one.")] = None,
    domain: Domain = None,
    error: Level = "m",
    dpi: Annotated[int | None, Query(ge=72, le=2400)] = None,
) -> AdviceOut:
    """The smallest size that is safe to scan from this distance."""
    if code is None:
        short_url, legacy = f"{parts.settings.short_url.rstrip('/')}/{SAMPLE}", False
    else:
        found = await _code(parts, code, domain)
        short_url, legacy = found.short_url, found.legacy
    edge = 17 + 4 * symbol_version(short_url, legacy, error) + 8
    advised = smallest_safe_size(distance_m, edge, dpi)
    return AdviceOut(
        distance_m=distance_m,
        size_mm=advised.size_mm,
        symbol_mm=advised.symbol_mm,
        module_mm=advised.module_mm,
        module_dots=advised.module_dots,
        modules=edge - 8,
        short_url=short_url,
    )


async def symbol_of(code: Code, kind: str, style: QrStyle, *, download: bool) -> Response:
    image = await asyncio.to_thread(render, code.short_url, kind, style, legacy=code.legacy)
    shown = "attachment" if download else "inline"
    headers = {
        "Content-Disposition": f'{shown}; filename="{_NOT_FILE_NAME.sub("_", code.code)}.{kind}"',
        "Cache-Control": "private, max-age=3600",
        "Content-Security-Policy": "default-src 'none'; img-src data:; sandbox",
    }
    return Response(image, media_type=media_type(kind), headers=headers)


async def _code(parts: Any, code: str, domain: str | None) -> Code:
    async with parts.database.reading() as connection:
        return await get_code(connection, code, domain)
