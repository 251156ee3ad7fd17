"""The page of how long jobs take: time in each stage, and promises kept."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from analytics.periods import PeriodError, period_for
from dashboard.access import TheParts
from dashboard.figures import asked_zone
from dashboard.show import sentence, show
from dashboard.signed_in import Reader
from dashboard.views import Form
from jobs.service_report import MAX_JOBS, KindTimes, service_report
from jobs.shops import list_shops

router = APIRouter(include_in_schema=False)

DAYS: Final = 90
_DAY: Final = r"\d{4}-\d\d-\d\d"


@dataclass(frozen=True, slots=True)
class ServicePage:
    template: ClassVar[str] = "service.html"
    active: ClassVar[str] = "jobs"

    form: Form
    zone: str
    shops: Sequence[str]  # empty: there is one only
    kinds: Sequence[KindTimes]
    left_out: int  # 0, or how many jobs were looked at when there were more


@router.get("/job-times")
async def job_times(request: Request, who: Reader, parts: TheParts) -> Response:
    """Of a time and a shop; a viewer may look, too: nothing private is in it."""
    given = request.query_params
    zone = asked_zone(request)
    async with parts.database.reading() as connection:
        shops = {shop.name: shop.id for shop in await list_shops(connection)}
    try:
        period = period_for(given.get("from") or None, given.get("to") or None, zone.key, days=DAYS)
    except PeriodError as error:
        typed = {name: given.get(name, "") for name in ("from", "to", "shop")}
        swapped = re.fullmatch(_DAY, typed["from"]) and re.fullmatch(_DAY, typed["to"]) and typed["from"] > typed["to"]
        form = Form(typed, {"": "“From” is after “To”: swap them." if swapped else sentence(error)})
        page = ServicePage(form, zone.key, _several(shops), (), 0)
        return show(request, page, who, status=422)
    shop_id = shops.get(given["shop"], 0) if given.get("shop") else None
    kinds, partial = await service_report(parts.database, period.start, period.end, shop_id=shop_id)
    last: date = (period.end - timedelta(seconds=1)).astimezone(zone).date()
    shown = {"from": period.start.astimezone(zone).date().isoformat(), "to": last.isoformat()}
    form = Form({**shown, "shop": given.get("shop", "")})
    return show(request, ServicePage(form, zone.key, _several(shops), kinds, MAX_JOBS if partial else 0), who)


def _several(shops: dict[str, int]) -> list[str]:
    return list(shops) if len(shops) > 1 else []
