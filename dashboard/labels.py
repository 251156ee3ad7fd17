"""Label sheets as tasks: which codes, on which stock, into which file of the data folder."""

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from codes.batches import BatchChange, update_batch
from codes.codes import Code, codes_by_id
from codes.decode import QrError
from codes.label_text import check_installed
from codes.logos import LogoError, logo_from
from codes.selection import Selection, chosen_codes
from codes.sheets import MAX_LABELS, Label, SheetError, SheetOrder, SheetsUnavailable, make_sheets, placed_labels
from codes.stocks import Stock, StockError, checked, get_stock
from dashboard.parts import Parts
from dashboard.rendering import DEFAULT_BUILD_FOLDER
from dashboard.tasks import Handler, Progress, Task, TaskRefused, add_task, do_task

log = logging.getLogger(__name__)

KIND: Final = "sheet"
STICKERS: Final = "stickers"
"""Of jobs: their links are for staff, so these are listed and handed out apart."""

FONTS: Final = DEFAULT_BUILD_FOLDER / "fonts"
AT_ONCE: Final = 60
"""Labels that are made while the request waits; more become a background task."""

FOLDERS: Final = {KIND: "sheets", STICKERS: "stickers"}
KEEP_DAYS: Final = {KIND: 30, STICKERS: 1}
"""Stickers name jobs, which may be deleted any day."""

CODES_AT_ONCE: Final = 500


def file_of(data_dir: Path, task: Task) -> Path:
    return data_dir / FOLDERS[task.kind] / f"{task.id}.pdf"


def stock_from(given: Mapping[str, Any]) -> Stock:
    """The one with this key, or the measures in mm; raises StockError."""
    if given.get("stock") is not None:
        return get_stock(given["stock"])
    return checked(Stock("custom", "Own labels", **given["geometry"]))


def order_from(given: Mapping[str, Any]) -> SheetOrder:
    """From what was asked for, as it is kept with the task."""
    own = {name: given[name] for name in SheetOrder.__dataclass_fields__ if name in given}
    made = {"stock": stock_from(given), "fonts": FONTS if FONTS.is_dir() else None}
    return SheetOrder(**{**own, **made, "logo": logo_from(given["logo"]) if given.get("logo") else None})


async def chosen(connection: AsyncConnection, selection: Selection, domain: str | None) -> list[Code]:
    """In the order they were named, else oldest first; raises SheetError for what there is not."""
    found, problems = await chosen_codes(connection, selection, domain)
    if problems:
        text, why = problems[0]
        more = f" ({len(problems) - 1} more like it.)" if len(problems) > 1 else ""
        raise SheetError(f"{text}: {why}{more}")
    codes = [code for _text, code in found]
    return codes if selection.codes else sorted(codes, key=lambda code: code.id)


def labels_of(codes: list[Code], copies: int) -> list[Label]:
    """Raises SheetError for more than a file holds, before any are made."""
    if (count := len(codes) * copies) > MAX_LABELS:
        raise SheetError(f"{count} labels are more than the {MAX_LABELS} of one file. Make several.")
    return [Label(code.short_url, code.name, code.legacy) for code in codes for _ in range(copies)]


async def order_sheets(parts: Parts, given: dict[str, Any], codes: list[Code], who: str, kind: str = KIND) -> int:
    """The task's number; small ones are done when it answers. Raises SheetError for what can be seen right away, and
    SheetsUnavailable. ``given["marks_batch"]`` is the print batch that is marked printed once the file is there.
    """
    check_installed()
    order = order_from(given)
    labels = labels_of(codes, given["copies"])
    await asyncio.to_thread(lambda: list(placed_labels(order, labels)))
    small = len(labels) <= AT_ONCE
    kept = {**given, "code_ids": [code.id for code in codes]}
    state = "running" if small else "waiting"
    task = await add_task(parts.database, kind, kept, len(labels), who, state=state)
    if small:
        await do_task(parts.database, task, sheet_handler(parts))
    return task.id


def sheet_handler(parts: Parts) -> Handler:
    async def make(task: Task, progress: Progress) -> dict[str, Any]:
        ids: list[int] = task.input["code_ids"]
        async with parts.database.reading() as connection:
            found = [
                code
                for start in range(0, len(ids), CODES_AT_ONCE)
                for code in await codes_by_id(connection, ids[start : start + CODES_AT_ONCE])
            ]
        by_id = {code.id: code for code in found}
        codes = [by_id[code_id] for code_id in ids if code_id in by_id and not _is_retired(by_id[code_id])]
        labels = labels_of(codes, task.input["copies"])
        try:
            document = await asyncio.to_thread(make_sheets, order_from(task.input), labels, progress)
        except (QrError, LogoError, StockError, SheetsUnavailable) as problem:
            raise TaskRefused(str(problem)) from None
        await asyncio.to_thread(_write, file_of(parts.settings.data_dir, task), document)
        await asyncio.to_thread(forget_old_sheets, parts.settings.data_dir)
        if batch_id := task.input.get("marks_batch"):
            await update_batch(parts.database, batch_id, BatchChange(printed=True), who=task.created_by)
        return {"bytes": len(document), "labels": len(labels)}

    return make


def forget_old_sheets(data_dir: Path) -> None:
    """They can be made again at any time."""
    for kind, folder in FOLDERS.items():
        before = time.time() - KEEP_DAYS[kind] * 86_400
        for path in (data_dir / folder).glob("*.pdf"):
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)


def forget_stickers(data_dir: Path) -> None:
    """All there are, of a shop that wipes its tracking data or of others: they can be made again at any time."""
    for path in (data_dir / FOLDERS[STICKERS]).glob("*"):
        path.unlink(missing_ok=True)


def _is_retired(code: Code) -> bool:
    """Its job was deleted meanwhile."""
    return code.kind == "job" and not code.name


def _write(path: Path, document: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(document)
    unfinished.replace(path)
