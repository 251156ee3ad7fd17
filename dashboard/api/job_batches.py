"""Catching up over the API: what a shop's system did while it was offline, in one request; and all jobs as a file."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response, StreamingResponse

from codes.alphabet import CodeError
from dashboard.access import Editor, Owner, TheParts
from dashboard.api.job_models import WHEN, Contents, Moment, Refusing
from dashboard.api.jobs import ShopName
from dashboard.parts import Parts
from dashboard.problems import entry_message, status_of
from jobs.catching_up import MAX_ENTRIES, MAX_ID, Entry, Outcome, Refusal, catch_up
from jobs.exporting import job_records
from jobs.shops import get_shop_named

router = APIRouter(tags=["jobs"])
MAX_BATCH_BYTES = 5_000_000
_OF_PUT = frozenset(Contents.model_fields) - {"stage", "reason"}


class EntryIn(Contents):
    """Of put: all fields of a job. ``id`` is yours: the same entry sent again, even days later, does nothing."""

    op: Literal["put", "advance", "back", "deliver", "move", "delete"]
    reference: str = Field(max_length=200)
    id: str | None = Field(None, max_length=MAX_ID, description="advance and back need one.")
    shop: str | None = Field(None, max_length=120)
    at: Moment | None = Field(None, description=WHEN)
    revision: int | None = Field(None, ge=1, description="As If-Match: only if nobody changed it since.")

    def entry(self) -> Entry:
        """Raises CodeError for fields that the operation does not have."""
        if self.op != "put" and (extra := sorted(self.model_fields_set & _OF_PUT)):
            raise CodeError(f"{self.op} takes no {extra[0]}; a put does.")
        if self.op not in ("put", "move") and self.stage is not None:
            raise CodeError(f"{self.op} takes no stage; a move does.")
        return Entry(
            self.op,
            self.reference,
            self.id,
            self.shop,
            self.stage if self.op == "move" else None,
            self.reason or "",
            **({"fields": self.fields(None)} if self.op == "put" else {}),
            at=self.at,
            revision=self.revision,
        )


EntryOrMisfit = Annotated[EntryIn | Any, Field(union_mode="left_to_right")]


class BatchIn(Refusing):
    entries: list[EntryOrMisfit] = Field(
        max_length=MAX_ENTRIES,
        description="In the order in which they happened. What fits no entry is refused by itself.",
    )


class VerdictOut(BaseModel):
    """``status`` as of a request of its own. ``seen``: it was done when it was sent first, and nothing was done now."""

    reference: str
    id: str | None
    status: int
    result: Literal["created", "changed", "unchanged", "moved", "deleted", "refused"]
    seen: bool = False
    problem: str | None = None
    revision: int | None = None
    stage: str | None = None
    eta_at: datetime | None = None
    token: str | None = None
    status_url: str | None = None


class VerdictsOut(BaseModel):
    done: int
    seen: int
    refused: int
    verdicts: list[VerdictOut]


@router.post("/jobs/batch", max_body_size=MAX_BATCH_BYTES)
async def batch(body: BatchIn, who: Editor, parts: TheParts) -> VerdictsOut:
    """Up to 1,000 entries, one after the other; each has its own verdict, and one that is refused stops no other."""
    verdicts = await _verdicts(parts, body.entries, who.name)
    refused = sum(verdict.result == "refused" for verdict in verdicts)
    seen = sum(verdict.seen for verdict in verdicts)
    return VerdictsOut(done=len(verdicts) - refused - seen, seen=seen, refused=refused, verdicts=verdicts)


@router.get("/jobs/export.ndjson", response_class=Response, responses={200: {"content": {"application/x-ndjson": {}}}})
async def export(_who: Owner, parts: TheParts, shop: ShopName = None) -> Response:
    """Every job with its private fields and its history, one a line. It is as private as they are."""
    headers = {"Content-Disposition": 'attachment; filename="waymark-jobs.ndjson"'}
    async with parts.database.reading() as connection:
        shop_id = (await get_shop_named(connection, shop)).id if shop else None
    return StreamingResponse(_lines(parts, shop_id), media_type="application/x-ndjson", headers=headers)


async def _lines(parts: Parts, shop_id: int | None) -> AsyncIterator[bytes]:
    async with parts.database.reading() as connection:
        async for record in job_records(connection, shop_id):
            yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


async def _verdicts(parts: Parts, given: Sequence[Any], who: str) -> list[VerdictOut]:
    read = [_entry_of(one) for one in given]
    told = iter(await catch_up(parts.database, [entry for entry in read if isinstance(entry, Entry)], who=who))
    return [
        found if isinstance(found, VerdictOut) else _verdict(one, next(told))
        for one, found in zip(given, read, strict=True)
    ]


def _entry_of(given: Any) -> Entry | VerdictOut:
    """What is refused before anything is looked up, with its verdict."""
    if not isinstance(given, EntryIn):
        return _misfit(given)
    try:
        return given.entry()
    except CodeError as error:
        return _verdict(given, error)


def _verdict(given: EntryIn, told: Outcome | Refusal) -> VerdictOut:
    if isinstance(told, Outcome):
        return VerdictOut(reference=given.reference, id=given.id, **_told(told))
    return VerdictOut(
        reference=given.reference, id=given.id, status=status_of(told), result="refused", problem=str(told)
    )


def _writable(text: str) -> str:
    """Half a character, as JSON can hold it, is no text that an answer can hold."""
    return text.encode("utf-8", "replace").decode()


def _misfit(given: Any) -> VerdictOut:
    named = given if isinstance(given, dict) else {}
    reference, own_id = named.get("reference"), named.get("id")
    try:
        EntryIn.model_validate(given)
    except ValidationError as error:
        said = "; ".join(entry_message(entry) for entry in error.errors()[:5])
    else:
        said = "it fits no entry."
    return VerdictOut(
        reference=_writable(str(reference or "")[:200]),
        id=_writable(str(own_id)[:MAX_ID]) if own_id is not None else None,
        status=422,
        result="refused",
        problem=_writable(said),
    )


def _told(outcome: Outcome) -> dict[str, Any]:
    job = outcome.job
    return {
        "status": 201 if outcome.result == "created" and not outcome.seen else 200,
        "result": outcome.result,
        "seen": outcome.seen,
        "revision": outcome.revision,
        "stage": outcome.stage,
        "eta_at": job.eta_at if job else None,
        "token": job.token if job else None,
        "status_url": job.status_url if job else None,
    }
